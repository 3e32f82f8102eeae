"""A declared task: build its data, deal an evaluated part, and say what was understood.

Public, for each split: the training rows in the format they came in, targets included, and
`about.json`, which says what the predictor is asked. Sealed, for each evaluated part: the rows
without targets, and beside them the targets as the scorer reads them. Rows lie in drawn orders, but
those in time order; what is dealt is shuffled again for every trial, under ids drawn for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.arrays import npy
from harness.declared import (
    arrays,
    copies,
    folders,
    metrics,
    pairs,
    parts,
    schema,
    tables,
    texts,
    understanding,
)
from harness.declared.arrays import ArraysSource
from harness.declared.folders import FolderSource
from harness.declared.numbers import is_number
from harness.declared.pairs import PairsSource
from harness.declared.parts import Divided, Evaluated, Twins
from harness.declared.schema import (
    ArraysData,
    Declaration,
    FolderData,
    PairsData,
    TableData,
    TextData,
)
from harness.declared.tables import TableSource
from harness.declared.targets import Target
from harness.raw import BadRawDataError, required
from harness.scoring.dealing import draw_ids, draw_order, load_sealed
from harness.scoring.outputs import Code, InvalidOutputsError, Layout, read_array
from harness.scoring.protocol import Dealt
from harness.scoring.served import Served
from harness.sealing import Built, read_sealed

PREDICTOR = "rows"
IDS, PREDICTIONS = f"{PREDICTOR}/ids.npy", f"{PREDICTOR}/predictions.npy"
ABOUT, TARGETS, GROUPS = "about.json", "scored.npy", "groups.npy"
OWN = frozenset((ABOUT, TARGETS, GROUPS, "ids.npy"))
"""Names that no file of the data may have: it would be written over, with the targets, say."""
MOST_INPUT_BYTES, PAGE_BYTES = 448 * 1024**2, 4096
"""What a predictor's inputs may take; a volume in memory holds them, file by file in whole pages.

The supervisor makes it (runner/trial/volumes.py), an eighth larger, for the rows' ids.
"""
Source = TableSource | ArraysSource | PairsSource | FolderSource
FEWEST_LISTS, MOST_NAMED = 2, 5


def read(raw: Path | None, declaration: Declaration, seed: int) -> Source:
    """Read the declared data.

    Raises:
        BadRawDataError: they are not there, or do not fit the declaration.
    """
    if isinstance(declaration.data, TableData):
        return tables.read_source(raw, declaration, seed)
    if isinstance(declaration.data, FolderData):
        return folders.read_source(raw, declaration, seed)
    if isinstance(declaration.data, PairsData):
        return pairs.read_source(raw, declaration)
    return arrays.read_source(raw, declaration)


def divide(source: Source, seed: int) -> tuple[Divided, Twins]:
    """Divide the rows of a source, and check that every part can be learned from and scored.

    Raises:
        BadRawDataError: a part would have too few rows, or not the classes that it needs.
    """
    split, twins = source.declaration.split, parts.twins(source.signatures())
    if split.by in ("time", "order"):
        divided = parts.windows(split, source.times(), len(source))
    else:
        units = source.groups()
        if units is None:
            units = twins.units if twins.together else np.arange(len(source))
        if split.by == "files":
            divided = parts.by_files(seed, split, source.origin, source.target.strata(), units)
        else:
            divided = parts.divide(seed, split, source.target.strata(), units)
    metric, _ = metrics.chosen(source.target.kind, source.declaration.score)
    metrics.check_values(metric, source.target)
    if source.target.kind == metrics.RANKING:
        _check_lists(source, divided)
    for one in divided.evaluated:
        _check(
            one, source.target,
            every_class=metric.function == "roc_auc_score", in_order=split.by in ("time", "order"),
        )  # fmt: skip
    return divided, twins


def build(seed: int, raw: Path | None, *, declaration: Declaration) -> Built:
    """Return every file of both parts.

    Raises:
        BadRawDataError: the data do not fit the declaration.
    """
    if isinstance(declaration.data, TextData):
        return texts.build(raw, declaration)
    source = read(raw, declaration, seed)
    divided, _ = divide(source, seed)
    about = json.dumps(about_answers(source)).encode()
    public: dict[str, bytes] = {}
    sealed: dict[str, bytes] = {}
    groups = source.groups()
    for one in divided.evaluated:
        for name, content in source.training(one.training).items():
            public[f"{one.split}/{name}"] = content
        public[f"{one.split}/{ABOUT}"] = about
        folder = f"{one.part}/{one.split}"
        given = source.sealed(one.asked)
        for name in OWN & given.keys():
            raise BadRawDataError(f"{name} is a name of the scorer's own: call the file otherwise")
        _check_size(one, source, given)
        for name, content in given.items():
            sealed[f"{folder}/{name}"] = content
        sealed[f"{folder}/{TARGETS}"] = npy(source.target.values[one.asked])
        sealed[f"{folder}/{ABOUT}"] = about
        if groups is not None:
            sealed[f"{folder}/{GROUPS}"] = npy(groups[one.asked])
    if divided.analysis is not None:
        for name, content in source.training(divided.analysis).items():
            public[f"{parts.ANALYSIS}/{name}"] = content
    return Built(public=public, sealed=sealed)


def _check_size(one: Evaluated, source: Source, given: Mapping[str, bytes]) -> None:
    sizes = [-(-len(content) // PAGE_BYTES) * PAGE_BYTES for content in given.values()]
    # Each side of pairs has a predictor of its own.
    largest = max(sizes) if isinstance(source, PairsSource) else sum(sizes)
    if largest > MOST_INPUT_BYTES:
        raise BadRawDataError(
            f"the rows of {one.part} in {one.split} take {largest:,} bytes, and a predictor can be "
            f"given {MOST_INPUT_BYTES:,}: let split score fewer rows"
        )


def deal(sealed: Path, part: str, split: str, *, declaration: Declaration) -> Dealt | Served:
    """Give the predictor rows without their targets, in an order and under ids drawn now.

    Raises:
        SealedDataDamagedError: the sealed part is not what its manifest says.
    """
    folder, data = f"{part}/{split}", declaration.data
    if isinstance(data, TextData):
        return texts.deal(sealed, part, split, declaration)
    if isinstance(data, PairsData):
        return pairs.deal(sealed, folder, declaration)
    about = json.loads(read_sealed(sealed, f"{folder}/{ABOUT}"))
    values = load_sealed(sealed, f"{folder}/{TARGETS}")
    order, ids = draw_order(len(values)), draw_ids(len(values))

    def load(name: str) -> bytes:
        return read_sealed(sealed, f"{folder}/{name}")

    given: Mapping[str, NDArray[Any] | bytes]
    if isinstance(data, ArraysData):
        given = arrays.asked(data, load, order)
    elif isinstance(data, FolderData):
        given = folders.asked(load, order)
    else:
        given = tables.asked(schema.with_dialect(data, about["dialect"]), load, order)
    groups = None
    if declaration.split.grouped:
        groups = load_sealed(sealed, f"{folder}/{GROUPS}")[order]
    target = Target(
        kind=about["kind"], why="", values=values[order], classes=tuple(about["classes"])
    )
    inputs = {f"{PREDICTOR}/{name}": content for name, content in given.items()}
    inputs |= {IDS: ids, f"{PREDICTOR}/{ABOUT}": json.dumps(about).encode()}
    return Dealt(
        inputs=inputs,
        measure=partial(
            measure, ids=ids, order=order, target=target, declaration=declaration, groups=groups
        ),
    )


def measure(
    outputs: Path,
    *,
    ids: NDArray[np.int64],
    order: NDArray[np.int64],
    target: Target,
    declaration: Declaration,
    groups: NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """Return the metric of what the predictor wrote, its standard error, and those beside it.

    Raises:
        InvalidOutputsError: an array is not as asked for, or is for other rows.
    """
    if not np.array_equal(read_array(outputs, IDS, Layout(dtype="<i8", shape=ids.shape)), ids):
        raise InvalidOutputsError(Code.WRONG_IDS, IDS)
    metric, also = metrics.chosen(target.kind, declaration.score)
    answer, places = metrics.read_answer(outputs, PREDICTIONS, target, needs=metric.needs)
    return metrics.measure(target, answer, metric, also, places=places, order=order, groups=groups)


def understand(raw: Path | None, declaration: Declaration, *, seed: int = 0) -> dict[str, Any]:
    """Return what is shown to a person; it holds no row, but an example of each column's values.

    Raises:
        BadRawDataError: the data do not fit the declaration.
    """
    if isinstance(declaration.data, TextData):
        return texts.understand(raw, declaration)
    source = read(raw, declaration, seed)
    said = understanding.of_target(declaration, source.target, len(source))
    if isinstance(source, TableSource):
        said |= understanding.of_table(source)
    divided, twins = divide(source, seed)
    crossed = parts.crossing(divided, twins.units)
    found = list(_warnings(source))
    found += understanding.of_twins(twins, crossed, by=declaration.split.by)
    predictors = pairs.SIDES if isinstance(source, PairsSource) else (PREDICTOR,)
    return {**said, **understanding.of_split(divided), "predict": list(predictors),
            "ask": declaration.ask, "warnings": found}  # fmt: skip


def search(
    raw: Path | None, folder: Path, declaration: Declaration, *, packages: bool = False
) -> dict[str, Any]:
    """Return one sentence for each file of a folder that holds rows of the data.

    Args:
        raw: the raw files.
        folder: a workspace, or the data files of an image's packages.
        declaration: of the data.
        packages: whether it is the latter.
    """
    found = copies.search(_looked_for(raw, declaration), folder, packages=packages)
    advice = "" if packages else ": take them out"
    return {"found": [f"{name} holds {rows} rows of the data{advice}"
                      for name, rows in found.items()]}  # fmt: skip


def _looked_for(raw: Path | None, declaration: Declaration) -> list[copies.Lines | copies.Pieces]:
    if isinstance(declaration.data, TextData):
        text = required(raw, declaration.data.text).read_bytes()
        return [copies.Pieces.of_text(text)]
    source = read(raw, declaration, 0)
    if isinstance(source, TableSource):
        return [copies.Lines.of_table(source), *map(copies.Lines.of_cells, source.joined.values())]
    if isinstance(source, FolderSource):
        return [copies.Pieces.of_files(source.paths)]
    looked = (
        [source.inputs] if isinstance(source, ArraysSource) else [source.queries, source.documents]
    )
    return [kind.of_array(one) for one in looked for kind in (copies.Pieces, copies.Lines)]


def about_answers(source: Source) -> dict[str, Any]:
    """Return what a predictor is told of the question: how its rows lie, and what is answered."""
    target, data = source.target, source.declaration.data
    metric, _ = metrics.chosen(target.kind, source.declaration.score)
    about: dict[str, Any] = {
        "kind": target.kind,
        "classes": list(target.classes),
        "needs": metric.needs,
        "width": int(target.values.shape[1]) if target.values.ndim == 2 else 1,
    }
    if isinstance(source, TableSource):
        return {**about, "file": source.data.table if source.data.given == "file" else None,
                "dialect": schema.dialect(source.data), "around": source.around}  # fmt: skip
    if isinstance(source, FolderSource):
        return {**about, "files": True, "folder": source.data.folder}
    if isinstance(source, PairsSource):
        return about  # each side is told its own
    assert isinstance(data, ArraysData)  # noqa: S101 - of arrays, then
    return {**about, "array": arrays.given(data.inputs)}


def _warnings(source: Source) -> Iterator[str]:
    if isinstance(source, TableSource):
        yield from understanding.warnings(source)
    elif isinstance(source, ArraysSource):
        yield from understanding.of_array(source.data.inputs, source.inputs, source.target)


def _check_lists(source: Source, divided: Divided) -> None:
    """Raise where rows of a ranking are in no lists, or too few of those can be scored."""
    if isinstance(source, PairsSource):
        return
    groups, relevant = source.groups(), source.target.values > 0
    if groups is None:
        raise BadRawDataError("a ranking is of lists: split: {by: group, column: ...} names them")
    for one in divided.evaluated:
        names, counts = np.unique(groups[one.asked], return_counts=True)
        scored = np.isin(names[counts > 1], groups[one.asked][relevant[one.asked]])
        if scored.sum() < FEWEST_LISTS:
            raise BadRawDataError(
                f"{one.part}/{one.split} has {scored.sum()} lists with a relevant row and another "
                f"one, and {FEWEST_LISTS} are the fewest"
            )


def _check(one: Evaluated, target: Target, *, every_class: bool, in_order: bool) -> None:
    """Raise where a part cannot be learned from, or not be scored.

    In time a class may be new, so that nothing trained on it.
    """
    if target.kind == "multi-label" and every_class:
        asked = target.values[one.asked]
        for name, label in zip(target.classes, asked.T, strict=True):
            if len(np.unique(label)) < 2:
                raise BadRawDataError(
                    f"the label {name!r} is the same in all of {one.part}/{one.split}: leave it "
                    "out, or make fewer parts"
                )
    if target.kind not in ("binary", "multi-class"):
        return
    names = {"trains on": one.training, "is asked about": one.asked}
    counts = target.counts()
    for what, rows in names.items():
        present = np.bincount(target.values[rows], minlength=len(target.classes)) > 0
        every = target.kind == "binary" or (
            not in_order if what == "trains on" else every_class)  # fmt: skip
        if present.all() or (not every and present.sum() >= 2):
            continue
        lacking = str(target.classes[int(np.flatnonzero(~present)[0])])
        rare = [name for name, count in counts.items() if count <= max(2, counts[lacking])]
        shown = ", ".join(map(repr, rare[:MOST_NAMED])) + (", ..." if rare[MOST_NAMED:] else "")
        others = f" (classes as rare: {shown})" if len(rare) > 1 else ""
        ways = ["take them out", "join them with another class"]
        if target.kind == "binary":
            ways = ["every part needs both classes: find more such rows"]
        elif all(map(is_number, counts)):
            ways.append("predict amounts (--kind regression)")
        if counts[lacking] > 2:
            ways.append("make fewer folds (--folds 2)")
        raise BadRawDataError(
            f"what {one.part}/{one.split} {what} has no row of the class {lacking!r}; there are "
            f"{counts[lacking]} in all{others}: {', or '.join(ways)}"
        )
