"""The constants at the top of a file, which agents without a model change.

A constant is `NAME = number`, upper case, above the first function or class. Its range comes
from a comment (`# tune: 1..200 log`), or else is a quarter to four times its value.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from runner.errors import ConfigError
from runner.records import Change, Proposal
from runner.seams import Context

COMMENT = re.compile(r"#\s*tune:\s*(\S+?)\.\.(\S+)(\s+log\b)?")
DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A number that may be tuned, where it stands, and its range."""

    name: str
    value: float
    line: int
    columns: tuple[int, int]
    """Where the number itself stands in its line, in bytes."""
    low: float
    high: float
    log: bool
    whole: bool

    def rounded(self, value: float) -> float:
        """Return a value that reads well, without leaving the range for it."""
        short = round(value) if self.whole else float(f"{value:.{DIGITS}g}")
        return short if self.low <= short <= self.high else value


def source_path(context: Context) -> str | None:
    """Return the file whose constants are changed: the first mutable one of Python."""
    return next((name for name in context.mutable if name.endswith(".py")), None)


def constants(source: str) -> list[Constant]:
    """Find the tunable constants: those with a range in a comment, or else every number.

    Raises:
        ConfigError: a comment's range is none.
    """
    lines = source.split("\n")
    found = []
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                break
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() as number):
                if name.isupper() and "SEED" not in name and type(number.value) in (int, float):
                    found.append(_ranged(name, number, lines[number.lineno - 1]))
    known = [constant for constant in found if constant is not None]
    marked = [constant for constant in known if COMMENT.search(lines[constant.line - 1])]
    return marked or known


def _ranged(name: str, number: ast.Constant, text: str) -> Constant | None:
    value, whole = cast("int | float", number.value), isinstance(number.value, int)
    if (stated := COMMENT.search(text)) is not None:
        low, high, log = _stated(name, stated)
    elif value > 0:
        low, high, log = value / 4, value * 4, True
    else:
        return None
    low, high = min(low, value), max(high, value)
    if whole:
        low, high = max(1, math.floor(low)) if log else math.floor(low), math.ceil(high)
    columns = (number.col_offset, number.end_col_offset or 0)
    return Constant(
        name=name, value=value, line=number.lineno, columns=columns, low=low, high=high, log=log,
        whole=whole,
    )  # fmt: skip


def _stated(name: str, comment: re.Match[str]) -> tuple[float, float, bool]:
    log = bool(comment[3])
    try:
        low, high = float(comment[1]), float(comment[2])
    except ValueError:
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high and (low > 0 or not log)):
        raise ConfigError(
            f"the range of {name} is none: {comment[0]!r}",
            hint="write it as: # tune: 1..200 log   (log only for ranges above 0)",
        )
    return low, high, log


class Settings:
    """The settings that experiments tried. Each file is read once, whoever asks how often."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, float]] = {}
        """Git's id of a file's bytes → the value of each of its constants."""

    def tried(
        self, path: str, found: Sequence[Constant], context: Context
    ) -> list[tuple[Mapping[str, float], float | None]]:
        """Return what earlier experiments set these constants to, each with its score if any."""
        blobs = {
            change.blob: experiment.score
            for experiment in (*context.history, *context.pending)
            for change in experiment.changes
            if change.path == path and change.blob is not None
        }
        unknown = [blob for blob in blobs if blob not in self._values]
        for blob, content in zip(unknown, context.read(unknown), strict=True):
            self._values[blob] = _values(content)
        names = {constant.name for constant in found}
        return [
            ({name: self._values[blob][name] for name in sorted(names)}, score)
            for blob, score in blobs.items()
            if names <= self._values[blob].keys()
        ]


def _values(content: bytes) -> dict[str, float]:
    try:
        return {constant.name: constant.value for constant in constants(content.decode())}
    except (SyntaxError, ValueError, ConfigError):
        return {}


def with_value(path: str, source: str, constant: Constant, value: float) -> Proposal:
    """Propose another value for one constant."""
    lines = source.split("\n")
    old, (start, end) = lines[constant.line - 1].encode(), constant.columns
    lines[constant.line - 1] = (old[:start] + repr(value).encode() + old[end:]).decode()
    verb = "raise" if value > constant.value else "lower"
    return Proposal(
        hypothesis=f"{verb} {constant.name} {constant.value!r} -> {value!r}",
        category="hyperparameter",
        changes=(Change(path=path, content="\n".join(lines).encode()),),
    )
