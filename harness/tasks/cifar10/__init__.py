"""CIFAR-10: name what is on a small photograph, one of ten kinds."""

from harness.tasks.cifar10.prepare import build
from harness.tasks.cifar10.score import deal

__all__ = ["build", "deal"]
