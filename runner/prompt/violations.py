"""What a proposal that came back broke, in words for its agent."""

from __future__ import annotations

from collections.abc import Sequence

from runner.prompt.untrusted import one_line, quoted
from runner.records import Violation

MOST_CHARACTERS = 1000
"""Of one rule's line; its message may hold what an agent wrote."""


def mend(violations: Sequence[Violation], then: str = "") -> str:
    """Say what to mend, and what to do after it."""
    lines = "\n".join(map(line, violations))
    return f"Mend this{f', and {then}' if then else ''}:\n\n{quoted('the review', lines)}"


def line(violation: Violation) -> str:
    """Return the rule, where it was broken, and what is allowed instead, as one line."""
    where = f" in {violation.path}" if violation.path else ""
    return one_line(f"{violation.rule}{where}: {violation.message}", MOST_CHARACTERS)
