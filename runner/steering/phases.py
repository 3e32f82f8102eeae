"""The parts of a run: which one an experiment falls into, and what it changes; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner import seams
from runner.policy.conflicts import RELAXED
from runner.policy.schema import Imports, Phase, Policy, Relax

CLOSE = 1e-9
"""Sums of shares such as 0.1 and 0.2 are a little off."""


def phase_at(phases: Sequence[Phase], done: float | None) -> seams.Phase | None:
    """Return the phase of a run of which this share is done; `None` stays in the first.

    A policy without phases has none.
    """
    if not phases:
        return None
    reached = 0.0
    for phase in phases:
        reached += phase.share
        if (done or 0.0) < reached - CLOSE:
            return _told(phase)
    return _told(phases[-1])


def policy_in(policy: Policy, phase: str | None) -> Policy:
    """Return the policy with what this phase relaxes, for the review of its experiments."""
    found = next((each for each in policy.phases if each.name == phase), None)
    if found is None:
        return policy
    edits = policy.edits.model_copy(update=_relaxed(policy, found.relax))
    return policy.model_copy(update={"edits": edits})


def _relaxed(policy: Policy, relax: Relax) -> Mapping[str, Any]:
    counts = {name: value for name in RELAXED if (value := getattr(relax, name)) is not None}
    imports = policy.edits.imports
    if imports is None or not relax.imports:
        return counts
    return counts | {"imports": Imports(allow=(*imports.allow, *relax.imports))}


def _told(phase: Phase) -> seams.Phase:
    search = phase.web_search
    return seams.Phase(
        name=phase.name,
        hint=phase.hint,
        web_domains=search.domains if search else (),
        web_uses=search.uses if search else 0,
    )
