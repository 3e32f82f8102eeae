"""A proposal from the context it is made in to the experiment that it becomes."""
