"""YAML read with the line of every key, and refused where it says one thing and means another.

What this does not protect against: values that YAML itself converts (`no` is false, `1:30` is 90).
The schema is strict, so such a value has the wrong type and is refused there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError

from runner.errors import ConfigError

MAX_DEPTH = 8
MAX_INTEGER_BITS = 64
WORD, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it stands, and what is allowed instead."""

    line: int
    message: str
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain values (sequences are tuples), and where each stands in the text."""

    value: Any
    lines: dict[Key, int]
    """Where a key is written, or an item of a list."""
    spans: dict[Key, tuple[int, int]]
    """From where to where the value of a key is written."""

    def line(self, key: Key) -> int:
        """Line of a key, or of the nearest part of the document that is there."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)


def dotted(key: Key) -> str:
    """`('files', 'mutable', 0)` as `files.mutable[0]`."""
    text = ""
    for part in key:
        word = part if isinstance(part, int) or part.isprintable() else ascii(part)[1:-1]
        text += f"[{word}]" if isinstance(part, int) else f".{word}" if text else f"{word}"
    return text


class RefusedError(Exception):
    """The text is not YAML, means something else than it says, or says nothing at all."""

    def __init__(self, line: int, message: str, key: Key = ()) -> None:
        self.problem = Problem(line, message, dotted(key))


def read(text: str) -> Document:
    """Read a document; raise `RefusedError` at the first thing that cannot be read."""
    try:
        loader = _Loader(text)
        value = loader.get_single_data()
    except ComposerError as error:  # of a single document, with neither anchors nor aliases
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RefusedError(line, "holds more than one document (allowed: one)") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # What the end of the text is missing is said of the line after the last one.
        line = min(mark.line + 1, len(text.splitlines())) if mark else 1
        reason = " ".join(filter(None, (error.context, error.problem)))
        raise RefusedError(line, f"is not YAML: {reason}") from error
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1  # it counts bytes
        raise RefusedError(line, "holds a control character (allowed: text)") from error
    if not loader.lines:
        raise RefusedError(1, "is empty (allowed: keys and values)")
    return Document(value=value, lines=loader.lines, spans=loader.spans)


def plain(path: Path, text: str, *, hint: str = "") -> Any:
    """Return the values of a person's own file, whose aliases could have no end.

    Raises:
        ConfigError: it cannot be read, or means something else than it says.
    """
    try:
        return read(text).value
    except RefusedError as error:
        found = error.problem
        key = f"{found.key}: " if found.key else ""
        raise ConfigError(f"{path}:{found.line}: {key}{found.message}", hint=hint) from error


class _Loader(Composer, yaml.CSafeLoader):
    """Refuses while it composes, and notes where each key stands; libyaml scans and parses."""

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)
        self.key: Key = ()
        self.lines: dict[Key, int] = {}
        self.spans: dict[Key, tuple[int, int]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose the document, or in a parent what an index or a key names, or a key itself."""
        event: Any = self.peek_event()
        above, line = self.key, event.start_mark.line + 1
        if event.anchor is not None:
            raise RefusedError(line, "anchors and aliases are not allowed (write the value out)")
        if event.tag is not None:
            raise RefusedError(line, "tags are not allowed (write a plain value)")
        if len(above) >= MAX_DEPTH:
            raise RefusedError(line, f"is nested too deeply (allowed: {MAX_DEPTH} levels)")
        if parent and index is None:
            return self._name(event, parent)
        if isinstance(index, yaml.Node):
            self.key, line = (*above, index.value), index.start_mark.line + 1
        elif index is not None:
            self.key = (*above, index)
        if first := self.lines.get(self.key):
            message = f"is a duplicate key, first on line {first} (allowed: once)"
            raise RefusedError(line, message, self.key)
        self.lines[self.key] = line
        node: Any = super().compose_node(parent, index)
        self.spans[self.key] = node.start_mark.index, node.end_mark.index
        if isinstance(node, yaml.ScalarNode) and not self._is_readable(node):
            allowed = "a word, a number, true, false or null"
            message = f"cannot be read as a value (allowed: {allowed})"
            raise RefusedError(node.start_mark.line + 1, message, self.key)
        self.key = above
        return node

    def _name(self, event: Any, parent: Any) -> Any:
        node: Any = None
        if isinstance(event, yaml.ScalarEvent):
            node = super().compose_node(parent, None)  # type: ignore[arg-type] # no index
        if node is None or node.tag not in (WORD, MERGE):
            message = "has a key that is not a plain word (allowed: words)"
            raise RefusedError(event.start_mark.line + 1, message, self.key)
        node.tag = WORD  # `<<` is a key like another, and none that a policy knows
        return node

    def _is_readable(self, node: Any) -> bool:
        try:
            value = self.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            return False
        # Python itself prints no larger integer: `0xfff...` and `1:1:1...` are such.
        return not isinstance(value, int) or value.bit_length() <= MAX_INTEGER_BITS

    def construct_tuple(self, node: Any) -> tuple[Any, ...]:
        return tuple(self.construct_sequence(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:seq", _Loader.construct_tuple)
