"""A GPT over tokens of web text, or of any text: a served language model."""

from harness.tasks.nanochat.prepare import build
from harness.tasks.nanochat.score import deal

__all__ = ["build", "deal"]
