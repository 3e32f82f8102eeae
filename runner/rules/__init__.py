"""How an experiment is decided: one file per rule, all pure, all behind one seam.

A rule sees what was measured of both sides, the candidate and the best so far, and answers either
with the trials that it still wants or with its decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.policy.schema import Policy
from runner.rules.ladder import Ladder
from runner.rules.posterior import Posterior
from runner.rules.seam import Ask, Evidence, Level, Rule
from runner.rules.strict import Strict

__all__ = ["RULES", "Ask", "Evidence", "Level", "Rule", "rule_of"]

RULES: Mapping[str, Callable[[Policy], Rule]] = {
    "posterior": Posterior.of,
    "strict": Strict.of,
    "ladder": Ladder.of,
}
"""By the name that a policy says."""


def rule_of(policy: Policy) -> Rule:
    return RULES[policy.decision.rule](policy)
