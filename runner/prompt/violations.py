"""What a proposal that came back broke, in words for its agent."""

from __future__ import annotations

from collections.abc import Sequence

from runner.prompt.untrusted import one_line, quoted
from runner.records import Violation

MOST_CHARACTERS = 1000
"""Of one rule's line; its message may hold what an agent wrote."""


def mend(violations: Sequence[Violation], then: str = "", left: int | None = None) -> str:
    """Say what to mend, what to do after it, and how often it may still come back."""
    lines = "\n".join(map(line, violations))
    asked = f"Mend this{f', and {then}' if then else ''}{_left(left)}:"
    return f"{asked}\n\n{quoted('the review', lines)}"


def _left(left: int | None) -> str:
    if left is None:
        return ""
    often = {0: "it does not come back again: as it is next, it counts", 1: "1 more return"}
    return f" ({often.get(left, f'{left} more returns')})"


def line(violation: Violation) -> str:
    """Return the rule, where it was broken, and what is allowed instead, as one line."""
    where = f" in {violation.path}" if violation.path else ""
    return one_line(f"{violation.rule}{where}: {violation.message}", MOST_CHARACTERS)
