"""What each column of a table is: numbers, yes and no, dates, words or text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from harness.declared import numbers
from harness.declared.numbers import number

MISSING = ("", "?", "-", ".", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "missing")
"""What an absent value is written as, whatever its case."""
TARGET_MISSING = ("", "?", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null")
"""Of a target: there `none` may be a class."""
YES_NO = (
    ("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("on", "off"),
    ("ja", "nein"), ("oui", "non"), ("si", "no"), ("sí", "no"),
)  # fmt: skip
MAX_WORD_BYTES = 200
TEXT_CHARACTERS, TEXT_SPACES = 30, 3
"""More than so many of both, on average, is text and no word."""
NEARLY = 0.9
"""A column of which so many values are numbers is suspected to be one."""
DAY_SECONDS = 86400.0
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_DAYS = (
    "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d",
    "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%b %d, %Y",
    "%B %d, %Y", "%b %d %Y",
)  # fmt: skip
FORMATS = tuple(f"{day}{time}" for day in _DAYS for time in _TIMES)
"""Dates that are not like 2024-01-31; day first goes before month first where both fit."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column, understood."""

    name: str
    kind: str
    """number, currency, percent, yes/no, date, words, text or empty."""
    numbers: NDArray[np.float64] | None
    """[n], NaN where absent; or nothing for words and text."""
    words: Sequence[str]
    """[n], empty where absent; of words and text."""
    missing: int
    distinct: int
    notes: tuple[str, ...] = ()

    def codes(self) -> NDArray[np.int64]:
        """Return [n] numbers that are equal where the values are."""
        values = self.numbers if self.numbers is not None else np.array(self.words, dtype=object)
        if self.numbers is None:
            _, codes = np.unique(values.astype(str), return_inverse=True)
        else:
            _, codes = np.unique(values, return_inverse=True, equal_nan=True)
        return codes.astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How values of a file are read."""

    decimal: str
    absent: frozenset[str]
    dates: str | None

    def is_absent(self, value: str) -> bool:
        return value.casefold() in self.absent


def decimal_of(columns: Sequence[Sequence[str]], absent: frozenset[str], delimiter: str) -> str:
    """Return the decimal mark that more columns of numbers can have alone."""
    votes = Counter[str]()
    for values in columns:
        present = {value for value in values if value.casefold() not in absent}
        fits = [mark for mark in ".," if present and all(
            number(value, mark) is not None for value in present)]  # fmt: skip
        if len(fits) == 1:
            votes[fits[0]] += 1
    if votes[","] == votes["."]:
        return "," if delimiter == ";" and not votes else "."
    return max(votes, key=votes.__getitem__)


def understand(name: str, values: Sequence[str], lines: Sequence[int], reading: Reading) -> Column:
    """Say what a column is, and turn its values into that."""
    absent = [reading.is_absent(value) for value in values]
    seen = {value for value, gone in zip(values, absent, strict=True) if not gone}
    found = _Read(kind="empty", known={}) if not seen else _read(seen, reading)
    numbers = None
    words: Sequence[str] = ()
    notes = found.notes
    if found.known is not None:
        listed = [np.nan if gone else found.known[value] for value, gone in zip(
            values, absent, strict=True)]  # fmt: skip
        numbers = np.array(listed, dtype=np.float64)
    else:
        words = tuple("" if gone else value for value, gone in zip(values, absent, strict=True))
        notes = (*notes, *_suspicion(values, absent, lines, reading))
    return Column(
        name=name, kind=found.kind, numbers=numbers, words=words, missing=sum(absent),
        distinct=len(seen), notes=notes,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Read:
    kind: str
    known: Mapping[str, float] | None
    """Value → number; nothing for words."""
    notes: tuple[str, ...] = ()


def _read(seen: set[str], reading: Reading) -> _Read:
    """Say what different values are."""
    if pair := _yes_no(seen):
        return _Read(kind="yes/no", known={one: float(one.casefold() == pair[0]) for one in seen})
    if not any(len(value) > 1 and value[0] == "0" and value.isdigit() for value in seen):
        for mark in (reading.decimal, "," if reading.decimal == "." else "."):
            if (known := numbers_of(seen, mark)) is not None:
                notes = tuple(_of_marks(known, mark, reading))
                return _Read(kind=_style(seen), known=known, notes=notes)
    if (form := _date_format(seen, reading.dates)) is not None:
        known = {value: moment(value, form) / DAY_SECONDS for value in seen}
        said = f"dates are read as {form}"
        if (twin := _twin(form)) and _date_format(seen, twin) == twin:
            said += f"; {twin} fits too (--date-format)"
        return _Read(kind="date", known=known, notes=(said,) if form else ())
    return _Read(kind="text" if _is_text(seen) else "words", known=None)


def numbers_of(seen: set[str], mark: str) -> dict[str, float] | None:
    """Return each value as a number with this decimal mark, or nothing if one is none."""
    known = {}
    for value in seen:
        if (found := number(value, mark)) is None:
            return None
        known[value] = found
    return known


def _of_marks(known: Mapping[str, float], mark: str, reading: Reading) -> Iterator[str]:
    """Yield what a person should know of how numbers were read."""
    if mark != reading.decimal:
        yield f"has a decimal {_mark(mark)}, unlike the rest of the file"
    elif mark == "." and any("," in value for value in known):
        example = min(value for value in known if "," in value)
        if not any("." in value for value in known):
            yield f"{example!r} is read as {known[example]:.15g}"


def _mark(mark: str) -> str:
    return {".": "point", ",": "comma"}[mark]


def _yes_no(seen: set[str]) -> tuple[str, str] | None:
    folded = {value.casefold() for value in seen}
    return next((pair for pair in YES_NO if folded == set(pair)), None)


def _style(seen: set[str]) -> str:
    styles = {numbers.style(value) for value in seen}
    return next((one for one in (numbers.CURRENCY, numbers.PERCENT) if one in styles), "number")


def _is_text(seen: set[str]) -> bool:
    if max(len(value.encode()) for value in seen) > MAX_WORD_BYTES:
        return True
    characters = sum(map(len, seen)) / len(seen)
    spaces = sum(value.count(" ") for value in seen) / len(seen)
    return characters > TEXT_CHARACTERS and spaces > TEXT_SPACES


def _suspicion(
    values: Sequence[str], absent: Sequence[bool], lines: Sequence[int], reading: Reading
) -> list[str]:
    """Name the few values of a column that keep it from being one of numbers."""
    present = [place for place, gone in enumerate(absent) if not gone]
    odd = [place for place in present if number(values[place], reading.decimal) is None]
    words = {values[place] for place in odd}
    if not odd or len(odd) > (1 - NEARLY) * len(present) or len(words) > 3:
        return []
    first = odd[0]
    return [
        f"line {lines[first]} holds {values[first][:40]!r} where {len(present) - len(odd)} others "
        f"are numbers, so these are words; if it is an absent value: --missing "
        f"'{values[first][:40]}'"
    ]


# -- dates ------------------------------------------------------------------------------------


def moment(value: str, form: str) -> float:
    """Return seconds since 1970; an empty format is the ISO one. A date without zone is in UTC.

    Raises:
        ValueError: it is not so written.
    """
    found = datetime.strptime(value, form) if form else datetime.fromisoformat(value)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _date_format(seen: set[str], declared: str | None) -> str | None:
    """Return the format in which all values are dates, "" for ISO; nothing if there is none."""
    first = next(iter(seen))
    if not any(letter.isdigit() for letter in first) or len(first) > 40:
        return None
    forms: list[str] = ["", *([declared] if declared else FORMATS)]
    fitting = (form for form in forms if _reads(first, form))
    return next((form for form in fitting if all(_reads(value, form) for value in seen)), None)


def _reads(value: str, form: str) -> bool:
    if not form and len(value) < len("2024-01-31"):
        return False  # 20240131 is a number, and 2024-W05 nobody's date
    try:
        moment(value, form)
    except (ValueError, OverflowError):
        return False
    return True


def _twin(form: str) -> str | None:
    """Return the format with day and month changed over, if it is one that people use."""
    for one, other in (("%d/%m", "%m/%d"), ("%d-%m", "%m-%d")):
        if form.startswith(one):
            return form.replace(one, other)
    return None


def times(name: str, values: Sequence[str], lines: Sequence[int], reading: Reading) -> Column:
    """Return the column that orders rows, as numbers or days.

    Raises:
        ValueError: a value is neither a number nor a date; the message names its line.
    """
    column = understand(name, values, lines, reading)
    if column.missing:
        line = next(
            line for value, line in zip(values, lines, strict=True) if reading.is_absent(value)
        )
        raise ValueError(f"column {name!r}: line {line} has no value, and orders the rows")
    if column.numbers is not None:
        return column
    by_format = Counter(_first_format(value, reading) for value in values)
    usual = by_format.most_common(1)[0][0]
    place = next(
        (at for at, value in enumerate(values) if usual is None or not _reads(value, usual)), 0
    )
    raise ValueError(
        f"column {name!r}: line {lines[place]} holds {values[place][:40]!r}, neither a number nor "
        f"a date{' like ' + usual if usual else ''}: correct it, or say how dates are written: "
        "--date-format %d.%m.%Y, say"
    )


def _first_format(value: str, reading: Reading) -> str | None:
    return _date_format({value}, reading.dates)
