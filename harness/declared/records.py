"""The text of a CSV file as records: what cuts them, which is the header, which are no rows."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from harness.declared.columns import MISSING
from harness.declared.numbers import is_number
from harness.declared.schema import TableData
from harness.raw import BadRawDataError

DELIMITERS = ",;\t|"
BLANK = " "
"""Cuts where none of the others does; a run of blanks is one."""
SAMPLE_RECORDS, SAMPLE_BYTES = 200, 1024**2
MOST_ABOVE, FEWEST_COLUMNS = 40, 3
"""Lines above a header, and columns of a table in which a title can be told from a row."""
NUMERIC = 0.9
"""Of a column of numbers, the share that is."""


MOST_SHORT = 0.05
"""Of the rows, the share with fewer values from which on a program wrote them so."""


class BadTableError(BadRawDataError, ValueError):
    """The file does not fit its declaration; the message names column and line."""


@dataclass(kw_only=True)
class Records:
    """Values of a file, line by line."""

    delimiter: str
    rows: list[list[str]]
    lines: list[int]
    """Where each row begins in the file, counted from 1."""
    header: list[str] | None = None
    header_line: int = 1
    ends: dict[int, int] = field(default_factory=dict)
    """Line in which a record begins → line in which it ends."""
    notes: list[str] = field(default_factory=list)
    """What was left out or found, that a person should know."""

    def around(self, text: str) -> tuple[str, str, str]:
        """Return a text's lines above header and rows, those between the two, and those below."""
        first, last = self.lines[0], self.ends[self.lines[-1]]
        top = first if self.header is None else self.header_line
        named = first if self.header is None else self.ends[self.header_line]
        parts: tuple[list[str], list[str], list[str]] = ([], [], [])
        for number, line in enumerate(io.StringIO(text, newline=""), start=1):
            for part, here in enumerate((number < top, named < number < first, number > last)):
                if here:
                    parts[part].append(line.rstrip("\r\n") + "\n")
        above, between, below = map("".join, parts)
        return above, between, below

    def as_written(self, text: str) -> tuple[list[str], list[list[str]]]:
        """Return header and rows with the blanks around their values, as `pandas` reads them.

        Both are empty where values are cut or quoted so that these are no part of them.
        """
        if self.delimiter == BLANK:
            return [], []
        width, known, begun = len(self.rows[0]), dict[int, list[str]](), 1
        reader = csv.reader(_lines(text, self.delimiter), delimiter=self.delimiter)
        try:
            for values in reader:
                known[begun] = [*values[:width], *[""] * (width - len(values))]
                begun = reader.line_num + 1
        except csv.Error:
            return [], []
        header = [] if self.header is None else known.get(self.header_line, [])
        rows = [known.get(line, []) for line in self.lines]
        for values, stripped in zip([header, *rows], [self.header or [], *self.rows], strict=True):
            if [value.strip() for value in values] != stripped:
                return [], []
        return header, rows

    def leave_out(self, places: Sequence[int], what: str) -> None:
        """Take rows out, and say so."""
        if not places:
            return
        first = next(value for value in self.rows[places[0]] if value)
        said = f"line {self.lines[places[0]]} ({first[:40]!r})"
        more = f", and {len(places) - 1} more" if len(places) > 1 else ""
        self.notes.append(f"{said}{more}: {what}, left out")
        gone = set(places)
        self.rows = [row for place, row in enumerate(self.rows) if place not in gone]
        self.lines = [line for place, line in enumerate(self.lines) if place not in gone]


def read(text: str, data: TableData, *, keep_blank: bool) -> Records:
    """Return rows that all have as many values as the header names.

    Args:
        text: of the file.
        data: its declaration.
        keep_blank: whether every record is a row, also one that holds nothing; a file of ours.

    Raises:
        BadTableError: it is no table.
    """
    # A field may hold a whole document. The limit is the module's own: only raised.
    csv.field_size_limit(max(len(text) + 1, csv.field_size_limit()))
    delimiter = data.delimiter or _delimiter(text)
    found = _cut(text, delimiter, keep_blank=keep_blank)
    if not keep_blank:
        found = _quoted_otherwise(text, found) or found
        _leave_out_titles(found, data)
    _part_header(found, data)
    if found.header is not None and not keep_blank:
        _leave_out_headers(found)
    _make_even(found, pad=not keep_blank)
    return found


def _delimiter(text: str) -> str:
    """Return what cuts the first records into equally many values, the most of them."""

    def fit(delimiter: str) -> tuple[float, int]:
        rows = csv.reader(_lines(text[:SAMPLE_BYTES], delimiter), delimiter=delimiter,
                          skipinitialspace=True)  # fmt: skip
        try:
            widths = Counter(len(_unwrapped(row, delimiter))
                             for row in islice(rows, SAMPLE_RECORDS) if row)  # fmt: skip
        except csv.Error:
            return 0.0, 0
        [(width, count)] = widths.most_common(1) or [(0, 0)]
        return (count / sum(widths.values()), width) if width > 1 else (0.0, 0)

    best = max(DELIMITERS, key=fit)
    if best == "\t" and fit(BLANK)[0] == 1 and fit(BLANK)[1] > 2 * fit(best)[1]:
        return BLANK  # a tab before the last column alone
    if fit(best)[1] < 2:
        best, line = BLANK, text.strip().splitlines()[0]
        if fit(best)[0] < NUMERIC or "::" in line:
            what = "no comma, semicolon, tab or bar cuts it (--delimiter says what does)"
            if "::" in line:
                what = "'::' cuts it, and one character should: sed 's/::/\\t/g' FILE > TABLE.tsv"
            raise BadTableError(f"line 1 ({line[:40]!r}) has one column: {what}")
    return best


def _lines(text: str, delimiter: str) -> Iterator[str]:
    """Yield lines with their ends; blanks before an end cut nothing."""
    for line in io.StringIO(text, newline=""):
        yield line if delimiter != BLANK else line.strip().replace("\t", BLANK) + "\n"


def _cut(
    text: str, delimiter: str, *, keep_blank: bool, quote: str = '"', escape: str | None = None
) -> Records:
    """Return the records that hold anything, or all that have values."""
    reader = csv.reader(_lines(text, delimiter), delimiter=delimiter, skipinitialspace=True,
                        quotechar=quote, escapechar=escape)  # fmt: skip
    rows, lines, ends, begun = [], [], {}, 1
    try:
        for values in reader:
            if any(values) or (keep_blank and values):
                whole = values if keep_blank else _unwrapped(values, delimiter)
                rows.append([value.strip() for value in whole])
                lines.append(begun)
                ends[begun] = reader.line_num
            begun = reader.line_num + 1
    except csv.Error as error:
        raise BadTableError(f"line {reader.line_num} is no CSV: {error}") from None
    return Records(delimiter=delimiter, rows=rows, lines=lines, ends=ends)


def _unwrapped(values: list[str], delimiter: str) -> list[str]:
    """Return the values of a line that is quoted as a whole, as spreadsheets make them."""
    if len(values) > 1 or delimiter not in values[0]:
        return values
    return next(csv.reader(values, delimiter=delimiter, skipinitialspace=True))


def _quoted_otherwise(text: str, found: Records) -> Records | None:
    """Return records as other programs quote, where those found are uneven or quoted so."""
    uneven = len(set(map(len, found.rows))) > 1
    single = '"' not in text and text.count("'") >= 2 * len(found.rows)
    for quote, escape, tried in (('"', "\\", uneven and '\\"' in text), ("'", None, single)):
        if tried:
            other = _cut(text, found.delimiter, keep_blank=False, quote=quote, escape=escape)
            if len(set(map(len, other.rows))) == 1:
                return other
    return None


# -- what is no row ---------------------------------------------------------------------------


def _leave_out_titles(found: Records, data: TableData) -> None:
    """Leave out what stands above the header, and notes below the last row."""
    width = Counter(map(len, found.rows[:SAMPLE_RECORDS])).most_common(1)[0][0]
    if data.header is False or _are_unnamed(_targets(data), width):
        lines = range(min(MOST_ABOVE, len(found.rows)))
        first = next((place for place in lines if len(found.rows[place]) > 1), 0)
        found.leave_out(range(first), "above the rows")
        return
    header = next((place for place, row in enumerate(found.rows[:MOST_ABOVE])
                   if set(_targets(data)) <= set(row)), None)  # fmt: skip

    def is_title(row: Sequence[str]) -> bool:
        if width >= FEWEST_COLUMNS and sum(map(bool, row)) * 2 <= width:
            return True
        remark, short = row[0].startswith("#"), len(row) < width
        return (remark and short) or (header is not None and (remark or short))

    above, most = 0, min(MOST_ABOVE, len(found.rows) - 1) if header is None else header
    while above < most and is_title(found.rows[above]):
        above += 1
    if header is not None and _are_names(found.rows[above:header], found.rows[header + 1 :]):
        above = header
    found.leave_out(range(above), "above the header")
    below = len(found.rows)
    while below > 1 and len(row := found.rows[below - 1]) == 1 < width and " " in row[0]:
        below -= 1
    found.leave_out(range(below, len(found.rows)), "below the rows")


def _are_names(above: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> bool:
    """Whether records have words where the rows have numbers, as a second line of names has."""
    sample = rows[:SAMPLE_RECORDS]
    numeric = [place for place in range(len(sample[0]) if sample else 0)
               if _is_numeric(sample, place)]  # fmt: skip
    said = [row[place] for row in above for place in numeric
            if len(row) > place and row[place].casefold() not in MISSING]  # fmt: skip
    return len(said) >= 2 * len(above) and not any(map(is_number, said))


def _leave_out_headers(found: Records) -> None:
    """Leave out a second line of names or units, and headers between rows."""
    repeated = [place for place, row in enumerate(found.rows) if row == found.header]
    found.leave_out(repeated, "it repeats the header")
    if len(found.rows) < 3:
        return
    if _are_names(found.rows[:1], found.rows[1:]):
        found.leave_out([0], "words where the others hold numbers, a second header or units")


def _is_numeric(rows: Sequence[Sequence[str]], place: int) -> bool:
    present = [row[place] for row in rows
               if len(row) > place and row[place].casefold() not in MISSING]  # fmt: skip
    return bool(present) and sum(map(is_number, present)) >= NUMERIC * len(present)


# -- header and rows --------------------------------------------------------------------------


def _targets(data: TableData) -> tuple[str, ...]:
    return (data.target,) if isinstance(data.target, str) else data.target


def _are_unnamed(names: Sequence[str], width: int) -> bool:
    return set(names) <= {f"column_{place}" for place in range(1, width + 1)}


def _part_header(found: Records, data: TableData) -> None:
    """Take the header off, where there is one."""
    first, targets = found.rows[0], _targets(data)
    looks_absent = _is_row(first, found.rows[1:SAMPLE_RECORDS])
    has_header = data.header
    if has_header is None:
        has_header = not (looks_absent and _are_unnamed(targets, len(first)))
        if not has_header:
            found.notes.append("line 1 holds values, so there is no header: columns have numbers")
        elif looks_absent and not set(targets) <= set(first):
            raise BadTableError(
                f"there is no column {targets[0]!r}, and line 1 ({first[0]!r}, {first[1]!r}, ...) "
                f"looks like values: without a header the columns are column_1 to "
                f"column_{len(first)}, so type --no-header --target column_{len(first)}, say"
            )
        elif looks_absent:
            found.notes.append(
                "line 1 is the header, and looks like values: --no-header if it is a row"
            )
    if has_header:
        found.header, found.header_line = first, found.lines[0]
        found.rows, found.lines = found.rows[1:], found.lines[1:]
    if not found.rows:
        raise BadTableError("the file has a header and no rows")


def _is_row(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first record has numbers where the others have."""
    numeric = [
        place
        for place in range(len(first))
        if rest and all(len(row) > place and (not row[place] or is_number(row[place]))
                        for row in rest)
        and any(row[place] for row in rest)
    ]  # fmt: skip
    return bool(numeric) and all(is_number(first[place]) for place in numeric)


def _make_even(found: Records, *, pad: bool) -> None:
    """Cut off what is empty beyond the last column, and let all have as many values."""
    width = len(found.header or found.rows[0])
    for row in found.rows:
        while len(row) > width and not row[-1]:
            row.pop()
    if found.header is not None and pad:
        _fit_header(found, found.header)
        width = len(found.header)
    for row, line in zip(found.rows, found.lines, strict=True):
        if len(row) == width:
            continue
        what = f"{found.delimiter!r} inside a value needs quotes"
        if len(row) < width:
            what = "a value is missing"
            if row is found.rows[-1] and any("\n" in value for value in row):
                what = "a quotation mark in it is never closed"
        raise BadTableError(
            f"line {line} has {len(row)} values, and line {found.header_line} has {width}: {what}"
        )


def _fit_header(found: Records, header: list[str]) -> None:
    """Let header and rows be as wide, where a program wrote them otherwise and it is clear how."""
    widths = [len(row) for row in found.rows]
    if set(widths) == {len(header) + 1}:
        header.insert(0, "")
        found.notes.append(
            "the header names one column less than the rows have: the first has no name"
        )
        return
    while not header[-1] and len(header) > max(widths):
        header.pop()
    short = [place for place, width in enumerate(widths) if width < len(header)]
    if max(widths) <= len(header) and len(short) > MOST_SHORT * len(widths):
        found.notes.append(
            f"{len(short)} rows, the first in line {found.lines[short[0]]}, have fewer values "
            "than the header has names: the last ones are absent"
        )
        for place in short:
            found.rows[place] += [""] * (len(header) - widths[place])
