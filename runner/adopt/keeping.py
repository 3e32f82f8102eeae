"""The data of an adopted project: a copy of ours, so that they cannot change under a run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from runner import data, paths
from runner.adopt.project import Part, part_of
from runner.errors import DataError
from runner.policy.schema import Policy
from runner.raw import open_to_others

FIRST = "first.json"
"""What the project's first run said, beside the copy of its data."""
SPLIT = "project"
"""The one training part of a project that says its own number."""


def keep(state: paths.State, task: str, parts: Sequence[Part], source: Path) -> data.Prepared:
    """Copy the parts of the data to where trials mount them from, replacing what was there.

    Raises:
        DataError: they cannot be read, or the disk is full.
    """
    state.claim()
    state.all_data.mkdir(parents=True, exist_ok=True)
    place = state.data(task)
    fresh = place.with_name(f"{task}.new")
    with FileLock(state.all_data / f"{task}.lock"):
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            rows = fresh / SPLIT
            rows.mkdir(parents=True)
            for index, part in enumerate(parts):
                _copy(part.source, rows / str(index))
            open_to_others(fresh)
            public = {
                path.relative_to(fresh).as_posix(): _described(path)
                for path in sorted(rows.rglob("*"))
                if path.is_file()
            }
            names = [part.place for part in parts]
            said = {"format": 1, "parts": names, "source": str(source), "public": public}
            (fresh / data.MANIFEST).write_text(f"{json.dumps(said, indent=1)}\n", encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            fresh.rename(place)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise DataError(f"copying the data of {task}: {error}") from error
    return data.load(state, task)


def again(state: paths.State, task: str, policy: Policy, chosen: Path | None) -> data.Prepared:
    """Return the data that is kept, copied again where the person names the project's folder.

    Raises:
        ConfigError: that folder does not hold what the policy names.
        DataError: nothing is kept, and nothing was named.
    """
    reported = policy.evaluation.reported
    if chosen is None or reported is None:
        return data.load(state, task)
    return keep(state, task, [part_of(chosen, place) for place in reported.data], chosen)


def remember(state: paths.State, task: str, metric: str, score: float) -> None:
    """Keep what a project's first run said of itself."""
    said = json.dumps({"metric": metric, "score": score})
    (state.data(task) / FIRST).write_text(said, encoding="utf-8")


def first_score(state: paths.State, task: str) -> tuple[str, float] | None:
    """Return the metric and the score of a project's first run, where they are known."""
    place = state.data(task) / FIRST
    if not place.is_file():
        return None
    said = json.loads(place.read_text(encoding="utf-8"))
    return said["metric"], said["score"]


def home_of(state: paths.State, task: str) -> Path | None:
    """Return the folder that a task was adopted from, where it is known here."""
    manifest = state.data(task) / data.MANIFEST
    if not manifest.is_file():
        return None
    said = json.loads(manifest.read_text(encoding="utf-8")).get("source")
    return Path(said) if said else None


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore_dangling_symlinks=True)
    else:
        shutil.copyfile(source, target)


def _described(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
