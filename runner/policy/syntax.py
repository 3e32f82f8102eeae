"""Facts of a Python source, computed in a bounded process; anything but success is `Unparsable`.

What this does not protect against: code that hides what it does.
The facts are a fence for honest mistakes and a message that an agent understands; the sandbox is
the wall, and no property that matters rests on them.
"""

from __future__ import annotations

import codecs
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from runner.errors import SandboxError
from runner.patterns import MOST_FILES

PARSER = Path(__file__).with_name("parser.py")
WALL_SECONDS = 15.0
MAX_SOURCE_BYTES = 1_000_000
COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")
"""PEP 263's own expression, so that both read the same."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A name in its longest dotted form: `os.system` is imported, `:eval` a builtin.

    A name that the source gives a meaning of its own is `?`.
    """

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


class _NoFactsError(Exception):
    """Carries an `Unparsable` past the memory: a busy machine can be why."""


def read_facts(content: bytes) -> Facts:
    """Parse in a process of its own, with no environment and limits on memory and time.

    The facts of a source that parses are remembered: most files of a workspace stay as they are.
    """
    try:
        return _remembered(content)
    except _NoFactsError as none:
        found: Unparsable = none.args[0]
        return found


@lru_cache(maxsize=2 * MOST_FILES)
def _remembered(content: bytes) -> SourceFacts:
    facts = _parsed(content)
    if isinstance(facts, Unparsable):
        raise _NoFactsError(facts)
    return facts


def _parsed(content: bytes) -> Facts:
    if len(content) > MAX_SOURCE_BYTES:
        return Unparsable(reason=f"it is larger than {MAX_SOURCE_BYTES} bytes")
    if (encoding := declared_encoding(content)) is not None:
        return Unparsable(reason=f"it declares the encoding {encoding}", line=1)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(PARSER)],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WALL_SECONDS,
            env={},
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Unparsable(reason=f"parsing took longer than {WALL_SECONDS:g} s")
    except OSError as error:
        raise SandboxError("cannot start the source parser", hint=str(error)) from error
    if done.returncode != 0:
        return Unparsable(reason="the parser ran into its limits")
    return understood(done.stdout)


def declared_encoding(content: bytes) -> str | None:
    """The encoding that the source asks for, if it is another than UTF-8."""
    text = content.removeprefix(codecs.BOM_UTF8)
    for line in re.split(rb"\r\n|\r|\n", text, maxsplit=2)[:2]:
        if match := COOKIE.match(line):
            name = match[1].decode("ascii").lower().replace("_", "-")
            return None if name in ("utf-8", "utf8") or name.startswith("utf-8-") else name[:40]
        if line.lstrip(b" \t\f")[:1] not in (b"", b"#"):
            break  # a comment on the next line says nothing of the encoding
    return None


def understood(output: bytes) -> Facts:
    """Read the parser's answer; one that is not as expected is `Unparsable`."""
    try:
        document: dict[str, Any] = json.loads(output)
        if "error" in document:
            return Unparsable(reason=str(document["error"]), line=document["line"])
        names = ("imports", "references", "odd_names")
        found = {
            name: tuple(Reference(name=str(word), line=int(line)) for word, line in document[name])
            for name in names
        }
        return SourceFacts(
            **found,
            lines=int(document["lines"]),
            fingerprint=str(document["fingerprint"]),
            fingerprint_without_seeds=str(document["fingerprint_without_seeds"]),
        )
    except (ValueError, KeyError, TypeError):
        return Unparsable(reason="the parser gave no usable answer")
