"""Pack 26 circles into the unit square so that the sum of their radii is as large as can be."""

from harness.tasks.packing.prepare import build
from harness.tasks.packing.score import deal

__all__ = ["build", "deal"]
