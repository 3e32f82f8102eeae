"""Facts of a Python source, computed in a bounded process; anything but success is `Unparsable`.

What this does not protect against: code that hides what it does.
The facts are a fence for honest mistakes and a message that an agent understands; the sandbox is
the wall, and no property that matters rests on them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from runner.errors import SandboxError

PARSER = Path(__file__).with_name("parser")
WALL_SECONDS = 15.0
MAX_SOURCE_BYTES = 1_000_000
REMEMBERED = 16
"""Sources whose facts are kept; a few, since they are as large as the sources."""
COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")
"""PEP 263's own expression, so that both read the same."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A name in its longest dotted form: `os.system` is imported, `:eval` a builtin or local."""

    name: str
    line: int


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """What review knows of a source that parses."""

    imports: tuple[Reference, ...]
    references: tuple[Reference, ...]
    odd_names: tuple[Reference, ...]
    """Identifiers outside ASCII, escaped."""
    lines: int
    """Of the tree written out again: no comments, docstrings or blank lines, one way to wrap."""
    fingerprint: str
    """Digest of the tree without positions, comments and docstrings."""
    fingerprint_without_seeds: str


@dataclass(frozen=True, kw_only=True)
class Unparsable:
    """A source that no facts could be had of, and why."""

    reason: str
    line: int | None = None


Facts = SourceFacts | Unparsable


class _UnansweredError(Exception):
    """The parser came to no answer, this time."""


def read_facts(content: bytes) -> Facts:
    """Parse in a process of its own, with no environment and limits on memory and time.

    What was answered is remembered for a while: the same bytes have the same facts, and one
    proposal's are asked for when it is sent in, when it is reviewed, and as the next one's parent.
    """
    try:
        return _answered(content)
    except _UnansweredError as unanswered:
        return Unparsable(reason=str(unanswered))


@lru_cache(maxsize=REMEMBERED)
def _answered(content: bytes) -> Facts:
    if (refused := refused_unread(content)) is not None:
        return refused
    command = [sys.executable, "-I", "-S", "-B", str(PARSER)]
    try:
        done = subprocess.run(
            command,
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WALL_SECONDS,
            env={},
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _UnansweredError(f"parsing took longer than {WALL_SECONDS:g} s") from None
    except OSError as error:
        raise SandboxError("cannot start the source parser", hint=str(error)) from error
    if done.returncode != 0:
        raise _UnansweredError("the parser ran into its limits")
    return understood(done.stdout)


def refused_unread(content: bytes) -> Unparsable | None:
    """Say why a source is not even given to the parser."""
    if len(content) > MAX_SOURCE_BYTES:
        return Unparsable(reason=f"it is larger than {MAX_SOURCE_BYTES} bytes")
    encoding = declared_encoding(content)
    if encoding is not None:
        return Unparsable(reason=f"it declares the encoding {encoding}", line=1)
    return None


def declared_encoding(content: bytes) -> str | None:
    """The encoding that the source asks for, if it is another than UTF-8."""
    for line in re.split(rb"\r\n|\r|\n", content, maxsplit=2)[:2]:
        match = COOKIE.match(line)
        name = match[1].decode("ascii").lower().replace("_", "-") if match else "utf-8"
        if name not in ("utf-8", "utf8"):
            return name[:40]
    return None


def understood(output: bytes) -> Facts:
    """Read the parser's answer; one that is not as expected is `Unparsable`."""
    try:
        document: dict[str, Any] = json.loads(output)
        if "error" in document:
            return Unparsable(reason=str(document["error"]), line=document["line"])
        return SourceFacts(
            imports=_pairs(document["imports"]),
            references=_pairs(document["references"]),
            odd_names=_pairs(document["odd_names"]),
            lines=int(document["lines"]),
            fingerprint=str(document["fingerprint"]),
            fingerprint_without_seeds=str(document["fingerprint_without_seeds"]),
        )
    except (ValueError, KeyError, TypeError):
        return Unparsable(reason="the parser gave no usable answer")


def _pairs(found: list[list[Any]]) -> tuple[Reference, ...]:
    return tuple(Reference(name=str(name), line=int(line)) for name, line in found)
