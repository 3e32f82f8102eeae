"""A Python source read in a process of its own: `python -I -S` runs this folder."""
