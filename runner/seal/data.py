"""Which of a project's data a sealed task is made of, where that is not said.

Pure but for looking at the beginning of tables.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from runner import paths
from runner.adopt.keeping import SPLIT
from runner.errors import ConfigError
from runner.seal.reading import TARGETS, as_read, header_of, names_of, start_of, target_of
from runner.seal.script import Script

TABLES = (".csv", ".tsv", ".csv.gz", ".parquet", ".pq")
ENTRY = re.compile(r"(.*\.npz)\[(\w+)\]")
"""An array of an `.npz` file: `data/digits.npz[images]`."""
IDX = re.compile(r"(\w+?)[-_.](.*(?:ubyte|idx)(?:\.gz)?)")
"""An array as MNIST has them: what it is for, and what it holds."""
GLOB = re.compile(r"[\w.-]+\*[\w.*-]*|\*\.\w+")
"""A pattern of names in code: `visits_*.csv`."""
LOOKED_AT_BYTES = 8192
EVEN = 0.9
"""Of the lines of a table, those that are rows: others are a title, say."""
POSITIONS, WINDOWS = (128, 64, 32, 16), 500
"""How many bytes a language model is given, the usual first, and windows of the whole text."""
ARRAYS = (".npy", ".npz")
HEAD_BYTES = 4096
"""Hold the description of any array."""
LEARNED = (
    *(".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".safetensors", ".onnx"),
    *(".keras", ".pb", ".cbm", ".ipynb", ".hdf5", ".hdf", ".feather", ".arrow", ".orc", ".avro"),
    *(".db", ".sqlite", ".sqlite3", ".xlsx", ".xls", ".ods", ".mat", ".rds", ".rdata", ".dta"),
    *(".sav", ".msgpack", ".tfrecord", ".tfrecords", ".lmdb", ".mdb"),
)
"""What may hold rows, or what was learned of them, in a form that no search reads."""
TRAINING = re.compile(r"(^|[/_.-])(train|training|tr)([/_.\d-]|$)", re.IGNORECASE)
TESTING = re.compile(
    r"(^|[/_.-])(tests?|testing|te|t10k|valid|validation|val|dev|eval|holdout)([/_.\d-]|$)",
    re.IGNORECASE,
)
INPUTS = re.compile(
    r"(^|[_-])(x|xs|inputs?|features?|images?|imgs?|data)([_.\d-]|$)", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The data of a sealed task: the declaration's part, and each raw file's place."""

    data: Mapping[str, Any]
    places: Mapping[str, str]
    """Where the project reads it → its name among the raw files, the file itself first."""
    targets: tuple[str, ...]
    """Columns of the table, or the array of the targets."""
    folders: tuple[str, ...] = ()
    """Where the project reads folders of files by class; the rows are those of the first."""

    @property
    def files(self) -> tuple[str, ...]:
        """The raw files of the rows: a table, or inputs and targets; of a folder none."""
        return tuple(self.data[key] for key in ("table", "inputs", "targets") if key in self.data)


def files_of(
    state: paths.State, task: str, parts: Sequence[str], *, text: str | None = None
) -> dict[str, Path | bytes]:
    """Return every file of an adopted project that may be data, by the project's own path.

    An `.npz` file is the arrays in it, and a text is one where the person says so.
    """
    found: dict[str, Path | bytes] = {}
    for index, place in enumerate(parts):
        kept = state.data(task) / SPLIT / str(index)
        if kept.is_dir():
            for path in sorted(kept.rglob("*")):
                if path.is_file():
                    found[f"{place}/{path.relative_to(kept).as_posix()}"] = path
        elif kept.is_file():
            found[place] = kept
    root = paths.PROJECT / "workspace-template" / task
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root).as_posix()
        kinds = (*TABLES, ".npy", ".npz")
        if path.is_file() and (path.name.endswith(kinds) or place == text or is_table(path)):
            found.setdefault(place, path)
    for place in [place for place in found if place.endswith(".npz")]:
        found |= _arrays(place, found.pop(place))
    return found


def _arrays(place: str, packed: Path | bytes) -> dict[str, bytes]:
    """Return the arrays of an `.npz` file, each as a file of its own."""
    arrays = {}
    with (
        suppress(ValueError, OSError, zipfile.BadZipFile),
        zipfile.ZipFile(path_of(packed)) as file,
    ):
        for name in file.namelist():
            if name.endswith(".npy"):
                arrays[f"{place}[{name.removesuffix('.npy')}]"] = file.read(name)
    return arrays


def holds_objects(source: Path | bytes) -> bool:
    """Whether it is an array whose values are pickled: its head says so."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(HEAD_BYTES)
    return source.startswith(b"\x93NUMPY") and b"|O'" in source[:HEAD_BYTES]


def path_of(source: Path | bytes) -> Path:
    if isinstance(source, bytes):
        raise TypeError("an array of a packed file has no path")
    return source


def refers(other: Path, table: Path, column: str) -> bool:
    """Whether a table has a column of another one, with values of it: its rows belong to those."""
    return not _values(table, column).isdisjoint(_values(other, column))


def _values(table: Path, column: str) -> set[str]:
    """Return a plain CSV file's values of a column; none where it has no such column."""
    header = header_of(table)
    if column not in header or (mark := _mark(table)) is None:
        return set()
    with table.open(encoding="utf-8-sig", newline="") as file:
        place = header.index(column)
        return {
            row[place] for row in list(csv.reader(file, delimiter=mark))[1:] if len(row) > place
        }


def is_table(path: Path) -> bool:
    """Whether a text holds rows of as many values, whatever its name."""
    return _mark(path) is not None


def _mark(path: Path) -> str | None:
    """Return what is between the values of a text's rows; `None` where it is no table."""
    if path.suffix in (".py", ".md", ".json", ".yaml", ".yml", ".toml", ".npy", ".gz", ".parquet"):
        return None
    try:
        start = start_of(path, LOOKED_AT_BYTES)
    except UnicodeDecodeError:
        return None
    if start.lstrip()[:1] in ("{", "["):  # JSON, a row in a line
        return None
    lines = start.splitlines()
    if path.stat().st_size > LOOKED_AT_BYTES:
        lines = lines[:-1]  # the last one was cut
    for mark in (",", ";", "\t", "|", " "):
        widths = Counter(len(line.split(mark)) for line in lines)
        [(width, count)] = widths.most_common(1) or [(0, 0)]
        if len(lines) > 1 and width > 1 and count >= EVEN * len(lines):
            return mark
    return None


def choose(
    found: Mapping[str, Path | bytes],
    sources: Sequence[Script],
    words: str,
    *,
    task: str,
    table: str | None,
    target: tuple[str, ...],
    inputs: str | None,
    targets: str | None,
    text: str | None,
) -> Chosen:
    """Return the data, as said or as the project's code names them.

    Args:
        found: files that may be data.
        sources: the project's code.
        words: everything in which a file may be named: sources, configuration, the command.
        task: the adopted task, for messages.
        table: what the person said, as the others.
        target: columns.
        inputs: a `.npy` file.
        targets: a `.npy` file.
        text: a text.

    Raises:
        ConfigError: nothing fits, or more than one does; the hint says what to type.
    """
    if bool(inputs) != bool(targets):
        raise ConfigError("--inputs and --targets belong together: give both")
    if text is not None:
        place = _known(text, found)
        name = PurePosixPath(place).name
        size = path_of(found[place]).stat().st_size
        fitting = [one for one in POSITIONS if one * WINDOWS <= size]
        positions = {} if fitting[:1] == [POSITIONS[0]] else {"positions": (fitting or [8])[0]}
        return Chosen(data={"text": name, **positions}, places={place: name}, targets=())
    folders: tuple[str, ...] = ()
    if table is None and inputs is None:
        table, inputs, targets, folders = _guessed(found, words)
    if table is not None:
        place = _known(table, found)
        return _of_table(place, path_of(found[place]), target, sources, task)
    if inputs and targets:
        return _of_arrays(_known(inputs, found), _known(targets, found), found)
    if folders:
        name = PurePosixPath(folders[0]).name
        places = _inside(folders[0], found, name)
        return Chosen(data={"folder": name}, places=places, targets=(), folders=folders)
    raise ConfigError(
        f"which of the data holds the rows of {task} is not plain: "
        f"{', '.join(sorted(found)[:10]) or 'it has none'}",
        hint="--table FILE --target COLUMN, --inputs X.npy --targets y.npy, or --text FILE; what is"
        " in another format, or comes with a library: write it as CSV or .npy, let the code read"
        f" that, and adopt it again; else runner seal {task} --brief says what to write by hand",
    )


def _guessed(
    found: Mapping[str, Path | bytes], words: str
) -> tuple[str | None, str | None, str | None, tuple[str, ...]]:
    """Return the table, or inputs and targets, or the folders of classes that code names."""
    named = [place for place in found if is_named(place, words)]
    if arrays := list(filter(_is_array, named)):
        inputs, targets = _one(arrays, INPUTS, without=TARGETS), _one(arrays, TARGETS)
        if inputs is None and targets is not None and len(arrays) == 2:
            inputs = next(one for one in arrays if one != targets)
        return None, inputs, targets, ()
    sources = {place: found[place] for place in named}
    tables = [
        place for place, source in sources.items()
        if isinstance(source, Path) and (place.endswith(TABLES) or is_table(source))
    ]  # fmt: skip
    if tables:
        likeliest = _likeliest(tables)
        return (likeliest[0] if len(likeliest) == 1 else None), None, None, ()
    return None, None, None, _folders(found)


def _is_array(place: str) -> bool:
    return bool(place.endswith(".npy") or ENTRY.match(place) or IDX.fullmatch(short(place)))


def _of_table(
    place: str, path: Path, target: tuple[str, ...], sources: Sequence[Script], task: str
) -> Chosen:
    read = as_read(sources, short(place))
    called = names_of(sources, path, read) if target else {}
    columns = tuple(called.get(one, one) for one in target) or target_of(sources, path, task, read)
    name = PurePosixPath(place).name
    data: dict[str, Any] = {
        "table": name, "target": columns[0] if len(columns) == 1 else list(columns),
    }  # fmt: skip
    if read.unnamed:
        data["header"] = False
    if delimiter := read.delimiter or (" " if _mark(path) == " " else None):
        data["delimiter"] = delimiter
    return Chosen(data=data, places={place: name}, targets=columns)


def _of_arrays(inputs: str, targets: str, found: Iterable[str]) -> Chosen:
    raw = {place: _name_of(place) for place in (inputs, targets)}
    if raw[inputs] == raw[targets]:
        raw = {inputs: "inputs.npy", targets: "targets.npy"}
    data = {"inputs": raw[inputs], "targets": raw[targets]}
    # Where idx files for tests are, the same rows are found: those that are asked.
    for place in (inputs, targets):
        own = IDX.fullmatch(short(place))
        for other in found if own else ():
            twin = IDX.fullmatch(short(other))
            if own and twin and twin[2] == own[2] and folder_of(other) == folder_of(place):
                raw.setdefault(other, raw[place])
    return Chosen(data=data, places=raw, targets=(data["targets"],))


def _name_of(place: str) -> str:
    """Return the raw file's name; an array of an `.npz` file is one of its own."""
    name = short(place)
    return name if IDX.fullmatch(name) else f"{name.removesuffix('.npy')}.npy"


def given(name: str) -> str:
    """Return what containers call a raw file: what is idx is a `.npy` file there."""
    return f"{name}.npy" if IDX.fullmatch(name) else name


def packed_in(place: str) -> str:
    """Return the file that a place is in: itself, or the `.npz` file that an array is in."""
    entry = ENTRY.match(place)
    return entry[1] if entry else place


def short(place: str) -> str:
    """Return what code calls a place in the end: a file's name, or an array's in its file."""
    entry = ENTRY.match(place)
    return entry[2] if entry else PurePosixPath(place).name


def folder_of(place: str) -> str:
    entry = ENTRY.match(place)
    return entry[1] if entry else str(PurePosixPath(place).parent)


def whole(found: Mapping[str, Path | bytes]) -> dict[str, bytes]:
    """Return files as bytes, the arrays of one `.npz` file together again."""
    files: dict[str, bytes] = {}
    packed: dict[str, dict[str, bytes]] = {}
    for place, source in found.items():
        if isinstance(source, Path):
            files[place] = source.read_bytes()
        else:
            packed.setdefault(packed_in(place), {})[f"{short(place)}.npy"] = source
    for place, members in packed.items():
        with io.BytesIO() as stream:
            with zipfile.ZipFile(stream, "w") as file:
                for name, content in members.items():
                    file.writestr(name, content)
            files[place] = stream.getvalue()
    return files


def free(name: str, taken: Iterable[str], word: str) -> str:
    """Return a name that no raw file or folder has yet: itself, or with a word before it."""
    known = {PurePosixPath(one).parts[0] for one in taken}
    tried = (name, f"{word}_{name}", *(f"{word}_{n}_{name}" for n in range(2, len(known) + 3)))
    return next(one for one in tried if one not in known)


def is_named(place: str, words: str) -> bool:
    """Whether code and configuration name a file, by its name or by a pattern of it."""
    name = PurePosixPath(packed_in(place)).name
    own = IDX.fullmatch(name)
    return (
        name in words
        or bool(own and own[2] in words)
        or any(fnmatchcase(name, one) for one in GLOB.findall(words))
    )


def _folders(found: Iterable[str]) -> tuple[str, ...]:
    """Return the folder whose folders hold files, a class each, and those for tests beside it."""
    classes: dict[str, set[str]] = {}
    for place in found:
        *above, name, _ = ("", *PurePosixPath(place).parts)
        if len(above) > 1:
            classes.setdefault("/".join(above[1:]), set()).add(name)
    fitting = [folder for folder, names in classes.items() if len(names) > 1]
    first = _likeliest(fitting)
    if len(first) != 1:
        return ()
    beside = (one for one in fitting if TESTING.search(short(one))
              and one not in first and classes[one] <= classes[first[0]])  # fmt: skip
    return (*first, *beside)


def _inside(folder: str, found: Iterable[str], name: str) -> dict[str, str]:
    """Return each file below a folder, and what it is called below another name of that."""
    inside = (place for place in found if place.startswith(f"{folder}/"))
    return {place: f"{name}{place.removeprefix(folder)}" for place in inside}


# -- rows for tests ---------------------------------------------------------------------------


def with_tests(
    chosen: Chosen, said: Sequence[str], found: Mapping[str, Path | bytes], taken: Iterable[str]
) -> tuple[Chosen, list[str], dict[str, Path | bytes]]:
    """Return the choice where a project's own files for tests stand for the sealed ones too.

    Args:
        chosen: the sealed data.
        said: the files for tests as the project names them, as many as the data are.
        found: files that may be data.
        taken: names of raw files that are others already.

    Returns:
        The choice, the files' names among the raw ones, and these.

    Raises:
        ConfigError: they are not there, or as many.
    """
    needed = len(chosen.files) or 1
    if len(said) != needed or "text" in chosen.data:
        what = "two arrays, inputs and then targets" if needed == 2 else "one file or folder"
        raise ConfigError(
            f"{' '.join(said)}: rows for tests are {what}, as the others are",
            hint="repeat --asked, or --locked, for each",
        )
    names, raw = list[str](), dict[str, Path | bytes]()
    for place, own in zip(said, chosen.files or said, strict=True):
        place = place.removeprefix("./").rstrip("/")
        name = _name_of(place) if "inputs" in chosen.data else short(place)
        name = free(name, (*taken, *raw), "tests")
        if chosen.folders:
            raw |= {other: found[one] for one, other in _inside(place, found, name).items()}
            chosen = replace(chosen, folders=tuple(dict.fromkeys((*chosen.folders, place))))
        else:
            raw[name] = found[_known(place, found)]
            chosen = replace(chosen, places={**chosen.places, place: own})
        names.append(name)
    if not raw:
        raise ConfigError(f"{said[0]} is no folder of the project's data")
    return chosen, names, raw


def rows_for_tests(chosen: Chosen, found: Mapping[str, Path | bytes], words: str) -> list[str]:
    """Return files or folders for tests that are as the chosen ones: the same columns, say."""
    if chosen.folders:
        return list(chosen.folders[1:])
    named = [one for one in found if TESTING.search(short(one)) and is_named(one, words)]
    if "inputs" in chosen.data:
        arrays = list(filter(_is_array, named))
        pair = [_one(arrays, INPUTS, without=TARGETS), _one(arrays, TARGETS)]
        return [one for one in pair if one is not None] if None not in pair else []
    own = next((found[place] for place in chosen.places), None)
    header = header_of(own) if isinstance(own, Path) and "table" in chosen.data else []
    return [
        place for place in named
        if header and place not in chosen.places and isinstance(source := found[place], Path)
        and header_of(source) == header
    ]  # fmt: skip


def _known(said: str, found: Mapping[str, Path | bytes]) -> str:
    place = said.removeprefix("./")
    if place not in found:
        raise ConfigError(
            f"{said} is no file of the project's data",
            hint=f"they are: {', '.join(sorted(found)[:10])}",
        )
    return place


def _likeliest(places: list[str]) -> list[str]:
    """Return those for training where there are several, else those that are not for tests."""
    training = [place for place in places if TRAINING.search(short(place))]
    others = [place for place in places if not TESTING.search(short(place))]
    return (training or others or places) if len(places) > 1 else places


def _one(
    places: list[str], kind: re.Pattern[str], without: re.Pattern[str] | None = None
) -> str | None:
    fitting = [
        place for place in _likeliest(places)
        if kind.search(short(place)) and not (without and without.search(short(place)))
    ]  # fmt: skip
    return fitting[0] if len(fitting) == 1 else None
