"""What a training script may import: its data, its deadline, its seed, and where results go.

    import kit

    images = kit.data.load("images")
    deadline = kit.Deadline()
    while not deadline.expired():
        ...
        kit.curves.log("loss", step, loss)
    weights = kit.artifacts.path("weights.pt")

Nothing here is a limit: the supervisor holds the clock and the quotas from outside.
"""

from . import analysis, artifacts, curves, data, inputs, outputs, serving, tables
from .deadline import Deadline
from .environment import seed, split

__all__ = [
    "Deadline",
    "analysis",
    "artifacts",
    "curves",
    "data",
    "inputs",
    "outputs",
    "seed",
    "serving",
    "split",
    "tables",
]
