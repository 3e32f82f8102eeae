"""What the harness understood of a declared task's data: asked for, and shown to a person.

The harness reads the data on the host as `prepare` does in its container later, with the same
frozen code, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runner import paths
from runner.characters import visible
from runner.errors import ConfigError, SandboxError
from runner.policy.schema import Strict

DECLARATION = "task.yaml"
SECONDS = 600.0
MOST_SHOWN = 40
"""Columns that are shown one by one; of wider tables the rest is counted."""


class Column(Strict):
    name: str
    kind: str
    missing: float
    """Share of the rows."""
    distinct: int
    example: str


class Dialect(Strict):
    delimiter: str | None
    encoding: str | None
    header: bool | None
    decimal: str | None


class Understood(Strict):
    """The harness's document about a declared task."""

    rows: int
    kind: str
    why: str
    classes: dict[str, int]
    positive: str | None
    metric: str
    function: str
    direction: str
    measures: str
    reads: str
    also: list[str]
    spread: float | None
    range: list[float] | None = None
    columns: list[Column] = Field(default_factory=list)
    dialect: Dialect | None = None
    time: list[str] | None = None
    splits: list[str]
    audit_splits: list[str]
    predict: list[str]
    """Names of the predictors; of a text, whose scorer asks in a conversation, none."""
    shared: bool
    analysis: bool
    parts: dict[str, list[int]]
    ask: str | None
    warnings: list[str]

    @property
    def features(self) -> list[Column]:
        return [one for one in self.columns if one.kind in FEATURES]


FEATURES = ("number", "currency", "percent", "yes/no", "date", "words", "text", "empty")


def understand(declaration: Path, raw: Path, *, source: str) -> Understood:
    """Return what a declared task's data are.

    Args:
        declaration: its `task.yaml`.
        raw: folder of its raw files.
        source: what the person named, for messages.

    Raises:
        ConfigError: the data do not fit the declaration; the message is the harness's.
    """
    document = _asked(["understand", declaration, "--raw", raw], source)
    try:
        return Understood.model_validate_json(document)
    except ValidationError as error:
        raise SandboxError(f"the harness's document cannot be read: {error}") from error


def copies(declaration: Path, raw: Path, template: Path) -> list[str]:
    """Return where rows of the data lie in a workspace template, one sentence each."""
    arguments: list[str | Path] = ["search", declaration, "--raw", raw, "--workspace", template]
    found: list[str] = json.loads(_asked(arguments, template.name))["found"]
    return found


def _asked(arguments: list[str | Path], source: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-I", paths.PROJECT / "harness", *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{source}: it took longer than {SECONDS:g} s to read") from error
    try:
        said = json.loads(done.stdout)
    except ValueError:
        raise SandboxError(f"reading the data failed: {done.stderr[-2000:]}") from None
    if "problem" in said:
        raise ConfigError(f"{source}: {said['problem']}")
    return done.stdout


# -- shown to a person ------------------------------------------------------------------------


def show(found: Understood, console: Console) -> None:
    """Print what was understood, and then what to beware of."""
    if found.columns:
        console.print(_columns(found))
        if (more := len(found.columns) - MOST_SHOWN) > 0:
            console.print(f"and {more} more columns", highlight=False)
    for name, said in _facts(found):
        console.print(Text(visible(f"{name:>9}  {said}")), soft_wrap=True)
    for warning in found.warnings:
        console.print(Text(visible(f"  warning  {warning}"), style="yellow"), soft_wrap=True)


def _columns(found: Understood) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("column", "what it is"):
        table.add_column(name, overflow="fold")
    for name in ("missing", "distinct"):
        table.add_column(name, justify="right")
    table.add_column("for example", overflow="ellipsis", no_wrap=True)
    for one in found.columns[:MOST_SHOWN]:
        missing = f"{one.missing:.1%}" if one.missing else "-"
        words = (one.name, one.kind, missing, str(one.distinct), one.example)
        table.add_row(*(Text(_plain(word)) for word in words))
    return table


def _plain(word: str) -> str:
    """Return a value of somebody's file as one line without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in word)


def _facts(found: Understood) -> Iterator[tuple[str, str]]:
    read = found.dialect
    if read is not None and read.delimiter is not None:
        header = "a header" if read.header else "no header"
        mark = {".": "point", ",": "comma"}[read.decimal or "."]
        cut = {"\t": "tab", " ": "space"}.get(read.delimiter, repr(read.delimiter))
        yield "read as", f"{read.encoding}, {cut} between values, {header}, decimal {mark}"
    yield "rows", f"{found.rows:,}"
    yield "target", f"{found.kind}: {found.why}"
    if found.classes:
        counted = [f"{_plain(name)} {count:,}" for name, count in found.classes.items()]
        more = f", and {len(counted) - 20} more" if len(counted) > 20 else ""
        yield "classes", ", ".join(counted[:20]) + more
    if found.positive is not None:
        yield "positive", _plain(found.positive)
    if found.range is not None:
        low, middle, high = found.range
        yield "range", f"{low:.8g} to {high:.8g}, half of them below {middle:.8g}"
    if found.time is not None:
        yield "time", f"{found.time[0]} to {found.time[1]}"
    yield "metric", f"{found.metric} ({found.function}), {found.direction}: {found.measures}"
    yield "answers", found.reads
    asked = {name: part for name, part in found.parts.items() if name.startswith("holdout/")}
    locked = {name: part for name, part in found.parts.items() if name.startswith("locked/")}
    for name, parts in (("splits", asked), ("locked", locked)):
        sizes = ", ".join(
            f"{place.partition('/')[2]} {training:,} → {rows:,}"
            for place, (training, rows) in parts.items()
        )
        yield name, f"{sizes} rows"
