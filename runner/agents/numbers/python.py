"""Numbers of a Python source that a person would call settings, and where their bytes stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from runner.agents.numbers.names import LISTED, is_known, leaf, words

LINE_END = re.compile(rb"\r\n|\r|\n")
SETTINGS = frozenset(
    (
        *("config", "configs", "configuration", "cfg", "conf", "settings", "options", "opts"),
        *("args", "arguments", "kwargs", "params", "param", "parameters", "defaults", "hp"),
        *("hparams", "hyperparams", "hyperparameters"),
    )
)
"""A dictionary or class with one of these words in its name declares settings."""
RECORDS = frozenset(
    ("dataclass", "define", "attrs", "BaseModel", "BaseSettings", "NamedTuple", "Struct")
)
OPTIONS = frozenset(("add_argument", "option", "Option"))
FLAGS = frozenset(("DEFINE_float", "DEFINE_integer"))
FUNCTIONS = frozenset(
    (
        *("dict", "partial", "train", "fit", "dropout", "cross_entropy", "set_params"),
        *("set_defaults", "clip_grad_norm_", "clip_grad_value_"),
    )
)
"""Functions whose keyword arguments are looked at; of classes all are."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A number and the name that it goes by."""

    name: str
    value: float
    kind: str
    start: int
    end: int
    """Where it stands, in bytes."""
    real: bool
    """Whether a fraction may take its place."""
    counts: bool = True
    """Whether it counts without a comment, too: by where it stands, or by a known name."""


@dataclass(frozen=True)
class _Named:
    name: str
    node: ast.expr
    kind: str
    declared: bool
    """Whether it counts by where it stands, and not by a known name."""
    real: bool = False


def found_in(source: bytes) -> list[Found]:
    """Find the numbers of a Python source, in the order in which they stand.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it is no Python.
    """
    starts = [0, *(end.end() for end in LINE_END.finditer(source))]
    tree = ast.parse(source.decode())
    found: dict[tuple[int, int], Found] = {}
    """By line and column."""
    for named in (*_constants(tree), *_settings(tree)):
        for name, number in _numbers(named.name, named.node):
            start = starts[number.lineno - 1] + number.col_offset
            end = starts[(number.end_lineno or 0) - 1] + (number.end_col_offset or 0)
            short = named.kind == "variable" and len(name) == 1
            counts = named.declared or (is_known(name) and not short)
            place = number.lineno, number.col_offset
            if place in found and found[place].counts >= counts:
                continue
            value: int | float = number.value  # type: ignore[assignment] # what _numbers yields
            real = named.real or isinstance(value, float)
            found[place] = Found(
                name=name, value=value, kind=named.kind, start=start, end=end, real=real,
                counts=counts,
            )  # fmt: skip
    # What a line's comment says is of those that count, where there are some.
    counted = {line for (line, _), each in found.items() if each.counts}
    return [each for (line, _), each in sorted(found.items()) if each.counts or line not in counted]


def _constants(tree: ast.Module) -> Iterator[_Named]:
    """Yield the upper-case constants above the first function or class."""
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant())
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant())
            ) if name.isupper():
                yield from _assigned(node, "", "constant", declared=True)


def _settings(tree: ast.Module) -> Iterator[_Named]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) if _is_record(node):
                for statement in node.body:
                    yield from _assigned(statement, f"{name}.", "field", declared=True)
            case ast.Assign() | ast.AnnAssign():
                yield from _assigned(node, "", "variable", declared=False)
            case ast.Call():
                yield from _called(node)
            case ast.Dict():
                for key, value in _items(node):
                    yield _Named(key, value, "dictionary", declared=False)


def _is_record(node: ast.ClassDef) -> bool:
    """Say whether a class is a dataclass or the like, or named after settings."""
    parts = [part.func if isinstance(part, ast.Call) else part for part in node.decorator_list]
    said = {_last(part) for part in (*parts, *node.bases)}
    return not RECORDS.isdisjoint(said) or not SETTINGS.isdisjoint(words(node.name))


def _assigned(node: ast.stmt, above: str, kind: str, *, declared: bool) -> Iterator[_Named]:
    match node:
        case ast.Assign(targets=[target], value=value):
            real = False
        case ast.AnnAssign(target=target, value=ast.expr() as value, annotation=annotation):
            real = _last(annotation) == "float"
        case _:
            return
    name = _last(target)
    if any(True for _ in _items(value)):
        declared = declared or not SETTINGS.isdisjoint(words(name))
        kind = "dictionary"
    elif isinstance(target, ast.Subscript):
        above, kind = f"{_last(target.value)}.", "dictionary"
        declared = not SETTINGS.isdisjoint(words(above))
    yield _Named(f"{above}{name}", value, kind, declared=declared, real=real)


def _called(node: ast.Call) -> Iterator[_Named]:
    name = _last(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    texts = [
        part.value
        for part in node.args
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    if name in OPTIONS and texts and "default" in given and "choices" not in given:
        option = next((text for text in texts if text.startswith("--")), texts[-1])
        asked = given.get("type")
        if not isinstance(asked, ast.Call):  # else it says itself what it takes
            real = asked is not None and _last(asked).lower() == "float"
            option = option.lstrip("-").partition("/")[0]
            yield _Named(option, given["default"], "option", declared=True, real=real)
    elif name in FLAGS and texts and len(node.args) > 1:
        real = name == "DEFINE_float"
        yield _Named(texts[0], node.args[1], "option", declared=True, real=real)
    elif name in FUNCTIONS or name[:1].isupper():
        kind = "dictionary" if name == "dict" else "argument"
        above = "" if name == "dict" else f"{name}."
        for key, value in given.items():
            yield _Named(f"{above}{key}", value, kind, declared=False)
        if "Dropout" in name and node.args:
            yield _Named(f"{above}p", node.args[0], kind, declared=False)


def _last(node: ast.expr) -> str:
    """Return the last word of a name, an attribute or a constant key; empty for all else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return name
        case ast.Subscript(slice=part):
            return _last(part)
    return ""


def _items(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield a dictionary's text keys and their values."""
    match node:
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value
        case ast.Call(func=ast.Name(id="dict")):
            yield from ((part.arg, part.value) for part in node.keywords if part.arg)


def _numbers(name: str, node: ast.expr) -> Iterator[tuple[str, ast.Constant]]:
    """Yield the plain numbers of a value, with the names that they go by."""
    match node:
        case ast.Constant() if type(node.value) in (int, float):
            yield name, node
        case ast.Tuple(elts=parts) | ast.List(elts=parts) if LISTED.fullmatch(leaf(name)):
            for place, part in enumerate(parts):
                if isinstance(part, ast.Constant):
                    yield from _numbers(f"{name}.{place}", part)
        case ast.Call(args=parts) if _last(node.func) in ("field", "Field"):
            given = [part.value for part in node.keywords if part.arg == "default"]
            for part in (*given, *parts)[:1]:
                yield from _numbers(name, part)
        case _:
            for key, value in _items(node):
                yield from _numbers(f"{name}.{key}", value)
