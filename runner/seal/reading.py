"""How code reads a table, and which of its columns is predicted.

Pure but for looking at the beginning of the table.

What this does not protect against: code that computes its target, or reads a table by other means.
"""

from __future__ import annotations

import ast
import codecs
import csv
import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import ConfigError
from runner.seal.script import Script, called, names_in

NUMBER = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?", re.IGNORECASE)
MOST_ABOVE = 10
"""Lines among which that of the names is looked for."""
READERS = ("read_csv", "read_table")
WITH_TARGETS = ("fit", "score", "train_test_split", "cross_val_score")
"""Calls whose second argument is what is predicted."""
TARGETS = re.compile(r"(^|[_-])(y|ys|targets?|labels?|classes)([_.\d-]|$)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How code reads a table."""

    unnamed: bool = False
    """Whether as one without a header."""
    names: tuple[str, ...] = ()
    """What it calls the columns."""
    delimiter: str | None = None


def target_of(sources: Sequence[Script], table: Path, task: str, read: Reading) -> tuple[str, ...]:
    """Return the column that the project's code takes out of the inputs, if it is one.

    Raises:
        ConfigError: there is none, or more than one.
    """
    called_so = names_of(sources, table, read)
    columns = list(called_so.values())
    counted: Counter[str] = Counter()
    for script in sources:
        for name, weight in _candidates(script, [*called_so]):
            if not columns or name in called_so:
                counted[called_so.get(name, name)] += weight
    best = [name for name, count in counted.items() if count == max(counted.values())]
    if len(best) != 1:
        said = (
            f"its code may predict {', '.join(sorted(best))}" if best else "its code does not say"
        )
        shown = f" (columns: {', '.join(columns[:20])})" if columns else ""
        raise ConfigError(
            f"which column of {table.name if columns else 'the table'} is predicted: {said}{shown}",
            hint=f"runner seal {task} --target COLUMN",
        )
    return (best[0],)


def names_of(sources: Sequence[Script], table: Path, read: Reading) -> dict[str, str]:
    """Return what code calls each column → its name; nothing where that is not found."""
    said = {node.value for script in sources for node in ast.walk(script.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
    columns = header_of(table, said)
    if read.unnamed:
        width = max(len(columns), len(read.names))
        columns = [f"column_{place}" for place in range(1, width + 1)]
    return dict(zip(read.names or columns, columns, strict=False))


def as_read(sources: Sequence[Script], file: str) -> Reading:
    """Return how code reads a table: in the call that names its file, or else in any."""
    calls = [(script, node) for script in sources for node in ast.walk(script.tree)
             if isinstance(node, ast.Call) and called(node) in READERS and node.args]  # fmt: skip
    own = (each for each in calls if file in _said(*each))
    found = next(own, None) or next(iter(calls), None)
    if found is None:
        return Reading()
    script, node = found
    words = {word.arg: word.value for word in node.keywords}
    names, header = _texts(script, words.get("names")), words.get("header")
    sep = script.constant(words.get("sep") or words.get("delimiter"))
    blanks = "delim_whitespace" in words or (sep or "").startswith("\\s")
    return Reading(
        unnamed=("header" in words and ast.unparse(header or node) == "None")
        or (bool(names) and "header" not in words),
        names=names or _renamed(script),
        delimiter=" " if blanks else sep if sep and len(sep) == 1 else None,
    )  # fmt: skip


def _said(script: Script, call: ast.Call) -> str:
    """Return what a call reads, as far as that is plain."""
    return script.constant(call.args[0]) or ast.unparse(call.args[0])


def _renamed(script: Script) -> tuple[str, ...]:
    """Return the names in `df.columns = ["a", "b"]`."""
    for node in ast.walk(script.tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "attr", "") == "columns":
            return _texts(script, node.value)
    return ()


def _texts(script: Script, node: ast.expr | None) -> tuple[str, ...]:
    """Return the words of a list, itself or by a name; none where it holds anything else."""
    if isinstance(node, ast.Name):
        node = next((one.value for one in script.top.statements if isinstance(one, ast.Assign)
                     and names_in(one.targets[0]) == [node.id]), None)  # fmt: skip
    if not isinstance(node, ast.List | ast.Tuple):
        return ()
    words = [one.value for one in node.elts if isinstance(one, ast.Constant)]
    fit = len(words) == len(node.elts) and all(isinstance(one, str) for one in words)
    return tuple(map(str, words)) if fit else ()


def _candidates(script: Script, columns: list[str]) -> Iterator[tuple[str, int]]:
    """Yield columns that code drops from its inputs, or assigns to a name such as `y`."""
    for node in ast.walk(script.tree):
        if isinstance(node, ast.Call) and called(node) in ("drop", "pop"):
            dropped = [
                *node.args[:1],
                *(one.value for one in node.keywords if one.arg == "columns"),
            ]
            for one in dropped:
                every = one.elts if isinstance(one, ast.List | ast.Tuple) else [one]
                yield from ((name, 2) for each in every if (name := script.constant(each)))
        if isinstance(node, ast.Call) and len(node.args) > 1 and called(node) in WITH_TARGETS:
            yield from _taken(script, node.args[1], columns)
        if isinstance(node, ast.Assign):
            pairs = zip(_elements(node.targets[0]), _elements(node.value), strict=False)
            for left, right in pairs:
                if isinstance(left, ast.Name) and TARGETS.search(left.id):
                    yield from _taken(script, right, columns)


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _taken(script: Script, value: ast.expr, columns: list[str]) -> Iterator[tuple[str, int]]:
    """Yield the columns that an expression takes out of a table, by name or by place."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and called(node) == "pop":
            taken = [script.constant(one) for one in node.args[:1]]
            yield from ((name, 3) for name in taken if name)
        if isinstance(node, ast.Subscript):
            if name := script.constant(node.slice):
                yield name, 3
            elif columns and isinstance(node.slice, ast.Tuple | ast.Constant):
                last = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) else node.slice
                place = ast.unparse(last).removesuffix(":")
                if re.fullmatch(r"-?\d+", place) and -len(columns) <= int(place) < len(columns):
                    yield columns[int(place)], 3
        if isinstance(node, ast.Attribute) and node.attr in columns:
            yield node.attr, 3


def start_of(path: Path, most: int) -> str:
    """Return the first bytes of a text, but for a letter that ends behind them.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    with path.open("rb") as file:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(file.read(most))


def header_of(table: Path, said: Container[str] = ()) -> list[str]:
    """Return the columns of a plain CSV file, by their names or as `column_1`; else nothing.

    Above the names may be titles, or a first line of other names; code says something of the right
    ones.
    """
    try:
        lines = start_of(table, 65536).splitlines()[:20]
        dialect = csv.Sniffer().sniff("\n".join(lines[len(lines) // 2 :]), delimiters=",;\t| ")
    except (UnicodeDecodeError, csv.Error):
        return []
    rows = [[value.strip() for value in row] for row in csv.reader(lines, dialect)]
    [(width, _)] = Counter(map(len, rows)).most_common(1) or [(0, 0)]
    rows = [row for row in rows[:MOST_ABOVE] if len(row) == width]
    if not rows:
        return []
    names = (row for row in rows if len({*row}) == width and not any(map(NUMBER.fullmatch, row)))
    first = next((row for row in names if any(value in said for value in row)), rows[0])
    if any(map(NUMBER.fullmatch, first)):
        return [f"column_{place}" for place in range(1, len(first) + 1)]
    return first
