"""Contrastive image-text training with expert annotations, on small generated prints."""

from harness.tasks.eclip.prepare import build
from harness.tasks.eclip.score import deal

__all__ = ["build", "deal"]
