"""How noisy a task is, and what gain a run of it can see."""
