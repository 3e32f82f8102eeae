"""How long a program is, whatever its layout: the lines of its syntax tree written out again.

What this does not protect against: much in one line. A tie that keeps is a preference, not proof.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.policy.case import is_python
from runner.policy.syntax import SourceFacts, read_facts


def count_lines(contents: Mapping[str, bytes]) -> int:
    """Return the lines of all files together; of what is not Python, those that are not blank."""
    total = 0
    for path, content in contents.items():
        facts = read_facts(content) if is_python(path) else None
        if isinstance(facts, SourceFacts):
            total += facts.lines
        else:
            total += sum(1 for line in content.splitlines() if line.strip())
    return total
