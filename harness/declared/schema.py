"""`task.yaml`: what the data are, how they are split, what is measured, and what is asked.

Every key is one of those below. What does not fit is refused by file, line and key, with what is
allowed there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import yaml

from harness.raw import BadRawDataError

FILE = "task.yaml"
MOST_BYTES = 64_000
MOST_DEPTH = 16
IDX = ("ubyte", "ubyte.gz", ".idx", ".idx.gz")
"""How names of idx files end, as MNIST has them."""
DIALECT = ("delimiter", "encoding", "header", "decimal")
KINDS = ("binary", "multi-class", "multi-label", "regression", "ranking")
Key = tuple[str, ...]
T = TypeVar("T")


NOT_AS_TAGGED = (LookupError, AttributeError, TypeError, ArithmeticError)
"""What reading a value comes to that is not what its tag says, such as `!!bool x`."""


class DeclarationError(BadRawDataError, ValueError):
    """`task.yaml` says what it must not; the message names line and key."""


# -- what a value may be ----------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """What is allowed at a key, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_file(value: Any) -> bool:
    return _is_text(value) and not value.startswith("/") and ".." not in Path(value).parts


def _is_rising(value: Any) -> bool:
    """Whether it is two shares or more, rising."""
    if not isinstance(value, list) or len(value) < 2 or not all(map(_is_number, value)):
        return False
    return all(one < other for one, other in pairwise([0, *value, 1]))


TEXT = Kind("a word", _is_text)
CHARACTER = Kind("one character", lambda value: isinstance(value, str) and len(value) == 1)
NAME_OF_FILE = Kind("the name of a raw file", _is_file)
ARRAY = Kind("a .npy file", lambda value: _is_file(value) and value.endswith(".npy"))
EITHER = Kind("a .npy or an idx file", lambda value: _is_file(value) and (
    value.endswith((".npy", *IDX))))  # fmt: skip
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
SHARE = Kind("a share between 0 and 1", lambda value: _is_number(value) and 0 < value < 1)
FOLDS = Kind("a whole number from 2 to 20", lambda value: type(value) is int and 2 <= value <= 20)
POSITIONS = Kind("a whole number from 8 to 4096", lambda value: type(value) is int and (
    8 <= value <= 4096))  # fmt: skip
CUTS = Kind("two or more shares between 0 and 1, rising", _is_rising)
WORDS = Kind("a list of words", lambda value: isinstance(value, list) and all(
    isinstance(each, str) for each in value))  # fmt: skip
COLUMNS = Kind("a column, or a list of them", lambda value: _is_text(value) or (
    isinstance(value, list) and value != [] and all(map(_is_text, value))))  # fmt: skip
FILES = Kind("a raw file, or a list of as many as data names", lambda value: _is_file(value) or (
    isinstance(value, list) and value != [] and all(map(_is_file, value))))  # fmt: skip
SHARE_OR_FILES = Kind("a share between 0 and 1, or raw files", lambda value: (
    SHARE.fits(value) or FILES.fits(value)))  # fmt: skip
FUNCTION = Kind("FILE.py:FUNCTION", lambda value: _is_text(value) and (
    value.count(":") == 1 and value.split(":")[0].endswith(".py")
    and value.split(":")[1].isidentifier()))  # fmt: skip


def one_of(*allowed: str) -> Kind:
    return Kind(f"one of {', '.join(allowed)}", lambda value: value in allowed)


def key(kind: Kind, default: Any = MISSING) -> Any:
    metadata = {"kind": kind}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


# -- the declaration --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ArraysData:
    """Two `.npy` or idx files with as many rows; containers get `.npy` files."""

    inputs: str = key(EITHER)
    targets: str = key(EITHER)
    """[n], or [n, k] of several labels or numbers."""


@dataclass(frozen=True, kw_only=True)
class PairsData:
    """Two `.npy` files whose rows belong together, row by row: each query finds its documents.

    Rows with the same query, or with the same document, belong to each other too.
    """

    queries: str = key(ARRAY)
    documents: str = key(ARRAY)


@dataclass(frozen=True, kw_only=True)
class TableData:
    """Columns of a CSV or Parquet file. What is absent is found when the file is read, and said."""

    table: str = key(NAME_OF_FILE)
    target: str | tuple[str, ...] = key(COLUMNS)
    """Several columns are several labels, or several numbers."""
    given: str = key(one_of("file", "columns"), "file")
    """As what the agent's code gets rows: a file in the format this one has, or the columns as they
    were understood, as `kit.tables` reads them."""
    delimiter: str | None = key(CHARACTER, None)
    encoding: str | None = key(TEXT, None)
    header: bool | None = key(TRUTH, None)
    """Without one, columns are called column_1, column_2 and so on."""
    decimal: str | None = key(one_of(".", ","), None)
    dates: str | None = key(TEXT, None)
    """The format of dates that are not like 2024-01-31, as strptime has it: %d.%m.%Y."""
    missing: tuple[str, ...] | None = key(WORDS, None)
    """What an absent value is written as, whatever its case, beside the usual marks; an empty word
    among these puts them in place of the usual ones."""
    id: str | None = key(TEXT, None)
    """A column that must not repeat a value; no feature."""
    joined: tuple[str, ...] = key(WORDS, ())
    """Tables in which `id` says to which row each of theirs belongs; they come with those rows."""
    drop: tuple[str, ...] = key(WORDS, ())
    """Columns that no model gets, because they tell the target or come after it."""
    drop_missing_target: bool = key(TRUTH, default=False)


@dataclass(frozen=True, kw_only=True)
class FolderData:
    """A folder with a folder of files for each class."""

    folder: str = key(NAME_OF_FILE)


@dataclass(frozen=True, kw_only=True)
class TextData:
    """A text, of which a language model predicts every byte."""

    text: str = key(NAME_OF_FILE)
    positions: int = key(POSITIONS, 128)
    """Bytes that the model is given at most; one more is predicted."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Which rows train, which decide, and which are locked."""

    by: str = key(one_of("random", "group", "time", "order", "files"), "random")
    column: str | None = key(TEXT, None)
    """The column that groups rows or orders them; of arrays, a `.npy` file with a value per row.
    With files, where it is there, it groups them."""
    asked: str | tuple[str, ...] | None = key(FILES, None)
    """With files: what holds the rows that are asked about, in place of the files of `data`."""
    locked: float | str | tuple[str, ...] = key(SHARE_OR_FILES, 0.2)
    """Of all rows; with files: of the asked ones, or files with rows of their own."""
    holdout: float | None = key(SHARE, None)
    folds: int | None = key(FOLDS, None)
    cuts: tuple[float, ...] | None = key(CUTS, None)
    """With time or order: where each window's past ends. The last window is locked."""

    @property
    def grouped(self) -> bool:
        """Whether the column says which rows belong together."""
        return self.column is not None and self.by in ("group", "files")

    @property
    def share(self) -> float:
        """What part is locked, where it is no file of its own."""
        return self.locked if isinstance(self.locked, float | int) else 0.0


@dataclass(frozen=True, kw_only=True)
class Score:
    """What is measured."""

    metric: str | None = key(TEXT, None)
    """Without one, the usual of the target's kind, and those beside it."""
    also: tuple[str, ...] = key(WORDS, ())
    """Measured beside it, for a person's eyes."""
    kind: str | None = key(one_of(*KINDS), None)
    positive: str | None = key(Kind("a value of the target", lambda value: isinstance(
        value, str | int | float)), None)  # fmt: skip
    """Of two classes, the one that a high score stands for."""


Data = ArraysData | PairsData | TableData | FolderData | TextData
DATA: tuple[tuple[str, type[Data]], ...] = (
    ("inputs", ArraysData), ("targets", ArraysData), ("queries", PairsData),
    ("documents", PairsData), ("folder", FolderData), ("text", TextData),
)  # fmt: skip
"""The key that says which kind of data it is; a table without any."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    data: Data
    split: Split
    score: Score
    ask: str | None = None
    """`FILE.py:FUNCTION` of the template, inputs → array, or a command."""


def load(path: Path) -> Declaration:
    """Read a declaration.

    Raises:
        DeclarationError: it says what it must not.
    """
    content = path.read_bytes()
    if len(content) > MOST_BYTES:
        raise DeclarationError(f"{path.name} holds more than {MOST_BYTES} bytes")
    try:
        _require_plain(content, path.name)
        root = yaml.compose(content, Loader=yaml.SafeLoader)
        document = yaml.safe_load(content)
    except DeclarationError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError, *NOT_AS_TAGGED) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise DeclarationError(
            f"{path.name}{line}: is not YAML: {' '.join(str(error).split())}"
        ) from None
    return _Reader(path.name, root).declaration(document)


def _require_plain(content: bytes, name: str) -> None:
    """Refuse what takes longer to read than it is long: aliases of aliases, and deep nesting."""
    depth = 0
    for event in yaml.parse(content, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > MOST_DEPTH:
            wrong = "aliases are" if depth <= MOST_DEPTH else f"more than {MOST_DEPTH} levels are"
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise DeclarationError(f"{name}:{line}: {wrong} not allowed: write the value out")


class _Reader:
    """Turns plain values into the classes above; knows the line of each key."""

    def __init__(self, name: str, root: yaml.Node | None) -> None:
        self._name = name
        self._lines: dict[Key, int] = {}
        for found, line in _lines(root, ()):
            if found in self._lines:
                self._lines[found] = line
                raise self.error(found, "is there twice")
            self._lines[found] = line

    def error(self, where: Key, message: str) -> DeclarationError:
        known = where
        while known and known not in self._lines:
            known = known[:-1]
        place = f"{self._name}:{self._lines.get(known, 1)}"
        return DeclarationError(f"{place}: {'.'.join(where) or FILE}: {message}")

    def declaration(self, document: Any) -> Declaration:
        self._mapping(document, (), ("data", "split", "score", "ask"))
        given = document.get("data")
        kinds = [kind for name, kind in DATA if isinstance(given, Mapping) and name in given]
        data = self._read(given, ("data",), kinds[0] if kinds else TableData)
        ask = self._ask(document.get("ask"))
        split = self._split(
            self._read(document.get("split", {}), ("split",), Split),
            of_text=isinstance(data, TextData),
        )
        score = self._read(document.get("score", {}), ("score",), Score)
        return Declaration(data=data, split=split, score=score, ask=ask)

    def _ask(self, written: Any) -> str | None:
        if isinstance(written, Mapping):
            self._mapping(written, ("ask",), ("command",))
            written = written.get("command")
            if not _is_text(written):
                raise self.error(("ask", "command"), "must be a command line")
        elif written is not None and not FUNCTION.fits(written):
            raise self.error(("ask",), f"must be {FUNCTION.words}, or a mapping with: command")
        return None if written is None else str(written)

    def _split(self, split: Split, *, of_text: bool) -> Split:
        where, in_order = ("split",), split.by in ("time", "order")
        if of_text:
            return split
        if in_order and (split.holdout is not None or split.folds is not None):
            raise self.error(where, f"by: {split.by} cuts windows: use cuts, not holdout or folds")
        if not in_order and split.cuts is not None:
            raise self.error((*where, "cuts"), "is for by: time and by: order")
        by_files, shared = split.by == "files", split.holdout or split.folds
        if by_files != (split.asked is not None) or (by_files and shared):
            raise self.error(where, "by: files needs asked, the others holdout or folds")
        if not by_files and not isinstance(split.locked, float):
            raise self.error((*where, "locked"), f"must be {SHARE.words}, but with by: files")
        if not in_order and not by_files and (split.holdout is None) == (split.folds is None):
            raise self.error(where, "needs one of holdout (a share) and folds (how many)")
        if split.holdout is not None and split.holdout + split.share >= 1:
            raise self.error((*where, "locked"), "with holdout leaves nothing to train on")
        if (split.column is None) == (split.by in ("group", "time")) and not split.grouped:
            wanted = "is needed" if split.column is None else "is for group and time"
            raise self.error((*where, "column"), f"{wanted}, and by is {split.by}")
        return split

    def _mapping(self, written: Any, where: Key, allowed: tuple[str, ...]) -> None:
        if not isinstance(written, Mapping):
            raise self.error(where, f"must be a mapping with: {', '.join(allowed)}")
        for found in written:
            if found not in allowed:
                raise self.error(
                    (*where, str(found)), f"is not a known key (allowed: {', '.join(allowed)})"
                )

    def _read(self, written: Any, where: Key, kind: type[T]) -> T:
        known: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]
        self._mapping(written, where, tuple(one.name for one in known))
        values = {}
        for one in known:
            value = written.get(one.name)
            if value is None:
                if one.default is MISSING:
                    raise self.error((*where, one.name), "is missing")
                continue
            wanted: Kind = one.metadata["kind"]
            value = _worded(value) if wanted in (TEXT, WORDS, COLUMNS) else value
            if not wanted.fits(value):
                raise self.error((*where, one.name), f"must be {wanted.words}, not {value!r}")
            values[one.name] = tuple(value) if isinstance(value, list) else value
        return kind(**values)


def _worded(value: Any) -> Any:
    """Return numbers as words: a column may be called 2021, and 999 stand for no value."""
    if isinstance(value, list):
        return [_worded(each) for each in value]
    return str(value) if _is_number(value) else value


def _lines(node: yaml.Node | None, above: Key) -> Iterator[tuple[Key, int]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            where = (*above, str(name.value))
            yield where, name.start_mark.line + 1
            yield from _lines(value, where)


def files_of(data: Data) -> tuple[str, ...]:
    """Return the raw files that data name."""
    if isinstance(data, ArraysData):
        return data.inputs, data.targets
    if isinstance(data, PairsData):
        return data.queries, data.documents
    if isinstance(data, FolderData):
        return (data.folder,)
    return (data.text if isinstance(data, TextData) else data.table,)


def sets_of_files(declaration: Declaration) -> tuple[tuple[str, ...], ...]:
    """Return the raw files of each set of rows: those of `data`, the asked ones, the locked ones.

    Raises:
        BadRawDataError: a set is not of as many files as `data` names.
    """
    own, split = files_of(declaration.data), declaration.split
    if split.by != "files":
        return (own,)
    said = (split.asked, None if isinstance(split.locked, float) else split.locked)
    others = [(one,) if isinstance(one, str) else one for one in said if one is not None]
    if odd := [one for one in others if len(one) != len(own)]:
        raise BadRawDataError(f"split: {', '.join(odd[0])} stands for {' and '.join(own)}")
    return (own, *others)


def dialect(data: TableData) -> dict[str, Any]:
    """Return how a table's file is written."""
    return {name: getattr(data, name) for name in DIALECT}


def with_dialect(data: TableData, found: Mapping[str, Any]) -> TableData:
    """Return the declaration with what was found when the file was read."""
    return replace(data, **{name: found[name] for name in DIALECT})
