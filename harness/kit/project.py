"""Run a project as it is: in a copy that it may write into, its data where it looks for them.

    python -m kit.project train --data data/wine.csv=wine.csv --target quality -- COMMAND
    python -m kit.project predict --data data/wine.csv=wine.csv --target quality -- COMMAND
    python -m kit.project serve -- COMMAND

`--data PLACE=NAME` says that the project reads at PLACE what the trial has as NAME, a file or a
folder; PLACE may be an array in an `.npz` file, `data/digits.npz[images]`, or an idx file. Training
finds the training part there, and what the command writes into the copy is left in `/artifacts`. A
predictor finds all that again at the same places, and at PLACE the rows that are asked, in their
order; a language model that serves finds no text. Targets are in no predictor, so each row has that
of one training row in its stead, and files of a folder are all in the first class: code that reads
the whole then runs as it did.

What this does not protect against: anything. It only lays files where a project expects them.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from . import data, inputs
from .artifacts import FOLDER as ARTIFACTS

WORKSPACE = Path("/workspace")
PROJECT = Path("/cache/project")
OWN_RUN = "run.project.sh"
KEPT, EXAMPLE = "project", "example"
"""Below the artifacts: what the command wrote, and a training row."""
PARQUET = (".parquet", ".pq")
ENTRY = re.compile(r"(.*\.npz)\[(\w+)\]")
IDX_TYPES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
Stamp = tuple[int, int]


def main(arguments: Sequence[str]) -> int:
    """Lay out the project, run the command in it, and return the command's exit code."""
    parser = argparse.ArgumentParser(prog="kit.project")
    parser.add_argument("stage", choices=["train", "predict", "serve"])
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--target", action="append", default=[])
    parser.add_argument("command", nargs="+")
    said = parser.parse_args(arguments)
    places = dict(pair.rsplit("=", 1) for pair in said.data)
    shutil.copytree(WORKSPACE, PROJECT)
    if (PROJECT / OWN_RUN).exists():  # the trial's has its name
        (PROJECT / OWN_RUN).replace(PROJECT / "run.sh")
    if said.stage != "train":
        _restore()
        if said.stage == "predict":
            _lay_questions(places, said.target)
        return subprocess.run(said.command, cwd=PROJECT, check=False).returncode
    _lay({place: data.FOLDER / name for place, name in places.items()})
    _lay_around(places)
    before = dict(_stamps())
    code = subprocess.run(said.command, cwd=PROJECT, check=False).returncode
    if code == 0:
        _keep(before)
        _keep_example(places.values(), said.target)
    return code


def _lay(places: Mapping[str, Path]) -> None:
    """Link files to their places in the project, arrays of one `.npz` file together."""
    packed: dict[str, dict[str, bytes]] = {}
    for place, source in places.items():
        if entry := ENTRY.fullmatch(place):
            if entry[1] not in packed:
                packed[entry[1]] = _arrays_of(PROJECT / entry[1])
            packed[entry[1]][f"{entry[2]}.npy"] = source.read_bytes()
        elif source.suffix == ".npy" and not place.endswith(".npy"):
            _write_idx(_fresh(place), np.load(source, allow_pickle=False))
        else:
            _fresh(place).symlink_to(source)
    for place, members in packed.items():
        with zipfile.ZipFile(_fresh(place), "w") as file:
            for name, content in members.items():
                file.writestr(name, content)


def _lay_around(places: Mapping[str, str]) -> None:
    """Put the lines around a table that are no rows where they were: a project may skip them."""
    said = data.FOLDER / "about.json"
    about = json.loads(said.read_text()) if said.exists() else {}
    if any(map(any, about.get("around", {}).values())):
        rows = _read(data.FOLDER / about["file"], about["dialect"])
        for place in [place for place, own in places.items() if own == about["file"]]:
            _write_table(place, rows, about)


def _write_idx(path: Path, array: NDArray[Any]) -> None:
    """Write an array as MNIST has them: two zeros, a type, the axes, their lengths, the numbers."""
    plain = array.astype(array.dtype.newbyteorder(">"))
    head = bytes((0, 0, IDX_TYPES[plain.dtype.str[1:]], plain.ndim))
    opener: Any = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "wb") as file:
        file.write(head + np.array(plain.shape, ">u4").tobytes() + plain.tobytes())


def _arrays_of(path: Path) -> dict[str, bytes]:
    """Return what of an `.npz` file travelled with the project, because it is not sealed.

    As it was packed: only the project may be able to read an array of objects.
    """
    if not path.exists():
        return {}
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def _fresh(place: str) -> Path:
    """Return where a place of the project is in its copy, with nothing there."""
    path = PROJECT / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


# -- what training leaves ---------------------------------------------------------------------


def _stamps() -> Iterator[tuple[Path, Stamp]]:
    for path in PROJECT.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found = path.stat()
            yield path, (found.st_mtime_ns, found.st_size)


def _keep(before: Mapping[Path, Stamp]) -> None:
    """Copy what the command wrote, the newest first, as long as there is room."""
    written = {path: stamp for path, stamp in _stamps() if before.get(path) != stamp}
    for path, (_, size) in sorted(written.items(), key=lambda one: one[1], reverse=True):
        name = path.relative_to(PROJECT)
        room = shutil.disk_usage(ARTIFACTS).free
        if size > room:
            left = f"{room} are left of resources.artifacts"
            sys.stderr.write(f"not kept: {name} has {size} bytes, and {left}\n")
            continue
        kept = ARTIFACTS / KEPT / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept)


def _keep_example(names: Collection[str], targets: Sequence[str]) -> None:
    """Leave a training row's targets: the first row of an array, or where they are in a table."""
    if not targets:
        return
    if targets[0] in names:
        first = np.load(data.FOLDER / targets[0], mmap_mode="r", allow_pickle=False)[:1]
        np.save(ARTIFACTS / f"{EXAMPLE}.npy", first, allow_pickle=False)
        return
    about = json.loads((data.FOLDER / "about.json").read_text())
    name = about["file"]
    if name.endswith(PARQUET):
        table = _pandas().read_parquet(data.FOLDER / name)
        names = columns = list(table.columns)
        # Each from its own column, as a row has one type for all. Numbers of numpy are no JSON.
        firsts = (table[column].iloc[0] for column in columns)
        first_row = [one.item() if hasattr(one, "item") else one for one in firsts]
    else:
        rows = _read(data.FOLDER / name, about["dialect"])
        columns, first_row = (rows[0], rows[1]) if about["dialect"]["header"] else (
            [f"column_{place}" for place in range(1, len(rows[0]) + 1)], rows[0]
        )  # fmt: skip
        names = _names(columns)
    # By place, the first one first, so that each is right when those before it are there.
    said = [[place, columns[place], first_row[place]] for place in range(len(columns))
            if names[place] in targets]  # fmt: skip
    (ARTIFACTS / f"{EXAMPLE}.json").write_text(json.dumps(said))


def _names(header: Sequence[str]) -> list[str]:
    """Return what a declaration calls columns: without blanks around, a second `x` is `x_2`."""
    names: list[str] = []
    for written in header:
        name, count = written.strip(), 2
        while name in names:
            name, count = f"{written.strip()}_{count}", count + 1
        names.append(name)
    return names


# -- what a predictor finds -------------------------------------------------------------------


def _restore() -> None:
    """Link what training left to where the project wrote it."""
    for path in (ARTIFACTS / KEPT).rglob("*"):
        if path.is_file():
            _fresh(str(path.relative_to(ARTIFACTS / KEPT))).symlink_to(path)


def _lay_questions(places: Mapping[str, str], targets: Sequence[str]) -> None:
    about = json.loads((inputs.FOLDER / "about.json").read_text())
    if "array" in about:
        first = np.load(ARTIFACTS / f"{EXAMPLE}.npy", allow_pickle=False)
        stead = PROJECT.parent / "targets.npy"
        np.save(stead, np.repeat(first, len(inputs.load("ids")), axis=0), allow_pickle=False)
        _lay({
            place: stead if name in targets else inputs.FOLDER / name
            for place, name in places.items()
        })  # fmt: skip
        return
    if about.get("files"):
        for place in places:
            for name in about["classes"]:
                (PROJECT / place / name).mkdir(parents=True)
            for path in sorted((inputs.FOLDER / "files").iterdir()):
                (PROJECT / place / min(about["classes"]) / path.name).symlink_to(path)
        return
    name = about["file"]
    for place in [place for place, own in places.items() if own == name]:
        _lay_table(place, name, about)
    _lay({other: inputs.FOLDER / own for other, own in places.items() if own != name})


def _lay_table(place: str, name: str, about: Mapping[str, Any]) -> None:
    """Write the rows that are asked as a table, each with the targets of a training row."""
    example = json.loads((ARTIFACTS / f"{EXAMPLE}.json").read_text())
    if name.endswith(PARQUET):
        table = _pandas().read_parquet(inputs.FOLDER / name)
        for at, column, value in example:
            table.insert(at, column, value)
        table.to_parquet(_fresh(place), index=False)
        return
    rows = _read(inputs.FOLDER / name, about["dialect"])
    for at, column, value in example:
        for number, row in enumerate(rows):
            row.insert(at, column if number == 0 and about["dialect"]["header"] else value)
    _write_table(place, rows, about)


def _write_table(place: str, rows: list[list[str]], about: Mapping[str, Any]) -> None:
    """Write a table with the lines around its rows that the file of this name has, or the table."""
    dialect, around = about["dialect"], about.get("around", {})
    own = around.get(about["file"], ("", "", ""))
    above, between, below = around.get(Path(place).name, own)
    header, rows = (rows[:1], rows[1:]) if dialect["header"] else ([], rows)
    with _opened(_fresh(place), "wt", dialect) as file:
        odd = any("\r" in value for row in rows for value in row)
        writer = csv.writer(
            file,
            delimiter=dialect["delimiter"],
            lineterminator="\n",
            quoting=csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL,
        )
        file.write(above)
        writer.writerows(header)
        file.write(between)
        writer.writerows(rows)
        file.write(below)


def _read(path: Path, dialect: Mapping[str, Any]) -> list[list[str]]:
    csv.field_size_limit(sys.maxsize)  # a value may be a whole document
    with _opened(path, "rt", dialect) as file:
        return list(csv.reader(file, delimiter=dialect["delimiter"]))


def _opened(path: Path, mode: str, dialect: Mapping[str, Any]) -> IO[str]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    opened: IO[str] = opener(path, mode, encoding=dialect["encoding"], newline="")
    return opened


def _pandas() -> Any:
    return importlib.import_module("pandas")  # images have it, and the host has not


if __name__ == "__main__":
    cut = sys.argv.index("--", 1)
    sys.exit(main([*sys.argv[1:cut], *sys.argv[cut:]]))
