"""Draws one constant at random: what chance alone achieves, for a report to compare with.

Constants and ranges are those of `tune`. It reads the history only to propose nothing twice, so
the next proposal owes nothing to how the ones before it ended.
"""

from __future__ import annotations

import math
import random

from runner.agents.constants import Constant, Settings, constants, source_path, with_value
from runner.records import Proposal
from runner.seams import Context, Desk

TRIES = 100


class RandomSearch:
    """Proposes one changed constant of the first mutable Python file at a time."""

    name = "random"
    isolation = "api"
    ahead = 0

    def __init__(self) -> None:
        self._settings = Settings()

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
        path = source_path(context)
        source = context.files[path].content.decode() if path else ""
        found = constants(source)
        if path is None or not found:
            return None
        now = {constant.name: constant.value for constant in found}
        tried = [now, *(settings for settings, _ in self._settings.tried(path, found, context))]
        # The commit tells one run from another, and the number one draw: a resumed run repeats it.
        chance = random.Random(f"{context.parent_commit}/{context.number}")  # noqa: S311 - no secret
        for _ in range(TRIES):
            constant = chance.choice(found)
            value = _drawn(constant, chance)
            if {**now, constant.name: value} not in tried:
                return with_value(path, source, constant, value)
        return None


def _drawn(constant: Constant, chance: random.Random) -> float:
    """Draw from the constant's range, evenly or evenly over its logarithm."""
    low, high = constant.low, constant.high
    if constant.log:
        return constant.rounded(math.exp(chance.uniform(math.log(low), math.log(high))))
    return constant.rounded(chance.uniform(low, high))
