"""A run on a whole terminal, live, from any terminal of the machine; it outlives the run."""
