"""A unified diff as two columns, in the colours of its language; pure.

Everything in it is untrusted: what is not seen is made visible, all of it is escaped, and what is
too long is cut off and says so. A file is coloured as a whole, since a string may begin far above.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, zip_longest

from markupsafe import Markup, escape
from pygments.lexer import Lexer
from pygments.lexers import BashLexer, JsonLexer, PythonLexer, TOMLLexer, YamlLexer
from pygments.token import STANDARD_TYPES, Token, _TokenType

from runner.characters import visible

LEXERS: dict[str, type[Lexer]] = {
    "py": PythonLexer,
    "yaml": YamlLexer,
    "yml": YamlLexer,
    "json": JsonLexer,
    "toml": TOMLLexer,
    "sh": BashLexer,
}
"""End of a name → language. Their patterns are known to take no long time, whatever they meet."""
MOST_COLOURED = 60_000
"""Characters of one side of a file that is coloured."""
MOST_ROWS = 1_500
"""Rows of one file that are shown."""
MOST_FILES = 50
MOST_BYTES, ROW_BYTES = 2_500_000, 150
"""Of all rows on one page, and of what stands around the two sides of a row."""
MOST_LINE = 500
"""Characters of one line."""
CONTEXT = 3
"""Unchanged lines around a change."""
WHOLE = 1_000_000
"""Lines of context that make git show a whole file."""
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of one side."""

    number: int
    html: Markup
    changed: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """What stands beside each other; a side is absent where it has no such line."""

    old: Line | None = None
    new: Line | None = None
    skipped: int = 0
    """Unchanged lines that are left out here."""


@dataclass(frozen=True, kw_only=True)
class FileDiff:
    """What became of one file."""

    path: str
    what: str
    """`changed`, `new`, `deleted`."""
    rows: tuple[Row, ...]
    added: int
    removed: int
    note: str = ""
    """What is not shown."""


def parsed(diff: str, most: int = MOST_BYTES) -> tuple[list[FileDiff], int]:
    """Return the files of git's diff with `WHOLE` lines of context, and how many are left out.

    Args:
        diff: what git says.
        most: bytes that the rows of all files may take on a page.
    """
    files, shown = list(_files(diff.split("\n"))), []
    for head, body in files[:MOST_FILES]:
        file = _of_file(head, body, most)
        shown.append(file)
        most -= sum(map(_size, file.rows))
    return shown, max(0, len(files) - MOST_FILES)


def _files(lines: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield each file's heading and its body; a body's lines are counted, not recognised."""
    place = 0
    while place < len(lines):
        if not lines[place].startswith("diff --git "):
            place += 1
            continue
        start = place
        place += 1
        while place < len(lines) and not lines[place].startswith(("diff --git ", "@@ ")):
            place += 1
        head, body = lines[start:place], []
        while place < len(lines) and (hunk := HUNK.match(lines[place])):
            place += 1
            old, new = int(hunk[2] or 1), int(hunk[4] or 1)
            while place < len(lines) and (old > 0 or new > 0 or lines[place].startswith("\\")):
                sign = lines[place][:1]
                old -= sign in (" ", "-")
                new -= sign in (" ", "+")
                body.append(lines[place])
                place += 1
        yield head, body


def _size(row: Row) -> int:
    return ROW_BYTES + sum(len(side.html.encode()) for side in (row.old, row.new) if side)


def _of_file(head: list[str], body: list[str], most: int) -> FileDiff:
    name = next((line[6:] for line in head if line.startswith(("+++ b/", "--- a/"))), None)
    named = [line[6:] for line in head if line.startswith("+++ b/")]
    path = named[0] if named else name or head[0].removeprefix("diff --git ")
    what = "changed"
    what = "new" if any(line.startswith("new file") for line in head) else what
    what = "deleted" if any(line.startswith("deleted file") for line in head) else what
    old = [line[1:] for line in body if line[:1] in (" ", "-")]
    new = [line[1:] for line in body if line[:1] in (" ", "+")]
    notes = [line for line in head if line.startswith(("Binary files", "old mode", "new mode"))]
    rows: list[Row] = []
    if body and most < ROW_BYTES:
        notes.append("its rows are not shown: there are too many before it")
    elif body:
        rows = _rows(body, _coloured(path, old), _coloured(path, new))
        room = min(MOST_ROWS, bisect_right([*accumulate(map(_size, rows))], most))
        if len(rows) > room:
            notes.append(f"{len(rows) - room} more rows are not shown")
        rows = rows[:room]
    return FileDiff(
        path=path.strip('"'),
        what=what,
        rows=tuple(rows),
        added=sum(line[:1] == "+" for line in body),
        removed=sum(line[:1] == "-" for line in body),
        note="; ".join(notes),
    )


def _rows(body: list[str], old: list[Markup], new: list[Markup]) -> list[Row]:
    """Pair the lines: what was taken away stands beside what came in its place."""
    rows: list[Row] = []
    left: list[Line] = []
    right: list[Line] = []
    n_old = n_new = 0

    def paired() -> None:
        rows.extend(Row(old=one, new=other) for one, other in zip_longest(left, right))
        left.clear()
        right.clear()

    for line in body:
        match line[:1]:
            case "-":
                left.append(Line(number=n_old + 1, html=old[n_old], changed=True))
                n_old += 1
            case "+":
                right.append(Line(number=n_new + 1, html=new[n_new], changed=True))
                n_new += 1
            case " ":
                paired()
                same = Line(number=n_old + 1, html=old[n_old])
                rows.append(Row(old=same, new=Line(number=n_new + 1, html=new[n_new])))
                n_old, n_new = n_old + 1, n_new + 1
    paired()
    return _shortened(rows)


def _shortened(rows: list[Row]) -> list[Row]:
    """Leave out what is far from any change."""
    changed = [n for n, row in enumerate(rows) if _is_changed(row)]
    near = {n + step for n in changed for step in range(-CONTEXT, CONTEXT + 1)}
    found: list[Row] = []
    skipped = 0
    for place, row in enumerate(rows):
        if place in near:
            if skipped:
                found.append(Row(skipped=skipped))
                skipped = 0
            found.append(row)
        else:
            skipped += 1
    return [*found, Row(skipped=skipped)] if skipped else found


def _is_changed(row: Row) -> bool:
    return row.old is None or row.new is None or row.old.changed


def _coloured(path: str, lines: list[str]) -> list[Markup]:
    """Return each line as HTML, with a class for each kind of word."""
    lexer = LEXERS.get(path.strip('"').rpartition(".")[2].lower())
    text = "\n".join(lines)
    if lexer is None or len(text) > MOST_COLOURED or "\r" in text:
        return [_plain(line) for line in lines]
    found: list[list[Markup]] = [[]]
    room = MOST_LINE
    for kind, value in lexer(stripnl=False, ensurenl=False).get_tokens(text):
        for place, part in enumerate(value.split("\n")):
            if place:
                found.append([])
                room = MOST_LINE
            shown, room = part[: max(0, room)], room - len(part)
            if shown:
                found[-1].append(_word(kind, shown))
            if room < 0 <= room + len(part):
                found[-1].append(Markup("…"))
    coloured = [Markup("").join(parts) for parts in found]
    return coloured if len(coloured) == len(lines) else [_plain(line) for line in lines]


def _plain(line: str) -> Markup:
    cut = "…" if len(line) > MOST_LINE else ""
    return escape(visible(line[:MOST_LINE]) + cut)


def _word(kind: _TokenType, value: str) -> Markup:
    name = STANDARD_TYPES.get(kind, "") if kind is not Token.Text else ""
    shown = escape(visible(value))
    return Markup('<span class="{}">{}</span>').format(f"k-{name}", shown) if name else shown
