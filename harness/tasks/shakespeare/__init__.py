"""Tiny Shakespeare, byte by byte: a served language model."""

from harness.tasks.shakespeare.prepare import build
from harness.tasks.shakespeare.score import deal

__all__ = ["build", "deal"]
