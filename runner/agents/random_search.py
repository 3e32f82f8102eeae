"""Draws one constant at random: what chance alone achieves, for a report to compare with.

Constants and ranges are those of `tune`. It reads the history only to propose nothing twice, so
the next proposal owes nothing to how the ones before it ended.
"""

from __future__ import annotations

import math
import random

from runner.agents.constants import constants, history, source_path, with_value
from runner.records import Proposal
from runner.seams import Context, Desk

TRIES = 100


class RandomSearch:
    """Proposes one changed constant of the first mutable Python file at a time."""

    name = "random"
    isolation = "api"

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
        path = source_path(context)
        source = context.files[path].content.decode() if path else ""
        found = constants(source)
        if path is None or not found:
            return None
        now = {constant.name: constant.value for constant in found}
        tried = [now, *(settings for settings, _ in history(path, found, context.history))]
        # The commit tells one run from another, and the number one draw: a resumed run repeats it.
        chance = random.Random(f"{context.parent_commit}/{context.number}")  # noqa: S311 - no secret
        for _ in range(TRIES):
            constant = chance.choice(found)
            if constant.log:  # evenly over its logarithm
                ends = math.log(constant.low), math.log(constant.high)
                value = constant.rounded(math.exp(chance.uniform(*ends)))
            else:
                value = constant.rounded(chance.uniform(constant.low, constant.high))
            if {**now, constant.name: value} not in tried:
                return with_value(path, source, constant, value)
        return None
