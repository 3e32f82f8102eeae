"""The container of an agent that is kept from everything but its model: isolation `contained`."""

from runner.box.run import rows_of, run_in_box

__all__ = ["rows_of", "run_in_box"]
