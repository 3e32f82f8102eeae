"""results.tsv as the first autoresearch had it; a view, never read back.

A crash has no metric: its field is empty, for 0 would be the best score there is. A text that a
spreadsheet would take for a formula has an apostrophe before it; numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from runner.money.usage import Spent
from runner.records import Experiment
from runner.views import lines
from runner.views.documents import peak_memory

SHORT_COMMIT = 7
MAX_DESCRIPTION = 200
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - full-width signs are signs to a spreadsheet
"""How a cell begins that a spreadsheet computes (OWASP, "CSV Injection")."""
DECIMALS = 6
"""At least; more where two different scores would look the same."""


def rows(
    history: Sequence[Experiment], metric: str, took: Mapping[int, Spent] | None = None
) -> list[dict[str, Any]]:
    """Return one row per experiment; absent values are `None`.

    A run that asked models has one column more than the first autoresearch had: `usd`.
    """
    return [
        {
            "commit": (found.commit or found.attempt_commit or "")[:SHORT_COMMIT] or None,
            metric: found.score,
            "memory_gb": lines.memory(peak_memory(found)) or None,
            "status": found.status,
            "description": lines.plain(found.hypothesis, MAX_DESCRIPTION),
            **({"usd": took[found.number].usd if found.number in took else None} if took else {}),
        }
        for found in history
    ]


def tsv(table: Sequence[dict[str, Any]]) -> str:
    """Write rows as tab-separated text with a heading; an absent value is an empty field."""
    text = io.StringIO()
    names = list(table[0]) if table else ["commit", "memory_gb", "status", "description"]
    writer = csv.DictWriter(text, names, delimiter="\t", lineterminator="\n")
    writer.writerow({name: _field(name, 0) for name in names})
    numbers = {name: [row[name] for row in table if isinstance(row[name], float)] for name in names}
    places = {name: lines.decimals_apart(numbers[name], DECIMALS) for name in names}
    writer.writerows({name: _field(row[name], places[name]) for name in names} for row in table)
    return text.getvalue()


def _field(value: Any, places: int) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{places}f}"
    return f"'{value}" if str(value).startswith(FORMULA) else str(value)
