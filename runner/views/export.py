"""results.tsv as the first autoresearch had it; a view, never read back.

A crash has no metric: its field is empty, for 0 would be the best score there is. A text that a
spreadsheet would take for a formula has an apostrophe before it; numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runner.records import SELF_REPORTED, Experiment, Spent
from runner.views import lines
from runner.views.documents import peak_memory

SHORT_COMMIT = 7
MAX_DESCRIPTION = 200
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - full-width signs are signs to a spreadsheet
"""How a cell begins that a spreadsheet computes (OWASP, "CSV Injection")."""
COLUMNS = frozenset(
    (
        *("commit", "memory_gb", "status", "description", "wall_time_s", "usd", "trust"),
        *("number", "verdict", "rule", "gain", "probability_better", "category", "hypothesis"),
        *("expectation", "takeaway", "takeaway_of", "reason", "agent", "model", "parent", "trials"),
        *("started_at", "ended_at", "wall_seconds", "peak_memory_bytes", "peak_memory_gb"),
        "attempt_commit",
    )
)
"""Whatever a table or a tracker has beside the score, by names that a metric may have as well."""
DECIMALS = 6
"""At least; more where two different scores would look the same."""


def score_column(metric: str) -> str:
    """Return what the score's column is called: as the metric, unless another column is."""
    return f"score_{metric}" if metric in COLUMNS else metric


def row(
    experiment: Experiment,
    metric: str,
    took: Mapping[int, Spent] | None = None,
    *,
    self_reported: bool = False,
) -> dict[str, Any]:
    """Return an experiment's row; absent values are `None`.

    A run that asked models has one column more than the first autoresearch had, `usd`, and one
    whose code says its own score has `trust`.
    """
    spent = took.get(experiment.number) if took else None
    money = {} if took is None else {"usd": spent and spent.usd}
    trust = {"trust": SELF_REPORTED} if self_reported else {}
    return (
        {
            "commit": (experiment.commit or experiment.attempt_commit or "")[:SHORT_COMMIT] or None,
            score_column(metric): experiment.score,
            "memory_gb": lines.memory(peak_memory(experiment)) or None,
            "status": experiment.status,
            "description": lines.plain(experiment.hypothesis, MAX_DESCRIPTION) or None,
        }
        | money
        | trust
    )


def tsv(rows: Iterable[dict[str, Any]], numbers: Mapping[str, Iterable[float]]) -> Iterator[str]:
    """Yield rows as lines of tab-separated text with a heading; an absent value is an empty field.

    Args:
        rows: of experiments, in their order.
        numbers: column → all of its values, which get as many decimals as tell them apart.
    """
    places = {name: lines.decimals_apart(found, DECIMALS) for name, found in numbers.items()}
    names: list[str] = []
    for each in rows:
        if not names:
            names = list(each)
            yield line(names)
        yield line(_written(each[name], places.get(name, DECIMALS)) for name in names)
    if not names:
        yield line(["commit", "memory_gb", "status", "description"])


class Written(str):
    """A number as it is written: its sign begins no formula."""

    __slots__ = ()


def _written(value: Any, places: int) -> Any:
    return Written(f"{value:.{places}f}") if isinstance(value, float) else value


def line(values: Iterable[Any], delimiter: str = "\t") -> str:
    """Return values as a line of a table; an absent one is an empty field."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(map(_field, values))
    return text.getvalue()


def _field(value: Any) -> str:
    if value is None:
        return ""
    said = str(value)
    number = isinstance(value, (int, float, Written))
    return f"'{said}" if not number and said.startswith(FORMULA) else said
