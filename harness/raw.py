"""What is wrong with a person's raw files: expected, so it is told without a traceback."""

from __future__ import annotations


class BadRawDataError(Exception):
    """A raw file is missing or is not in its official format; the message names it."""
