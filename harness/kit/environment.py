"""What the supervisor says through the environment."""

from __future__ import annotations

import os


def seed() -> int:
    """Return this trial's seed; it is drawn outside, so there is none to choose in the code."""
    return int(read("RUNNER_SEED"))


def split() -> str:
    """Return the name of the split that this trial trains on."""
    return read("RUNNER_SPLIT")


def read(name: str) -> str:
    """Return a variable that the supervisor sets.

    Raises:
        RuntimeError: it is not set, so this is not a trial.
    """
    value = os.environ.get(name)
    if value is None:
        raise RuntimeError(
            f"{name} is not set: start the script through `runner`, or set it by hand"
        )
    return value
