"""Read a CSV file into numbers, words and a target of two classes, or say what is wrong with it.

A description says which column is what; the types of the others are found in the file. Every
complaint names the column and the first row that breaks the rule, counted as a person does who
opens the file: the header is line 1.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.raw import BadRawDataError

MISSING = ("", "?", "na", "n/a", "nan", "null", "none")
"""What an absent value is written as, whatever its case."""
MAX_WORD_BYTES = 200
HEADER_LINE = 1
Columns = Mapping[str, Sequence[str]]


class BadTableError(BadRawDataError, ValueError):
    """The file does not fit its description; the message names column and line."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a task knows of its CSV file; lies beside the task as `columns.json`."""

    file: str
    target: str
    positive: str | None = None
    """The target's value that is predicted; without it the later of the two in sorting order."""
    time: str | None = None
    """Column that orders the rows, ascending; without it they are in order as they stand."""
    id: str | None = None
    """Column that must not repeat a value; no feature either."""
    drop: tuple[str, ...] = ()
    """Columns that no model gets, because they tell the target or come after it."""
    delimiter: str = ","
    missing: tuple[str, ...] = MISSING
    cuts: tuple[float, ...] = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    """Share of the rows at which each window's past ends; its future ends at the next, or at 1."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a task: what a model may see, and what it is to predict."""

    numbers: NDArray[np.float64]
    """[n, k]; NaN where a value is missing."""
    number_names: tuple[str, ...]
    words: NDArray[np.bytes_]
    """[n, c] as UTF-8; empty where a value is missing."""
    word_names: tuple[str, ...]
    targets: NDArray[np.uint8]
    """[n] of 0 and 1."""
    times: NDArray[np.float64] | None = field(default=None)
    """[n] ascending; no feature."""

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: slice | NDArray[np.int64]) -> Table:
        """Return some of the rows, in the order asked for."""
        times = None if self.times is None else self.times[rows]
        return replace(
            self,
            numbers=self.numbers[rows],
            words=self.words[rows],
            targets=self.targets[rows],
            times=times,
        )


def read_description(path: Path) -> Description:
    """Return a task's `columns.json` as a value.

    Raises:
        BadTableError: a key is unknown or missing.
    """
    raw = json.loads(path.read_bytes())
    known = {one.name for one in fields(Description)}
    if unknown := sorted(set(raw) - known):
        raise BadTableError(f"{path.name}: unknown key {unknown[0]!r}; known: {sorted(known)}")
    if missing := sorted({"file", "target"} - set(raw)):
        raise BadTableError(f"{path.name}: the key {missing[0]!r} is missing")
    lists = {key: tuple(value) for key, value in raw.items() if isinstance(value, list)}
    return Description(**{**raw, **lists})


def read_table(content: bytes, description: Description) -> Table:
    """Parse a file's bytes.

    Raises:
        BadTableError: the file does not fit its description.
    """
    columns = read_columns(content, description.delimiter)
    rows = len(next(iter(columns.values())))
    for name in _named(description):
        if name not in columns:
            raise BadTableError(f"there is no column {name!r}; the file has {', '.join(columns)}")
    if description.id is not None:
        _check_unique(description.id, columns[description.id])
    times = None if description.time is None else _times(description, columns[description.time])
    absent = frozenset(one.lower() for one in description.missing)
    features = {name: values for name, values in columns.items() if name not in _named(description)}
    numbers = {name: _numbers(values, absent) for name, values in features.items()}
    numeric = {name: values for name, values in numbers.items() if values is not None}
    words = {name: _words(name, features[name], absent) for name in features if name not in numeric}
    return Table(
        numbers=_stack(list(numeric.values()), rows, "<f8"),
        number_names=tuple(numeric),
        words=_stack(list(words.values()), rows, "S1"),
        word_names=tuple(words),
        targets=_targets(description, columns[description.target], absent),
        times=times,
    )


def read_columns(content: bytes, delimiter: str) -> Columns:
    """Return column name → its values as text, spaces around them removed."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadTableError(f"line {line} is not UTF-8: save the file as UTF-8") from None
    # A column that is dropped may hold whole documents. The limit is the module's: only raised.
    csv.field_size_limit(max(len(text) + 1, csv.field_size_limit()))
    lines, rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), []
    try:
        header = [name.strip() for name in next(lines, [])]
        _check_header(header, delimiter)
        for values in lines:
            if not values:
                continue  # an empty line, at the end say
            if len(values) != len(header):
                raise BadTableError(
                    f"line {lines.line_num} has {len(values)} values and the header {len(header)}"
                )
            rows.append([value.strip() for value in values])
    except csv.Error as error:
        raise BadTableError(f"line {lines.line_num} is no CSV: {error}") from None
    if not rows:
        raise BadTableError("the file has no rows")
    return dict(zip(header, zip(*rows, strict=True), strict=True))


def _check_header(header: Sequence[str], delimiter: str) -> None:
    if not any(header):
        raise BadTableError("the file is empty")
    if len(header) < 2:
        raise BadTableError(f"the header {header[0]!r} has no {delimiter!r}: is it the delimiter?")
    for number, name in enumerate(header, start=1):
        if not name:
            raise BadTableError(f"column {number} of the header has no name")
        if name in header[: number - 1]:
            raise BadTableError(f"the header names the column {name!r} twice")


def _named(description: Description) -> tuple[str, ...]:
    """Name the columns that the description gives a role; the others are features."""
    optional = [name for name in (description.time, description.id) if name is not None]
    return (description.target, *optional, *description.drop)


def _line(row: int) -> int:
    return row + HEADER_LINE + 1


def _check_unique(name: str, values: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for row, value in enumerate(values):
        if value in first:
            raise BadTableError(
                f"column {name!r}: line {_line(row)} repeats {value!r}, "
                f"which line {_line(first[value])} has"
            )
        first[value] = row


def _times(description: Description, values: Sequence[str]) -> NDArray[np.float64]:
    name = description.time
    times = np.empty(len(values))
    for row, value in enumerate(values):
        found = _time(value)
        if found is None:
            raise BadTableError(
                f"column {name!r}: line {_line(row)} holds {value!r}, "
                "neither a number nor a date like 2024-01-31 or 2024-01-31T12:00:00"
            )
        if row and found < times[row - 1]:
            raise BadTableError(
                f"column {name!r}: line {_line(row)} ({value}) is earlier than the line before it: "
                "sort the file by this column"
            )
        times[row] = found
    return times


def _time(value: str) -> float | None:
    """Return a finite number as it is, and a date as seconds since 1970."""
    try:
        number = float(value)
    except ValueError:
        pass
    else:
        return number if math.isfinite(number) else None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _targets(
    description: Description, values: Sequence[str], absent: frozenset[str]
) -> NDArray[np.uint8]:
    name = f"the target {description.target!r}"
    for row, value in enumerate(values):
        if value.lower() in absent:
            raise BadTableError(f"{name}: line {_line(row)} has no value")
    classes = sorted(set(values))
    if len(classes) == 1:
        raise BadTableError(f"{name} has one class only: every row holds {classes[0]!r}")
    positive = classes[1] if description.positive is None else description.positive
    if positive not in classes:
        raise BadTableError(f"{name} never holds {positive!r}, which is to be predicted")
    if len(classes) > 2:
        row = next(row for row, value in enumerate(values) if value in classes[2:])
        raise BadTableError(
            f"{name} must hold two classes and holds {len(classes)}, {values[row]!r} in line "
            f"{_line(row)} among them"
        )
    return np.array([value == positive for value in values], dtype=np.uint8)


def _numbers(values: Sequence[str], absent: frozenset[str]) -> NDArray[np.float64] | None:
    """Return a column as numbers, or nothing where one of its values is a word."""
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if value.lower() in absent:
            continue
        try:
            numbers[row] = float(value)
        except ValueError:
            return None
        if not math.isfinite(numbers[row]):
            return None
    return numbers


def _words(name: str, values: Sequence[str], absent: frozenset[str]) -> NDArray[np.bytes_]:
    encoded = [b"" if value.lower() in absent else value.encode() for value in values]
    for row, value in enumerate(encoded):
        if len(value) > MAX_WORD_BYTES or b"\0" in value:
            raise BadTableError(
                f"column {name!r}: line {_line(row)} holds {len(value)} bytes of text, and "
                f"{MAX_WORD_BYTES} without zeros are the most: drop the column or make it short"
            )
    return np.array(encoded, dtype=np.bytes_)


def _stack(columns: Sequence[NDArray[Any]], rows: int, dtype: str) -> NDArray[Any]:
    return np.stack(columns, axis=1) if columns else np.empty((rows, 0), dtype)
