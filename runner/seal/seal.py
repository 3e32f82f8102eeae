"""Make a sealed, declared task of an adopted project: choose data, find the model, write."""

from __future__ import annotations

import difflib
import posixpath
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from runner import declared, paths
from runner.adopt import command
from runner.adopt.project import Project
from runner.declared import DECLARATION, Understood
from runner.errors import ConfigError
from runner.new_task import layout
from runner.new_task.layout import script_file
from runner.policy.load import load_policy
from runner.policy.paths import WORKSPACE, mount_place
from runner.policy.schema import Policy
from runner.records import File
from runner.seal.answering import Answering, answering
from runner.seal.data import (
    ARRAYS,
    LEARNED,
    TESTING,
    Chosen,
    choose,
    files_of,
    folder_of,
    free,
    holds_objects,
    is_named,
    packed_in,
    path_of,
    refers,
    rows_for_tests,
    short,
    whole,
    with_tests,
)
from runner.seal.outside import READS, brought_in
from runner.seal.predicting import skeleton, written
from runner.seal.reading import TARGETS
from runner.seal.script import NotFoundError, Script
from runner.seal.writing import declaration_text, is_any_loss, metric_of, write

PREDICT = "predict.py"
LISTS = re.compile(r"\b(?:r?glob|iglob|listdir|iterdir|scandir)\(")
KINDS = ("regression", "multi-class")
"""What a target may be that looks like something else."""
MOST_BYTES_BESIDE = 16 * 1024**2
"""Of a file of other data, which travels with the sources."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person said; absent is to be found."""

    new_name: str | None = None
    table: str | None = None
    target: tuple[str, ...] = ()
    inputs: str | None = None
    targets: str | None = None
    text: str | None = None
    metric: str | None = None
    time: str | None = None
    group: str | None = None
    folds: int | None = None
    asked: tuple[str, ...] = ()
    """Files of the project's own whose rows are asked about."""
    locked: tuple[str, ...] = ()
    """Files of its own whose rows are locked, beside those."""
    drop_missing_target: bool = False
    ask: str | None = None
    force: bool = False

    def split(self) -> dict[str, Any]:
        """Return it as `task.yaml` has it, without the names of files.

        Raises:
            ConfigError: it is several ways at once.
        """
        if self.locked and not self.asked:
            raise ConfigError("--locked is for rows beside those of --asked: give both")
        if self.asked:
            if self.time is not None or self.folds is not None:
                raise ConfigError("--asked says which rows are asked about: no --time or --folds")
            column = {} if self.group is None else {"column": self.group}
            return {"by": "files", **column, "locked": 0.5}
        if self.text is not None:
            return {"by": "order", "holdout": 0.1, "locked": 0.1}
        if sum(one is not None for one in (self.time, self.group)) > 1:
            raise ConfigError("--time and --group are two ways to split: give one")
        if self.time is not None:
            return {"by": "time", "column": self.time}
        parts = {"holdout": 0.2} if self.folds is None else {"folds": self.folds}
        if self.group is not None:
            return {"by": "group", "column": self.group, **parts, "locked": 0.2}
        return {"by": "random", **parts, "locked": 0.2}


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """The task that was written, and what a person should know of it."""

    name: str
    understood: Understood
    wrote: tuple[Path, ...]
    diff: str
    """Of the project's own files and `predict.py`, against the adopted ones."""
    changed_lines: int
    lacking: str | None
    """Why a person has to write `predict.py`; `None` where it was written."""
    left_out: tuple[str, ...]
    """Files that hold rows of the data or may, and do not travel."""
    notes: tuple[str, ...]


def seal(name: str, wanted: Wanted, state: paths.State) -> Sealed:
    """Write a sealed task beside an adopted project.

    Raises:
        ConfigError: the project is not adopted, or it is not plain how it is sealed; the hint says
            what to type.
    """
    loaded = load_policy(paths.policy_path(paths.require_task(name)))
    policy = loaded.policy
    reported = policy.evaluation.reported
    if reported is None:
        raise ConfigError(f"{name} is sealed already: its shape is {policy.evaluation.shape}")
    new = layout.require_name(wanted.new_name or f"{name}-sealed", force=wanted.force)
    own = paths.template(name)
    loaded, reported, template, moved = brought_in(loaded, reported, own)
    policy = loaded.policy
    found = files_of(state, name, reported.data, text=wanted.text)
    line = reported.run
    sources = {path: one for path in template if (one := _script(path, template[path], line))}
    words = "\n".join(
        [line, *(template[path].content.decode(errors="replace") for path in template
                 if path.endswith(READS))]
    )  # fmt: skip
    chosen = choose(
        found, list(sources.values()), words, task=name, table=wanted.table, target=wanted.target,
        inputs=wanted.inputs, targets=wanted.targets, text=wanted.text,
    )  # fmt: skip
    if wanted.drop_missing_target:
        if "table" not in chosen.data:
            raise ConfigError("--drop-missing-target is for the rows of a table")
        chosen = replace(chosen, data={**chosen.data, "drop_missing_target": True})
    beside = [] if wanted.asked else rows_for_tests(chosen, found, words)
    chosen, split, raw = _with_own_tests(chosen, wanted, found)
    declaration: dict[str, Any] = {"data": dict(chosen.data), "split": split, "score": {}}
    with _telling_that_it_was_found(chosen.targets, wanted):
        understood = _understood(declaration, raw, name, said=wanted.metric, policy=policy)
    if joined := _joined(understood, chosen, found, raw, words):
        chosen, raw = replace(chosen, **joined), {**raw, **_raw_of(joined["places"], found)}
        declaration["data"] = dict(chosen.data)
        understood = _understood(declaration, raw, name, said=wanted.metric, policy=policy)
    if (read := understood.dialect) is not None and read.delimiter is not None:
        # As it was found here: an image that prepares data may lack what finds an encoding.
        declaration["data"] |= read.model_dump()
    asks = wanted.ask or f"{_free(line, template)}:predict"
    declaration |= {"score": {"metric": understood.metric}, "ask": asks}
    if understood.predict:
        declaration["score"]["kind"] = understood.kind
    if understood.positive is not None and "table" in chosen.data:
        declaration["score"]["positive"] = understood.positive
    kept, left_out = _without_data(template, found, chosen, declaration, raw, words)
    added, lacking, notes = kept, None, tuple[str, ...]()
    if wanted.ask is None:
        text, edited, lacking, notes = _predicting(
            line, template, sources, understood, chosen, others=sorted(found)
        )
        added = kept | {asks.partition(":")[0]: script_file(text), **edited}
    elif asks.partition(":")[0] not in kept:
        raise ConfigError(f"--ask {asks}: the project has no {asks.partition(':')[0]}")
    diff, changed = _difference(own, added)
    return Sealed(
        name=new,
        understood=understood,
        wrote=tuple(write(name, new, loaded, added, declaration, understood, chosen, raw, state)),
        diff=diff,
        changed_lines=changed,
        lacking=lacking,
        left_out=left_out,
        notes=(
            *moved,
            *_proposed(beside),
            *_of_joined(chosen),
            *_unsorted(chosen, words),
            *notes,
        ),
    )


def _with_own_tests(
    chosen: Chosen, wanted: Wanted, found: Mapping[str, Path | bytes]
) -> tuple[Chosen, dict[str, Any], dict[str, Path | bytes]]:
    """Return the choice, how its rows are split, and the raw files, those for tests among them."""
    raw, split = _raw_of(chosen.places, found), wanted.split()
    for key, said in (("asked", wanted.asked), ("locked", wanted.locked)):
        if said:
            chosen, names, more = with_tests(chosen, said, found, raw)
            raw, split[key] = {**raw, **more}, names if len(names) > 1 else names[0]
    return chosen, split, raw


@contextmanager
def _telling_that_it_was_found(targets: Sequence[str], wanted: Wanted) -> Iterator[None]:
    """Say that a target is what the code seems to predict, where the data do not fit it."""
    try:
        yield
    except ConfigError as error:
        if wanted.target or wanted.targets or not targets:
            raise
        hint = f"{targets[0]} is what the code seems to predict; another is said by --target COLUMN"
        raise ConfigError(str(error), hint=error.hint or hint) from error


def _proposed(beside: Sequence[str]) -> tuple[str, ...]:
    """Say that a project has rows of its own for tests."""
    if not beside:
        return ()
    asked = " ".join(f"--asked {shlex.quote(one)}" for one in beside)
    said = f"the project has rows of its own for tests, {', '.join(beside)}"
    return (f"{said}: {asked} asks about them, and trains on all of the others",)


def _of_joined(chosen: Chosen) -> tuple[str, ...]:
    """Say that other tables travel with the rows."""
    joined = [
        place for place, name in chosen.places.items() if name in chosen.data.get("joined", ())
    ]
    if not joined:
        return ()
    return (
        f"{', '.join(joined)}: training and predictions get the lines of their own rows alone, "
        "and no column with the name of the target",
    )


def _unsorted(chosen: Chosen, words: str) -> tuple[str, ...]:
    """Say that code reads files in the order in which a folder happens to list them."""
    if not chosen.folders or "sort" in words or not LISTS.search(words):
        return ()
    return ("its code lists a folder and sorts nothing: answers are in the order of sorted names",)


def _raw_of(
    places: Mapping[str, str], found: Mapping[str, Path | bytes]
) -> dict[str, Path | bytes]:
    """Return the raw files, each from the first place that stands for it."""
    raw: dict[str, Path | bytes] = {}
    for place, name in places.items():
        raw.setdefault(name, found[place])
    return raw


def _joined(
    understood: Understood,
    chosen: Chosen,
    found: Mapping[str, Path | bytes],
    raw: Mapping[str, Path | bytes],
    words: str,
) -> dict[str, Any]:
    """Return the choice with tables that refer to its rows by what numbers them, if there are any.

    Such a column gets other numbers, so that these tables must get the same.
    """
    numbers = (one for one in understood.columns if one.kind.startswith(("numbers the", "id")))
    numbering = next((one.name for one in numbers), None)
    if numbering is None:
        return {}
    [(own, _), *_] = chosen.places.items()
    others = dict[str, str]()
    for place, source in found.items():
        if (
            isinstance(source, Path) and place not in chosen.places and is_named(place, words)
            and not TESTING.search(short(place))
            and refers(source, path_of(found[own]), numbering)
        ):  # fmt: skip
            others[place] = free(short(place), (*raw, *others.values()), "joined")
    if not others:
        return {}
    data = {**chosen.data, "id": numbering, "joined": list(others.values())}
    return {"data": data, "places": {**chosen.places, **others}}


def _script(path: str, file: File, line: str) -> Script | None:
    if not path.endswith(".py"):
        return None
    try:
        return Script.read(path, file.content.decode("utf-8-sig"), line)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _free(line: str, template: Mapping[str, File]) -> str:
    """Return where `predict.py` goes: beside what is run, so that it finds the same neighbours."""
    start = next((path for path in _reached(line, template) if path.endswith(".py")), PREDICT)
    folder = PurePosixPath(start).parent
    path = str(folder / PREDICT)
    return path if path not in template else str(folder / f"sealed_{PREDICT}")


def _reached(line: str, template: Mapping[str, File]) -> tuple[str, ...]:
    """Return the files that the command runs, the one that it starts first."""
    return command.reached(line, Project(root=Path(), files=template, data=(), left_out=()))


def _understood(
    declaration: dict[str, Any],
    raw: Mapping[str, Path | bytes],
    name: str,
    *,
    said: str | None,
    policy: Policy,
) -> Understood:
    """Return what the harness makes of the data, with the metric that is said, or the project's."""
    with tempfile.TemporaryDirectory() as folder:
        _lay(raw, Path(folder))
        file = Path(folder) / DECLARATION
        file.write_text(declaration_text(declaration), encoding="utf-8")
        found = declared.understand(file, Path(folder), source=name)
        metric, errors = said or metric_of(policy), list[ConfigError]()
        if said is None and metric == "f1" and found.kind == "multi-class":
            metric = "f1_macro"
        if metric in (None, found.metric):
            return found
        # Whole numbers may be classes or amounts: a metric that is said, or the project's, tells.
        told = said is not None or not is_any_loss(policy)
        for kind in (None, *KINDS) if told else (None,):
            score = {"metric": metric, **({"kind": kind} if kind else {})}
            file.write_text(declaration_text({**declaration, "score": score}), encoding="utf-8")
            try:
                return declared.understand(file, Path(folder), source=name)
            except ConfigError as error:
                errors.append(error)
        if said is not None:
            raise errors[0]
        return found  # the project's number is none that such targets have


def _lay(raw: Mapping[str, Path | bytes], folder: Path) -> None:
    """Put the raw files below a folder, by links where they are files."""
    for name, source in raw.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            (folder / name).write_bytes(source)
        elif "/" in name:  # of a folder, in which links are no data
            shutil.copyfile(source, folder / name)
        else:
            (folder / name).symlink_to(source.resolve())


# -- what travels -----------------------------------------------------------------------------


def _without_data(
    template: Mapping[str, File],
    found: Mapping[str, Path | bytes],
    chosen: Chosen,
    declaration: Mapping[str, Any],
    raw: Mapping[str, Path | bytes],
    words: str,
) -> tuple[dict[str, File], tuple[str, ...]]:
    """Return the project's files without data, and what stays behind, each with why.

    Small data beside the sealed ones travel where the code names them and they hold no row of it.

    Raises:
        ConfigError: rows of the data are in a source.
    """
    # Rows of arrays are searched for as bytes, those of a table as text.
    hidden = (*LEARNED, *(() if "inputs" in chosen.data else ARRAYS))
    left = {path: "learned from data, or in a form that no search reads"
            for path in (*template, *found) if path.lower().endswith(hidden)}  # fmt: skip
    pickled = [place for place, source in found.items() if holds_objects(source)]
    left |= dict.fromkeys(pickled, "an array of objects, which no search reads")
    sealed = {
        *map(packed_in, pickled),
        *chosen.places,
        *(packed_in(place) for place in chosen.places),
    }
    sealed |= {one for one in found if one.startswith(tuple(f"{each}/" for each in chosen.folders))}
    kept = {path: file for path, file in template.items() if path not in {*left, *sealed}}
    beside = {place: source for place, source in found.items() if place not in {*left, *sealed}}
    for place, content in whole(beside).items():
        inside = posixpath.relpath(mount_place(place), WORKSPACE)
        if not is_named(place, words):
            left[place] = "the code does not name it"
        elif inside.startswith("..") or len(content) > MOST_BYTES_BESIDE:
            left[place] = "too large, or outside of the project"
        else:
            kept.setdefault(inside, File(content=content))
    with tempfile.TemporaryDirectory() as folder:
        rows, tree = Path(folder) / "raw", Path(folder) / "tree"
        _lay(raw, rows)
        file = Path(folder) / DECLARATION
        file.write_text(declaration_text(declaration), encoding="utf-8")
        layout.write_files(tree, kept)
        for said in declared.copies(file, rows, tree):
            held = next(one for one in sorted(kept, key=len, reverse=True) if said.startswith(one))
            if held.endswith(".py"):
                raise ConfigError(f"the project's {said}", hint="then adopt it again, and seal it")
            del kept[held]
            left[held] = "it holds rows of the data"
    return kept, tuple(f"{path}: {why}" for path, why in sorted(left.items()))


# -- predict.py -------------------------------------------------------------------------------


def _predicting(
    line: str,
    template: Mapping[str, File],
    sources: Mapping[str, Script],
    understood: Understood,
    chosen: Chosen,
    others: Sequence[str],
) -> tuple[str, dict[str, File], str | None, tuple[str, ...]]:
    """Return `predict.py`, the script where lines were added, why it is a skeleton, and notes."""
    reached = [path for path in _reached(line, template) if path in sources]
    why = "no script of the project is run"
    if "text" in chosen.data:
        reached, why = [], "a language model's answers are for you to find"
    for path in reached:
        script = sources[path]
        modules = {PurePosixPath(other).stem: sources[other] for other in sources if other != path}
        try:
            found = _from_sealed(answering(script, modules), chosen, others)
            made = written(found, modules, kind=understood.kind, metric=understood.metric)
        except NotFoundError as error:
            why = str(error) if path == reached[0] else why
            continue
        changed = {}
        if made.added:
            changed[path] = replace(template[path], content=made.script.encode())
        return made.predict, changed, None, found.notes
    given = {
        "inputs": "an array, as training had it",
        "folder": "a list of paths",
        "text": "bytes of the text as whole numbers, int64 [rows, positions]",
    }.get(next(iter(chosen.data)), "a pandas table, as training had it but without the target")
    return skeleton(why, given=given, answers=understood.reads), {}, why, ()


def _from_sealed(found: Answering, chosen: Chosen, others: Sequence[str]) -> Answering:
    """Let rows come from the sealed data where the script tests on others beside them."""
    own = [] if chosen.folders else list(chosen.places)
    lines = "\n".join(found.lines)
    if own and f"{short(own[0])}'" not in lines:
        for other in others:
            if folder_of(other) == folder_of(own[0]) and other not in own:
                mine = own[-1] if TARGETS.search(short(other)) else own[0]
                named = rf"(?<=['/]){re.escape(short(other))}(?=')"
                lines = re.sub(named, short(mine), lines)
    return replace(found, lines=tuple(lines.split("\n")) if lines else ())


def _difference(before: Mapping[str, File], after: Mapping[str, File]) -> tuple[str, int]:
    """Return what was changed in files of the project or added to them, and how many lines."""
    lines: list[str] = []
    for path, file in after.items():
        old = before.get(path)
        if (old and old.content == file.content) or not path.endswith(".py"):
            continue
        lines += difflib.unified_diff(
            old.content.decode(errors="replace").splitlines() if old else [],
            file.content.decode(errors="replace").splitlines(),
            path if old else "/dev/null", path, lineterm="", n=1,
        )  # fmt: skip
    changed = [
        one
        for one in lines
        if one[:1] in "+-" and one[:3] not in ("+++", "---") and one[1:].strip()
    ]
    return "\n".join(lines), len(changed)
