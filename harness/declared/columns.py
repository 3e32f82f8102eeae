"""What each column of a table is: numbers, yes and no, dates, words or text."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.declared import dates
from harness.declared.numbers import (
    has_thousands,
    is_number,
    number,
    numbers_of,
    other_mark,
    unit_of,
)

TARGET_MISSING = (
    "", "?", "na", "n/a", "n.a.", "#n/a", "#na", "#n/a n/a", "<na>", "nan", "-nan", "nat", "null",
    "(null)", "\\n", "--", "---", "..", "#value!", "#div/0!", "#ref!", "#name?", "#num!", "#null!",
)  # fmt: skip
"""What an absent target is written as, whatever its case; there `none` may be a class."""
MISSING = (*TARGET_MISSING, "-", ".", ":", "none", "missing")
"""What an absent value of any other column is written as."""
YES_NO = (
    ("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("on", "off"),
    ("ja", "nein"), ("ja", "nej"), ("ja", "nee"), ("oui", "non"), ("si", "no"), ("sí", "no"),
    ("sim", "não"), ("tak", "nie"), ("да", "нет"), ("是", "否"),
)  # fmt: skip
MAX_WORD_BYTES, FLOAT_DIGITS = 200, 15
TEXT_CHARACTERS, TEXT_SPACES = 30, 3
"""More than so many of both, on average, is text and no word."""
NEARLY = 0.9
"""A column of which so many values are numbers is suspected to be one."""
MOSTLY, MANY = 0.5, 10
"""And one of which more than so many different ones, and more than this share, are."""
MOST_ODD, MOST_VARIED, MOST_UNITS = 3, 20, 5
"""Odd values that are named, those from which on a column is one of codes, and units in one."""


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
    absent_numbers: frozenset[float] = field(default=frozenset())
    """Numbers that stand for an absent value, however they are written: 999 and 999.0."""
    perhaps: frozenset[str] = field(default=frozenset())
    """Marks that may be a class where they are in a target: none, say."""

    def is_absent(self, value: str) -> bool:
        return value.casefold() in self.absent or bool(
            self.absent_numbers and number(value, self.decimal) in self.absent_numbers
        )

    def absent_targets(self, values: Sequence[str]) -> list[bool]:
        """Say which targets are absent; a mark that may be a class is, among many numbers."""
        rest = {value for value in values if not self.is_absent(value)}
        classes = len(rest) <= MANY or numbers_of(rest, self.decimal) is None
        doubtful = self.perhaps if classes else frozenset()
        return [self.is_absent(value) and value.casefold() not in doubtful for value in values]


def reading_of(
    columns: Sequence[Sequence[str]], delimiter: str, *,
    decimal: str | None, dates: str | None, missing: Sequence[str] | None,
) -> Reading:  # fmt: skip
    """Return how values are read; what a person names as missing adds to the usual marks.

    An empty word among the named ones puts them in place of the usual marks.
    """
    usual = () if missing is not None and "" in missing else MISSING
    named = frozenset(one.casefold() for one in missing or ())
    decimal = decimal or _decimal_of(columns, named | {"", *usual}, delimiter)
    known = (number(one, decimal) for one in named)
    return Reading(
        decimal=decimal, absent=named | {"", *usual}, dates=dates,
        absent_numbers=frozenset(one for one in known if one is not None),
        perhaps=frozenset(MISSING) - frozenset(TARGET_MISSING) - named,
    )  # fmt: skip


def _decimal_of(columns: Sequence[Sequence[str]], absent: frozenset[str], delimiter: str) -> str:
    """Return the decimal mark that more columns of numbers can have alone."""
    votes = Counter[str]()
    for values in columns:
        present = {value for value in values if value.casefold() not in absent}
        fits = [mark for mark in ".," if present and all(
            number(value, mark) is not None for value in present)]  # fmt: skip
        if len(fits) == 2:  # 950 and 1,234
            fits = [other_mark(mark) for mark in ".," if has_thousands(present, mark)]
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
        if found.kind == "words" and (odd := suspicion(values, absent, lines, reading)):
            notes = (*notes, f"{odd[0]}, so these are words; {odd[1]}")
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
    if not _are_codes(seen) and (found := numbers_of(seen, reading.decimal)):
        return _Read(kind=found.style, known=found.known, notes=(found.note,) if found.note else ())
    if (form := dates.format_of(seen, reading.dates)) is not None:
        known = {value: dates.moment(value, form) / dates.DAY_SECONDS for value in seen}
        said = f"dates are read as {form}"
        if (twin := dates.twin(form)) and dates.format_of(seen, twin) == twin:
            said += f"; {twin} fits too (--date-format)"
        return _Read(kind="date", known=known, notes=(said,) if form else ())
    return _Read(kind="text" if _is_text(seen) else "words", known=None)


def _are_codes(seen: set[str]) -> bool:
    """Whether digits are no amounts: some begin with a zero, or are too many to tell apart."""
    digits = [value for value in seen if len(value) > 1 and value.isdigit()]
    long = [value for value in digits if len(value) > FLOAT_DIGITS]
    return any(value[0] == "0" for value in digits) or len(set(map(float, long))) < len(long)


def _yes_no(seen: set[str]) -> tuple[str, str] | None:
    folded = {value.casefold() for value in seen}
    return next((pair for pair in YES_NO if folded == set(pair)), None)


def _is_text(seen: set[str]) -> bool:
    if max(len(value.encode()) for value in seen) > MAX_WORD_BYTES:
        return True
    characters = sum(map(len, seen)) / len(seen)
    spaces = sum(value.count(" ") for value in seen) / len(seen)
    return characters > TEXT_CHARACTERS and spaces > TEXT_SPACES


def suspicion(
    values: Sequence[str], absent: Sequence[bool], lines: Sequence[int], reading: Reading
) -> tuple[str, str] | None:
    """Say which values keep words from being numbers or dates, if any do, and what to do."""
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for value, gone, line in zip(values, absent, lines, strict=True):
        if not gone:
            counts[value] += 1
            first.setdefault(value, line)
    units = {value: "" if is_number(value) else unit_of(value) for value in counts}
    odd = [value for value, unit in units.items() if unit is None]
    if not odd and len(counts) > MANY:
        return _differing(units, first)
    rest = units.keys() - set(odd)
    if odd and _are_most(counts, odd, varied=MOST_VARIED) and numbers_of(rest, reading.decimal):
        return _odd_among(counts, odd, first, "numbers")
    form, _ = dates.usual_format(counts, reading.dates)
    odd = [value for value in counts if form is not None and not dates.is_date(value, form)]
    if odd and _are_most(counts, odd, varied=len(odd)):
        return _odd_among(counts, odd, first, f"dates like {form or dates.ISO}", other=any(
            dates.format_of({value}, reading.dates) is not None for value in odd))  # fmt: skip
    return None


def _are_most(counts: Counter[str], odd: Sequence[str], *, varied: int) -> bool:
    """Whether values other than the odd ones are what the column is about."""
    share = 1 - sum(counts[value] for value in odd) / counts.total()
    return share >= NEARLY or (
        share >= MOSTLY and len(counts) - len(odd) > MANY and len(odd) <= varied
    )


def _odd_among(
    counts: Counter[str], odd: Sequence[str], first: Mapping[str, int], what: str, *,
    other: bool = False,
) -> tuple[str, str]:  # fmt: skip
    """Say where the first odd value is, and what to type; others may be dates of another style."""
    rows = sum(counts[value] for value in odd)
    said = f"line {first[odd[0]]} holds {odd[0][:40]!r}"
    others = f"where {counts.total() - rows} others are {what}"
    if other:
        return f"{said} {others}", "write all in one way"
    if len(odd) <= MOST_ODD:
        typed = " ".join(f"--missing {shlex.quote(value)}" for value in odd)
        return f"{said} {others}", f"if it is an absent value: {typed}"
    said += f", and {rows - 1} rows more hold one of {len(odd)} such values,"
    return f"{said} {others}", "correct them, or --missing for each that is an absent value"


def _differing(units: Mapping[str, str | None], first: Mapping[str, int]) -> tuple[str, str] | None:
    """Say that all are numbers, and not in one way."""
    different = set(units.values())
    what = "units differ"
    shown = [next(value for value in units if units[value] == unit) for unit in different]
    if different == {""}:
        what = "marks before decimals differ"
        shown = [value for mark in ",." if (value := next(
            (value for value in units if number(value, mark) is None), ""))]  # fmt: skip
    if len(shown) < 2 or len(shown) > MOST_UNITS or (what == "units differ" and "" in different):
        return None  # codes that begin with zeros, houses along a street
    one, other = sorted(shown, key=first.__getitem__)[:2]
    said = f"line {first[one]} holds {one[:40]!r} and line {first[other]} {other[:40]!r}"
    return f"{said}: {what}", "write all in one way"


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
        raise ValueError(
            f"column {name!r}: line {line} has no value, and orders the rows: take the line out"
        )
    if column.numbers is not None:
        return column
    usual, count = dates.usual_format(values, reading.dates)
    place = next(
        (at for at, value in enumerate(values) if usual is None or not dates.is_date(value, usual)),
        0,
    )
    others = "" if usual is None else f", where {count} others are dates like {usual or dates.ISO}"
    raise ValueError(
        f"column {name!r}: line {lines[place]} holds {values[place][:40]!r}, neither a number nor "
        f"a date{others}: correct it, or say how dates are written: "
        "--date-format %d.%m.%Y, say"
    )
