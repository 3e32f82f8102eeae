"""What was understood of a task's data: a document that a person is shown before anything runs.

The warnings are about what spoils a measurement quietly: a column that gives the target away, rows
that are on both sides, columns that number rows.

What this does not protect against: several columns that give a target away only together.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.declared import metrics
from harness.declared.columns import Column
from harness.declared.dates import DAY_SECONDS
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
ROWS_OF_A_BIN = 10
FEW_OF_A_CLASS = 20
MANY_COLUMNS_PER_ROW = 0.5
MOST_NAMED = 5
"""Columns or classes that one warning names."""
MOST_COLUMNS_OF_AN_ARRAY, MOST_ROWS_OF_AN_ARRAY = 1000, 5000
IDS = ("id", "group", "subject", "patient", "participant", "person", "user", "customer", "session")
FEWEST_GROUPS, MOST_GROUPS = 5, 0.9
"""Values of a column that may group rows, and their share of the rows."""
FEWEST_OTHERS, NINES_OFF, MANY_OTHERS, FAR_OFF = 5, 1.0, 10, 2.0
"""Other values beside one that is far off, and how far off it is: -1 and 999, and any other."""
OUTLIERS, OUTLIERS_SHARE = 0.01, 0.5
"""A share of the rows, and of the squared distance from the median that it should not have."""
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
            "example": next(
                (value for value in values if not source.reading.is_absent(value)), "")[:40],
        })  # fmt: skip
    dialect = {
        "delimiter": data.delimiter, "encoding": data.encoding, "header": data.header,
        "decimal": data.decimal if data.delimiter else None,
    }  # fmt: skip
    found: dict[str, Any] = {"columns": described, "dialect": dialect}
    if source.order is not None and (times := source.order.numbers) is not None:
        shown = _dated(source.order)
        found["time"] = [shown(float(times.min())), shown(float(times.max()))]
    return found


def _dated(column: Column) -> Callable[[float], str]:
    """Return how a value of the column that orders the rows is shown."""
    if column.kind != "date":
        return lambda value: f"{value:.15g}"

    def shown(value: float) -> str:
        moment = datetime.fromtimestamp(value * DAY_SECONDS, UTC)
        return moment.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")

    return shown


def warnings(source: TableSource) -> Iterator[str]:
    """Yield what a person should know of a table before a run is believed."""
    yield from source.notes
    yield from source.target.notes
    times = source.times()
    if source.order is not None:
        yield from (f"column {source.order.name!r}: {note}" for note in source.order.notes)
    if times is not None and (np.diff(times) < 0).any():
        yield f"rows are not in the order of {source.declaration.split.column!r}: they are sorted"
    form = source.data.dates
    if form and times is None and not any(form in note for column in source.features
                                          for note in column.notes):  # fmt: skip
        yield f"no column holds dates like {form!r}: --date-format, in the marks of strptime"
    for name in source.numbering:
        yield f"column {name!r} numbers the rows: no model gets it"
    yield from _of_columns(source.features, len(source))
    yield from given_away(source.features, source.target)
    yield from _of_amounts_or_classes(source.target)
    width = len(source.features)
    if width > MANY_COLUMNS_PER_ROW * len(source):
        yield f"{width} columns for {len(source)} rows: a model can learn the rows by heart"


def _of_columns(features: Sequence[Column], rows: int) -> Iterator[str]:
    """Yield what is said of columns, those together of which the same is said."""
    names: dict[tuple[str, str], list[str]] = {}
    twins: dict[bytes, str] = {}
    for column in features:
        said = [(f": {note}", f": {note}") for note in column.notes]
        said += _of_column(column, rows)
        # Where nearly all values differ, an order that two columns share is no sign of this.
        alike = column.codes() if column.distinct * 2 < rows else column.numbers
        if column.distinct > 1 and alike is not None:
            other = twins.setdefault(alike.tobytes(), column.name)
            if other != column.name:
                same = f"as {other!r}, row by row: one of them will do"
                said.append((f" says the same {same}", f" say the same {same}"))
        for each in said:
            names.setdefault(each, []).append(column.name)
    for (one, several), which in names.items():
        if len(which) == 1:
            yield f"column {which[0]!r}{one}"
        else:
            more = f" and {len(which) - MOST_NAMED} more" if len(which) > MOST_NAMED else ""
            yield f"columns {', '.join(map(repr, which[:MOST_NAMED]))}{more}{several}"


def _of_column(column: Column, rows: int) -> Iterator[tuple[str, str]]:
    """Yield what makes a column of no use, or more than a column: of one, and of several."""
    drop, name = f"--drop {quoted(column.name)}", column.name
    whole = column.kind == "words" or (column.kind == "number" and _is_id(name))
    if column.kind == "empty":
        yield " is empty: it tells nothing", " are empty: they tell nothing"
    elif column.distinct == 1 and not column.missing:
        yield " is constant: it tells nothing", " are constant: they tell nothing"
    elif whole and column.distinct == rows and not column.notes:
        what = "a word" if column.kind == "words" else "a number"
        said = f" is an identifier, {what} of its own in every row: {drop}"
        yield said, said
    elif _is_id(name) and FEWEST_GROUPS <= column.distinct <= MOST_GROUPS * rows:
        said = f" repeats values: if rows of one {name} belong together, --group {quoted(name)}"
        yield said, said
    if column.kind != "date" and (absent := _far_off(column.numbers)) is not None:
        value, count, low, high = absent
        said = (
            f": {count} rows hold {value:.15g}, far from the others ({low:.15g} to {high:.15g}); "
            f"if it is an absent value: --missing {value:.15g}"
        )
        yield said, said


def _is_id(name: str) -> bool:
    """Whether a column is called as what names persons or things is."""
    plain = name.strip(" _#").casefold()
    return plain in IDS or re.search(r"(?:^|[\W_]|[a-z])I[dD]$|(?:^|[\W_])id$", name) is not None


def _far_off(numbers: Numbers | None) -> tuple[float, int, float, float] | None:
    """Return a number that stands for no value, as -1 and 999 do, how often, and the others' range.

    It is the least or the greatest, there more than once, and as far from the others as they are
    from each other; or the one number below 0, and -1 or nines.
    """
    if numbers is None:
        return None
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    if len(values) < 2:
        return None
    for end, others in ((-1, values[:-1]), (0, values[1:])):
        value, spread = float(values[end]), float(np.ptp(others))
        nines = set(f"{abs(value):.15g}") == {"9"} or value == -1
        far = (NINES_OFF if nines else FAR_OFF) * spread
        if len(others) < (FEWEST_OTHERS if nines else MANY_OTHERS) or value in (0, 1):
            continue  # no 0 and no 1: an amount that many rows have, and a flag elsewhere
        if counts[end] >= 2 and (float(np.abs(others - value).min()) > far or (
            nines and value < 0 <= others[0])):  # fmt: skip
            return value, int(counts[end]), float(others[0]), float(others[-1])
    return None


def _of_amounts_or_classes(target: Target) -> Iterator[str]:
    """Yield what makes a measurement of a target noisy."""
    counts = target.counts()
    if target.kind in ("binary", "multi-class"):
        few = [f"{count} rows are {name!r}" for name, count in counts.items()
               if count < FEW_OF_A_CLASS]  # fmt: skip
        if few:
            more = f", and of {len(few) - MOST_NAMED} more classes" if len(few) > MOST_NAMED else ""
            yield f"only {', '.join(few[:MOST_NAMED])}{more}: scores will be noisy"
    if target.kind == "regression" and target.values.ndim == 1:
        if (absent := _far_off(target.values)) is not None:
            value, count, *_ = absent
            yield (
                f"{count} rows of the target hold {value:.15g}, far from all others; if it is an "
                f"absent value: --missing {value:.15g} --drop-missing-target"
            )
        off = np.sort((target.values - np.median(target.values)) ** 2)[::-1]
        few_rows = max(1, round(OUTLIERS * len(off)))
        if off[:few_rows].sum() > OUTLIERS_SHARE * off.sum():
            yield (
                f"the target's {few_rows} most extreme rows weigh more than all others together: "
                "--metric mae or median_absolute_error is not about them alone"
            )


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


def of_array(name: str, inputs: NDArray[Any], target: Target) -> Iterator[str]:
    """Yield what spoils a measurement in columns of an array [n, k], of some rows where many are.

    What this does not protect against: columns behind the first hundreds.
    """
    if inputs.ndim != 2 or inputs.dtype.kind not in "biuf" or target.values.ndim != 1:
        return
    rows = np.linspace(0, len(inputs) - 1, min(len(inputs), MOST_ROWS_OF_AN_ARRAY)).astype(np.int64)
    for place in range(min(inputs.shape[1], MOST_COLUMNS_OF_AN_ARRAY)):
        said, values = f"column {place} of {name}", inputs[:, place].astype(np.float64)
        if len(values) > 1 and (np.diff(values) == 1).all():
            yield f"{said} numbers the rows: a model may learn their order from it"
        numbers = values[rows]
        absent = np.isnan(numbers)
        column = Column(
            name=said, kind="number", numbers=numbers, words=(), missing=int(absent.sum()),
            distinct=len(np.unique(numbers[~absent])),
        )  # fmt: skip
        found = alone(column, target.take(rows))
        if found is not None and found[0] >= GIVES_AWAY:
            yield (
                f"{said} gives the target away, alone it has {found[1]} {found[0]:.3f}; if it is "
                "known only afterwards, take it out"
            )


def alone(column: Column, target: Target) -> tuple[float, str] | None:
    """Return how well a column alone predicts a target, and what the number is."""
    if column.distinct + (column.missing > 0) < 2 or column.kind in ("text", "empty"):
        return None
    values = target.values
    if target.kind not in ("binary", "multi-class"):
        guesses = list(_guesses(column, values.astype(np.float64)))
        told = [_r2(guess, values) for guess in guesses]
        told += [_r2(_ranks(guess), _ranks(values)) for guess in guesses]  # a logarithm, say
        return (max(told), "R²") if told else None
    # Of several classes, all must be told: the worst of them, each against the rest.
    places = [1] if target.kind == "binary" else np.unique(values).tolist()
    worst = 1.0
    for place in places:
        if worst < GIVES_AWAY:
            break
        flags = (values == place).astype(np.uint8)
        areas = [auc(flags, guess) for guess in _guesses(column, flags.astype(np.float64))]
        worst = min(worst, max((max(area, 1 - area) for area in areas), default=0.0))
    return worst, "AUC"


def _r2(guess: Numbers, values: NDArray[Any]) -> float:
    if not np.std(guess) > 0 or not np.std(values) > 0:
        return 0.0
    return float(np.corrcoef(guess, values)[0, 1]) ** 2


def _ranks(values: NDArray[Any]) -> Numbers:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - counts / 2)[places]


def _guesses(column: Column, values: Numbers) -> Iterator[Numbers]:
    """Yield what a column's own values, or those of other rows like it, say of a target."""
    found = _looked_up(column.codes(), values)
    if column.numbers is not None:
        yield np.where(np.isnan(column.numbers), np.nanmedian(column.numbers), column.numbers)
        if found is None:  # neighbours are like it
            places = np.argsort(np.argsort(column.numbers, kind="stable"))
            found = _looked_up(places // ROWS_OF_A_BIN, values)
    if found is not None:
        yield found


def _looked_up(codes: NDArray[np.int64], values: Numbers) -> Numbers | None:
    """Return for each row the mean target of the other half's rows with the same value."""
    rows, distinct = len(codes), int(codes.max()) + 1
    if distinct > MOST_VALUES * rows or distinct * FEWEST_OF_A_VALUE > rows:
        return None
    guess = np.empty(rows)
    half = np.arange(rows) % 2 == 0
    half = half[np.random.Generator(np.random.PCG64(0)).permutation(rows)]
    for learn, apply in ((half, ~half), (~half, half)):
        sums = np.bincount(codes[learn], weights=values[learn], minlength=distinct)
        counts = np.bincount(codes[learn], minlength=distinct)
        mean = np.where(counts > 0, sums / np.maximum(counts, 1), values[learn].mean())
        guess[apply] = mean[codes[apply]]
    return guess
