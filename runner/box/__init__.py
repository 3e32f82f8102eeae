"""The container of an agent that is kept from everything but its model: isolation `contained`."""

from runner.box.run import run_in_box

__all__ = ["run_in_box"]
