"""The numbers worth tuning in the files that an agent may change.

They are upper-case constants above the first function or class, defaults of options (argparse,
click, absl), of dataclasses and the like, dictionaries of settings, keyword arguments of classes,
and YAML, TOML and JSON files. `names` says which of them are never tuned, and how far each may
go; a comment in its line (`# tune: 1..200 log`) says it better. Where there are such comments,
only the numbers beside them are tuned.

What this does not know: whether a number has an effect. A default that the command line replaces,
or a function that nobody calls, is found too.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runner.agents.numbers import configuration, names, python
from runner.agents.numbers.names import Range
from runner.errors import ConfigError
from runner.records import Files

COMMENT = re.compile(r"#\s*tune:\s*(\S+?)\.\.(\S+)(\s+log\b)?")
DIGITS = 3
MOST_BYTES = 400_000
MOST_SHOWN = 12
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number that may be tuned, where it stands, and its range."""

    path: str
    line: int
    name: str
    """Dotted, such as `Adam.lr`; its second occurrence in a file ends in `#2`."""
    value: float
    kind: str
    """constant, variable, option, field, dictionary, argument or configuration."""
    start: int
    end: int
    """Where its text stands in the file, in bytes."""
    whole: bool
    range: Range
    stated: bool
    """Whether a comment says its range."""

    @property
    def key(self) -> str:
        """Its name among the numbers of all files."""
        return f"{self.path}:{self.name}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.name} = {self.value!r}"

    def rounded(self, value: float) -> float:
        """Return a value that reads well, without leaving the range for it."""
        if (odd := self.range.odd) is not None:
            return int(odd * 2 ** max(0, round(math.log2(value / odd))))
        short = round(value) if self.whole else float(f"{value:.{DIGITS}g}")
        return short if self.range.low <= short <= self.range.high else value


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was found in some files, and why not more."""

    numbers: list[Number]
    nothing: dict[str, str]
    """Path → why nothing is tuned there."""

    def __str__(self) -> str:
        if not self.numbers:
            why = "; ".join(f"{path}: {reason}" for path, reason in self.nothing.items())
            return f"no number worth tuning: {why}"
        count = len(self.numbers)
        files = ", ".join(dict.fromkeys(number.path for number in self.numbers))
        return f"{count} number{'s' if count > 1 else ''} in {files}"

    @property
    def listed(self) -> str:
        """The same with each number and its place, in one line."""
        shown = ", ".join(map(str, self.numbers[:MOST_SHOWN]))
        more = len(self.numbers) - MOST_SHOWN
        rest = f", and {more} more" if more > 0 else ""
        return f"{self}: {shown}{rest}" if self.numbers else str(self)


def tunable(files: Files, mutable: Sequence[str]) -> list[Number]:
    """Return what would be tuned: all numbers with a range in a comment, or else every one.

    Those with a comment come in the order in which they stand; of others, the settings that
    everybody tunes come first.

    Raises:
        ConfigError: a comment's range is none.
    """
    return search(files, mutable).numbers


def search(files: Files, mutable: Sequence[str]) -> Search:
    """Look through all mutable files; raises as `tunable` does."""
    found: list[Number] = []
    nothing: dict[str, str] = {}
    for path in mutable:
        content = files[path].content if path in files else None
        try:
            each, left_out = _numbers(path, content)
        except UNREADABLE as error:
            nothing[path] = next(iter(str(error).splitlines()), "it is nested too deeply")
            continue
        found += each
        if not each:
            never = f"never tuned are {', '.join(left_out)}"
            nothing[path] = never if left_out else "it holds no setting that is a number"
    stated = [number for number in found if number.stated]
    known_first = sorted(found, key=lambda number: not names.is_known(number.name))
    return Search(numbers=stated or known_first, nothing=nothing)


def values(path: str, content: bytes) -> dict[str, float]:
    """Return the value of each number of a file by its key; none of one that cannot be read."""
    try:
        return {number.key: number.value for number in _numbers(path, content)[0]}
    except (*UNREADABLE, ConfigError):
        return {}


def _numbers(path: str, content: bytes | None) -> tuple[list[Number], list[str]]:
    """Return the numbers of a file, and the names of those that are never tuned.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it cannot be read; the message says
            why.
        ConfigError: a comment's range is none.
    """
    if content is None:
        raise ValueError("it is missing")
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    skipped = len(BOM) if content.startswith(BOM) else 0
    body, load = content[skipped:], configuration.loader(path)
    if load is not None:
        found = configuration.found_in(body, load)
    elif path.endswith(".py"):
        found = python.found_in(body)
    else:
        raise ValueError("it is neither Python nor a configuration in YAML, TOML or JSON")
    numbers, left_out = [], []
    count: Counter[str] = Counter()
    for each, comment in _commented(body, found):
        name = each.name
        whole = not each.real and not names.is_all(name, each.value)
        if names.SHOWABLE.fullmatch(name) is None or names.is_seed(name):
            left_out.append(ascii(name)[1:-1])
            continue
        if comment is not None:
            span = _stated(name, comment, each.value, whole=whole)
        elif names.is_never_tuned(name):
            left_out.append(name)
            continue
        elif (by_name := names.range_of(name, each.value, whole=whole)) is not None:
            span = by_name
        else:
            continue
        count[name] += 1
        number = Number(
            path=path, line=body.count(b"\n", 0, each.start) + 1, kind=each.kind, range=span,
            name=f"{name}#{count[name]}" if count[name] > 1 else name, value=each.value,
            start=skipped + each.start, end=skipped + each.end, whole=whole,
            stated=comment is not None,
        )  # fmt: skip
        numbers.append(number)
    return numbers, left_out


def _commented(
    body: bytes, found: Iterable[python.Found]
) -> Iterator[tuple[python.Found, re.Match[str] | None]]:
    """Yield each number with its line's comment, if any; without one, those that count."""
    for each in found:
        rest = body[each.end :].partition(b"\n")[0]
        comment = COMMENT.search(rest.decode(errors="replace"))
        if each.counts or comment is not None:
            yield each, comment


def _stated(name: str, comment: re.Match[str], value: float, *, whole: bool) -> Range:
    """Return the range of a comment, widened to the value that it stands beside."""
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
    low, high = low if log and value <= 0 else min(low, value), max(high, value)
    if whole:
        low, high = max(1, math.floor(low)) if log else math.floor(low), math.ceil(high)
    return Range(low=low, high=high, log=log)


def with_value(content: bytes, number: Number, value: float) -> bytes:
    """Return a file with another value of one of its numbers, and not a byte else."""
    text = configuration.written(number.path, value)
    return content[: number.start] + text.encode() + content[number.end :]
