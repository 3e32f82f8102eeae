"""From a project that reports its own score to a task whose score is sealed."""
