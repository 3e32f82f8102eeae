"""Run a project as it is: in a copy that it may write into, its data where it looks for them.

    python -m kit.project train --data data/wine.csv=wine.csv --target quality -- COMMAND
    python -m kit.project predict --data data/wine.csv=wine.csv --target quality -- COMMAND

`--data PLACE=NAME` says that the project reads at PLACE what the trial has as NAME, a file or a
folder; PLACE may be an array in an `.npz` file: `data/digits.npz[images]`. Training finds
the training part there, and what the command writes into the copy is left in `/artifacts`. A
predictor finds all that again at the same places, and at PLACE the rows that are asked, in their
order. Targets are in no predictor, so each row has that of one training row in its stead, and files
of a folder are all in the first class: code that reads the whole then runs as it did.

What this does not protect against: anything. It only lays files where a project expects them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import data, inputs
from .artifacts import FOLDER as ARTIFACTS

WORKSPACE = Path("/workspace")
PROJECT = Path("/cache/project")
KEPT, EXAMPLE = "project", "example"
"""Below the artifacts: what the command wrote, and a training row."""
PARQUET = (".parquet", ".pq")
ENTRY = re.compile(r"(.*\.npz)\[(\w+)\]")
Stamp = tuple[int, int]


def main(arguments: Sequence[str]) -> int:
    """Lay out the project, run the command in it, and return the command's exit code."""
    parser = argparse.ArgumentParser(prog="kit.project")
    parser.add_argument("stage", choices=["train", "predict"])
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--target", action="append", default=[])
    parser.add_argument("command", nargs="+")
    said = parser.parse_args(arguments)
    places = dict(pair.rsplit("=", 1) for pair in said.data)
    shutil.copytree(WORKSPACE, PROJECT)
    if said.stage == "predict":
        _restore()
        _lay_questions(places, said.target)
        return subprocess.run(said.command, cwd=PROJECT, check=False).returncode
    _lay({place: data.FOLDER / name for place, name in places.items()})
    before = dict(_stamps())
    code = subprocess.run(said.command, cwd=PROJECT, check=False).returncode
    if code == 0:
        _keep(before)
        _keep_example(places.values(), said.target)
    return code


def _lay(places: Mapping[str, Path]) -> None:
    """Link files to their places in the project, arrays of one `.npz` file together."""
    packed: dict[str, dict[str, Any]] = {}
    for place, source in places.items():
        if entry := ENTRY.fullmatch(place):
            packed.setdefault(entry[1], {})[entry[2]] = np.load(source, allow_pickle=False)
        else:
            _fresh(place).symlink_to(source)
    for place, members in packed.items():
        np.savez(_fresh(place), **members)


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


def _keep_example(names: Sequence[str] | Any, targets: Sequence[str]) -> None:
    """Leave the columns and the first row of a table, or the first row of an array of targets."""
    if not targets:
        return
    if targets[0] in names:
        first = np.load(data.FOLDER / targets[0], mmap_mode="r", allow_pickle=False)[:1]
        np.save(ARTIFACTS / f"{EXAMPLE}.npy", first, allow_pickle=False)
        return
    [name] = names
    table = _table(data.FOLDER / name, json.loads((data.FOLDER / "about.json").read_text()))
    row = {column: table[column].iloc[0] for column in targets}
    if Path(name).suffix in PARQUET:
        row = {column: getattr(value, "item", lambda v=value: v)() for column, value in row.items()}
    said = {"columns": list(table.columns), "row": row}
    (ARTIFACTS / f"{EXAMPLE}.json").write_text(json.dumps(said, default=str))


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
        [place] = places
        for name in about["classes"]:
            (PROJECT / place / name).mkdir(parents=True)
        for path in sorted((inputs.FOLDER / "files").iterdir()):
            (PROJECT / place / min(about["classes"]) / path.name).symlink_to(path)
        return
    for place, name in places.items():
        table = _table(inputs.FOLDER / name, about, ARTIFACTS / f"{EXAMPLE}.json")
        _write(table, _fresh(place), about["dialect"])


def _table(path: Path, about: Mapping[str, Any], example: Path | None = None) -> Any:
    """Return a table as its own text, completed with the columns of an example that it lacks."""
    pandas: Any = importlib.import_module("pandas")  # images have it, and the host has not
    dialect = about["dialect"]
    if path.suffix in PARQUET:
        table = pandas.read_parquet(path)
    else:
        table = pandas.read_csv(
            path, sep=dialect["delimiter"], encoding=dialect["encoding"], dtype=str,
            header=0 if dialect["header"] else None, keep_default_na=False,
        )  # fmt: skip
    named = path.suffix in PARQUET or dialect["header"]
    said = json.loads(example.read_text()) if example else {"columns": [], "row": {}}
    if not named:
        every = said["columns"] or [f"column_{place}" for place in range(1, table.shape[1] + 1)]
        table.columns = [column for column in every if column not in said["row"]]
    for column, value in said["row"].items():
        table[column] = value
    return table[said["columns"]] if example else table


def _write(table: Any, path: Path, dialect: Mapping[str, Any]) -> None:
    if path.suffix in PARQUET:
        table.to_parquet(path, index=False)
    else:
        table.to_csv(
            path, sep=dialect["delimiter"], encoding=dialect["encoding"], index=False,
            header=bool(dialect["header"]),
        )  # fmt: skip


if __name__ == "__main__":
    cut = sys.argv.index("--", 1)
    sys.exit(main([*sys.argv[1:cut], *sys.argv[cut:]]))
