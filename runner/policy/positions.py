"""YAML read with the line of every key, and refused where it says one thing and means another.

What this does not protect against: values that YAML itself converts (`no` is false, `1:30` is 90).
The schema is strict, so such a value has the wrong type and is refused there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

LOADER = yaml.CSafeLoader
"""libyaml's, twenty times as fast as the one in Python; all wheels of PyYAML have it."""
MAX_DEPTH = 8
MAX_INTEGER_BITS = 64
Key = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, where it stands, and what is allowed instead."""

    line: int
    key: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain values (sequences are tuples), the line of every key, and what was refused."""

    value: Any
    lines: dict[Key, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

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


def read(text: str) -> Document:
    """Compose a document; whatever cannot be read is a problem of it, never an exception."""
    try:
        problems = tuple(_refused_events(text))
        if problems:
            return Document(value=None, problems=problems)
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        return Document(value=None, problems=(_syntax_problem(text, error),))
    except yaml.reader.ReaderError as error:
        return Document(value=None, problems=(_character_problem(text, error),))
    if node is None:
        message = "is empty (allowed: the keys of a policy)"
        return Document(value=None, problems=(Problem(line=1, key="", message=message),))
    composer = _Composer()
    value = composer.value(node, ())
    return Document(value=value, lines=composer.lines, problems=tuple(composer.problems))


def _syntax_problem(text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    # What the end of the text is missing is said of the line after the last one.
    line = min(mark.line + 1, len(text.splitlines())) if mark else 1
    reason = " ".join(filter(None, (error.context, error.problem)))
    return Problem(line=line, key="", message=f"is not YAML: {reason}")


def _character_problem(text: str, error: yaml.reader.ReaderError) -> Problem:
    line = text.encode()[: error.position].count(b"\n") + 1  # it counts bytes
    return Problem(line=line, key="", message="holds a control character (allowed: text)")


def _refused_events(text: str) -> Iterator[Problem]:
    """Stop at the first construct that would make the text mean something else than it says."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        reason = _refused_event(event, depth, documents)
        if reason:
            mark = event.start_mark
            yield Problem(line=mark.line + 1 if mark else 1, key="", message=reason)
            return


def _refused_event(event: yaml.Event, depth: int, documents: int) -> str | None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        return "anchors and aliases are not allowed (write the value out)"
    if getattr(event, "tag", None):
        return "tags are not allowed (write a plain value)"
    if depth > MAX_DEPTH:
        return f"is nested too deeply (allowed: {MAX_DEPTH} levels)"
    if documents > 1:
        return "holds more than one document (allowed: one)"
    return None


class _Composer:
    """Turns nodes into values and remembers where each key stood."""

    def __init__(self) -> None:
        self.lines: dict[Key, int] = {}
        self.problems: list[Problem] = []
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, key: Key) -> Any:
        self.lines.setdefault(key, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, key))
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.value(item, (*key, index)) for index, item in enumerate(node.value))
        return self._scalar(node, key)

    def _items(self, node: yaml.MappingNode, key: Key) -> Iterator[tuple[str, Any]]:
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            name = self._name(name_node, key)
            if name is None:
                continue
            place = (*key, name)
            if place in self.lines:
                message = f"is a duplicate key, first on line {self.lines[place]} (allowed: once)"
                self.problems.append(Problem(line=line, key=dotted(place), message=message))
                continue
            self.lines[place] = line
            yield name, self.value(value_node, place)

    def _name(self, node: yaml.Node, key: Key) -> str | None:
        name = self._scalar(node, key) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(name, str):
            return name
        line = node.start_mark.line + 1
        message = "has a key that is not a plain word (allowed: the keys of a policy)"
        self.problems.append(Problem(line=line, key=dotted(key), message=message))
        return None

    def _scalar(self, node: yaml.Node, key: Key) -> Hashable:
        if node.tag == "tag:yaml.org,2002:merge":
            return str(node.value)
        try:
            return _bounded(self._scalars.construct_object(node))
        except (yaml.YAMLError, ValueError, OverflowError):
            message = "cannot be read as a value (allowed: a word, a number, true, false or null)"
            line = node.start_mark.line + 1
            self.problems.append(Problem(line=line, key=dotted(key), message=message))
            return None


def _bounded(value: Hashable) -> Hashable:
    """Refuse an integer that Python itself would not print: `0xfff...` and `1:1:1...` get there."""
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise OverflowError("an integer of too many digits")
    return value
