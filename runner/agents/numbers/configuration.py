"""Numbers of a YAML, TOML or JSON file, and where their bytes stand.

None of the three parsers says where a number stands. So every text that may be one is replaced by
a number of its own, and the parser says which of them came out as a value, and under which keys.
An edit of such a text therefore changes this one value and nothing else.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from runner.agents.numbers.names import LISTED, leaf
from runner.agents.numbers.python import Found

LITERAL = re.compile(
    r"(?<=[\s:=,\[])(?:(?:0|[1-9][\d_]*)(?:\.[\d_]*)?|\.\d+)(?:[eE][-+]?\d+)?(?=\s*(?:[,\]}#]|$))",
    re.MULTILINE,
)
STAND_IN = 7_000_000_000_000_000
KEY = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
MOST = 200
"""A file with more numbers is data."""
MOST_MERGED = 10_000
NOT_AS_TAGGED = (LookupError, AttributeError, TypeError, ArithmeticError)
"""What reading a value comes to that is not what its tag says, such as `!!bool x`."""
OF_TOOLS = ("pyproject.toml", "package.json", "package-lock.json")


def loader(path: str) -> Callable[[str], Any] | None:
    """Return what reads a configuration file of this name; `None` for any other file."""
    if PurePosixPath(path).name in OF_TOOLS:
        return None
    return LOADERS.get(PurePosixPath(path).suffix.lower())


def found_in(content: bytes, load: Callable[[str], Any]) -> list[Found]:
    """Find the numbers of a configuration file, in the order in which they stand.

    Raises:
        ValueError: the file cannot be read, or is data.
        RecursionError: it is nested too deeply.
    """
    text = content.decode()
    literals = list(LITERAL.finditer(text))
    pieces, last = [], 0
    for place, literal in enumerate(literals):
        pieces += [text[last : literal.start()], str(STAND_IN + place)]
        last = literal.end()
    found: dict[int, Found] = {}
    for name, value in _leaves(load("".join([*pieces, text[last:]]))):
        if name is None or type(value) is not int or not 0 <= value - STAND_IN < len(literals):
            continue
        literal = literals[value - STAND_IN]
        start, number = len(text[: literal.start()].encode()), literal[0]
        real = not number.replace("_", "").isdecimal()
        one = Found(
            name=name, value=float(number) if real else int(number), kind="configuration",
            start=start, end=start + len(number), real=real,
        )  # fmt: skip
        found.setdefault(start, one)  # an alias of YAML shows one number in several places
    if len(found) > MOST:
        raise ValueError(f"it holds more than {MOST} numbers, so it is data")
    return [found[start] for start in sorted(found)]


def written(path: str, value: float) -> str:
    """Return a number as such a file has it: YAML knows no exponent without a point before it."""
    text = repr(value)
    if path.endswith((".yaml", ".yml")) and "e" in text and "." not in text:
        return text.replace("e", ".0e")
    return text


def _leaves(value: Any) -> Iterator[tuple[str | None, Any]]:
    """Yield each value that holds no others, with its keys; none where they are no plain names."""
    pending: deque[tuple[str | None, Any]] = deque([("", value)])
    seen: set[int] = set()
    while pending:
        name, each = pending.popleft()
        if isinstance(each, Mapping | list):
            if id(each) in seen:  # aliases, which may even be below themselves
                continue
            seen.add(id(each))
        if isinstance(each, Mapping):
            for key, inner in each.items():
                plain = name is not None and isinstance(key, str) and KEY.fullmatch(key)
                pending.append((f"{name}.{key}".lstrip(".") if plain else None, inner))
        elif isinstance(each, list):
            for place, inner in enumerate(each):
                known = name and (isinstance(inner, Mapping) or LISTED.fullmatch(leaf(name)))
                pending.append((f"{name}.{place}" if known else None, inner))
        else:
            yield name or None, each


class _Loader(yaml.SafeLoader):
    """Merges no more than a person would write: an agent may have written the file."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        before = len(node.value)
        super().flatten_mapping(node)
        self.merged += max(0, len(node.value) - before)
        if self.merged > MOST_MERGED:
            raise yaml.YAMLError(f"it merges more than {MOST_MERGED} keys")


def _yaml(text: str) -> Any:
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, *NOT_AS_TAGGED) as error:
        raise ValueError(str(error)) from error
    return documents[0] if len(documents) == 1 else {}


LOADERS: Mapping[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
}
