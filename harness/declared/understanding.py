"""What was understood of a task's data: a document that a person is shown before anything runs.

The warnings are about what spoils a measurement quietly: a column that gives the target away, rows
that are on both sides, columns that number rows.

What this does not protect against: several columns that give a target away only together.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.declared import columns, metrics
from harness.declared.columns import DAY_SECONDS, Column
from harness.declared.parts import Divided, Twins
from harness.declared.schema import Declaration
from harness.declared.tables import TableSource
from harness.declared.targets import Target
from harness.scoring.classification import auc

GIVES_AWAY = 0.99
"""An AUC or R² of a column alone from which on it is told."""
FEWEST_OF_A_VALUE = 3
MOST_VALUES = 0.5
"""Columns with more different words than this share of the rows are not looked up by word."""
FEW_OF_A_CLASS = 20
MANY_COLUMNS_PER_ROW = 0.5
Numbers = NDArray[np.float64]


def of_target(declaration: Declaration, target: Target, rows: int) -> dict[str, Any]:
    """Return what is said of any task: rows, target, classes, metric and how answers are read."""
    metric, also = metrics.chosen(target.kind, declaration.score)
    values = target.values
    said: dict[str, Any] = {
        "rows": rows,
        "kind": target.kind,
        "why": target.why,
        "classes": target.counts(),
        "positive": None if target.positive is None else str(target.positive),
        "metric": metric.name,
        "function": metric.source,
        "direction": metric.direction,
        "measures": metric.words,
        "reads": metrics.reading(target.kind, metric),
        "also": [one.name for one in also],
        "spread": float(np.std(values)) if target.kind == "regression" else None,
    }
    if target.kind == "regression":
        low, middle, high = (float(one) for one in np.quantile(values, (0.0, 0.5, 1.0)))
        said["range"] = [low, middle, high]
    return said


def of_split(divided: Divided) -> dict[str, Any]:
    return {
        "splits": list(divided.splits),
        "audit_splits": list(divided.audit_splits),
        "shared": divided.shared,
        "analysis": divided.analysis is not None,
        "parts": {
            f"{one.part}/{one.split}": [len(one.training), len(one.asked)]
            for one in divided.evaluated
        },
    }


def of_table(source: TableSource) -> dict[str, Any]:
    """Return each column's kind and missing share, and how the file was read."""
    rows, data = len(source), source.data
    roles = {
        **dict.fromkeys(source.target_names, "target"),
        **dict.fromkeys(data.drop, "dropped"),
        **dict.fromkeys(source.numbering, "numbers the rows, dropped"),
    }
    if data.id is not None:
        roles[data.id] = "id, dropped"
    split = source.declaration.split
    if split.column is not None:
        roles[split.column] = "groups the rows" if split.grouped else "orders the rows"
    known = {column.name: column for column in source.features}
    described = []
    for name, values in zip(source.cells.names, source.cells.columns, strict=True):
        column = known.get(name)
        absent = sum(map(source.reading.is_absent, values)) if column is None else column.missing
        described.append({
            "name": name,
            "kind": roles.get(name) or (column.kind if column else ""),
            "missing": absent / rows,
            "distinct": len(set(values)) if column is None else column.distinct,
            "example": next((value for value in values if value), "")[:40],
        })  # fmt: skip
    dialect = {
        "delimiter": data.delimiter, "encoding": data.encoding, "header": data.header,
        "decimal": data.decimal if data.delimiter else None,
    }  # fmt: skip
    found: dict[str, Any] = {"columns": described, "dialect": dialect}
    if (times := source.times()) is not None and split.column is not None:
        shown = _dated(source)
        found["time"] = [shown(float(times.min())), shown(float(times.max()))]
    return found


def _dated(source: TableSource) -> Callable[[float], str]:
    """Return how a value of the column that orders the rows is shown."""
    name = source.declaration.split.column or ""
    values = source.cells.column(name)[:20]
    kind = columns.understand(name, values, source.cells.lines[:20], source.reading).kind
    if kind != "date":
        return lambda value: f"{value:g}"

    def shown(value: float) -> str:
        moment = datetime.fromtimestamp(value * DAY_SECONDS, UTC)
        return moment.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")

    return shown


def warnings(source: TableSource) -> Iterator[str]:
    """Yield what a person should know of a table before a run is believed."""
    yield from source.notes
    yield from source.target.notes
    times = source.times()
    if times is not None and (np.diff(times) < 0).any():
        yield f"rows are not in the order of {source.declaration.split.column!r}: they are sorted"
    for name in source.numbering:
        yield f"column {name!r} numbers the rows: no model gets it"
    for column in source.features:
        yield from (f"column {column.name!r}: {note}" for note in column.notes)
        yield from _of_column(column, len(source))
    yield from given_away(source.features, source.target)
    counts = source.target.counts()
    if source.target.kind in ("binary", "multi-class"):
        for name, count in counts.items():
            if count < FEW_OF_A_CLASS:
                yield f"only {count} rows are {name!r}: scores will be noisy"
    width = len(source.features)
    if width > MANY_COLUMNS_PER_ROW * len(source):
        yield f"{width} columns for {len(source)} rows: a model can learn the rows by heart"


def _of_column(column: Column, rows: int) -> Iterator[str]:
    """Yield what makes a column of no use, or more than a column."""
    name = f"column {column.name!r}"
    if column.kind == "empty":
        yield f"{name} is empty: it tells nothing"
    elif column.distinct == 1 and not column.missing:
        yield f"{name} is constant: it tells nothing"
    elif column.kind == "words" and column.distinct == rows:
        typed = f"--drop {quoted(column.name)}"
        yield f"{name} is an identifier, a word of its own in every row: {typed}"
    elif column.name.casefold() in ("id", "group") and column.distinct < rows:
        together = f"if rows of one {column.name} belong together, --group {quoted(column.name)}"
        yield f"{name} repeats values: {together}"


def quoted(name: str) -> str:
    """Return a name as it is typed on a command line."""
    return shlex.quote(name)


def of_twins(found: Twins, crossed: int, *, by: str) -> Iterator[str]:
    """Yield what was done about rows that look the same."""
    if not found.rows:
        return
    said = f"{found.rows} rows have a twin, the same in all that a model sees"
    if by in ("random", "files") and found.together and not crossed:
        yield f"{said}: twins stay together in one part"
    elif by == "random":
        yield (
            f"{said}: so few different rows cannot be kept apart, and {crossed} that are asked "
            "about are also trained on"
        )
    elif crossed:
        yield f"{said}: {crossed} that are asked about are also trained on"


# -- what one column tells --------------------------------------------------------------------


def given_away(features: Sequence[Column], target: Target) -> Iterator[str]:
    """Yield the columns that predict the target alone."""
    if target.values.ndim != 1:
        return
    for column in features:
        if (found := alone(column, target)) is None or found[0] < GIVES_AWAY:
            continue
        value, what = found
        yield (
            f"column {column.name!r} gives the target away, alone it has {what} {value:.3f}; if it "
            f"is known only afterwards: --drop {quoted(column.name)}"
        )


def alone(column: Column, target: Target) -> tuple[float, str] | None:
    """Return how well a column alone predicts a target, and what the number is."""
    if column.distinct + (column.missing > 0) < 2 or column.kind in ("text", "empty"):
        return None
    guesses = [_looked_up(column, target)]
    if column.numbers is not None:
        filled = np.where(np.isnan(column.numbers), np.nanmedian(column.numbers), column.numbers)
        guesses.append(filled)
    best: tuple[float, str] | None = None
    for guess in guesses:
        if guess is None:
            continue
        for found in _said(guess, target):
            best = found if best is None or found[0] > best[0] else best
    return best


def _said(guess: Numbers, target: Target) -> Iterator[tuple[float, str]]:
    values = target.values
    if target.kind == "regression":
        if np.std(guess) > 0 and np.std(values) > 0:
            yield float(np.corrcoef(guess, values)[0, 1]) ** 2, "R²"
        return
    if target.kind == "binary":
        value = auc(values, guess)
        yield max(value, 1 - value), "AUC"
        return
    # Of several classes, all must be told: the worst of them, each against the rest.
    ordered = [auc((values == place).astype(np.uint8), guess) for place in np.unique(values)]
    yield min(max(one, 1 - one) for one in ordered), "AUC"


def _looked_up(column: Column, target: Target) -> Numbers | None:
    """Return for each row the mean target of the other half's rows with the same value."""
    codes = column.codes()
    rows, distinct = len(codes), int(codes.max()) + 1
    if distinct > MOST_VALUES * rows or distinct * FEWEST_OF_A_VALUE > rows:
        return None
    values = target.values.astype(np.float64)
    guess = np.empty(rows)
    half = np.arange(rows) % 2 == 0
    half = half[np.random.Generator(np.random.PCG64(0)).permutation(rows)]
    for learn, apply in ((half, ~half), (~half, half)):
        sums = np.bincount(codes[learn], weights=values[learn], minlength=distinct)
        counts = np.bincount(codes[learn], minlength=distinct)
        mean = np.where(counts > 0, sums / np.maximum(counts, 1), values[learn].mean())
        guess[apply] = mean[codes[apply]]
    return guess
