"""Remove what is of no more use: what killed runs left and, on a person's word, more than that.

Logs of what was not kept, single objects of git, which a pack holds in less, images that no run and
no recipe names, and prepared data go where a person says so; each is said with its size before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from runner import data, paths
from runner.engines import images
from runner.engines.docker import Docker, our_fault
from runner.engines.protocol import HOME_LABEL, RUN_LABEL, Engine
from runner.errors import BusyError, ConfigError, DataError
from runner.journal.reader import Reader, open_reader
from runner.locks import tag_lock
from runner.policy.load import load_policy
from runner.records import Run
from runner.trial import Host, TrialRunner
from runner.workspace import Workspace

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Freeable:
    """Something that may go, on a person's word."""

    what: str
    option: str
    """By which a person says so."""
    size: int
    """Bytes on the disk."""
    remove: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.what}: {decimal(self.size)}"


def free(found: Iterable[Freeable], options: Sequence[str], *, dry_run: bool, say: Say) -> None:
    """Remove what a person named; say how much the rest would free, and how.

    Each is removed before the next is asked for: until then a run's tag is held.
    """
    left: dict[str, int] = {}
    for each in found:
        if each.option not in options:
            left[each.option] = left.get(each.option, 0) + each.size
            say(f"{each}, stays; {each.option} frees it")
            continue
        say(f"{each}{' would go' if dry_run else ''}")
        if not dry_run:
            each.remove()
    if left:
        total = decimal(sum(left.values()))
        say(f"up to {total} more would go with: runner clean {' '.join(left)}")


def of_runs(state: paths.State, runs: Sequence[Run], say: Say) -> Iterator[Freeable]:
    """Yield logs and git's single objects of the runs that nobody works on."""
    for run in runs:
        folder = state.run(run.tag)
        if not folder.is_dir():
            continue
        try:
            with tag_lock(folder, run.tag), open_reader(state.journal) as journal:
                yield from _of_run(state, journal, run.tag)
        except BusyError as busy:
            say(f"{busy}: left alone")


def _of_run(state: paths.State, journal: Reader, tag: str) -> Iterator[Freeable]:
    logs = tuple(logs_of_others(state, journal, tag))
    if logs:
        yield Freeable(
            what=f"{tag}: logs of {len(logs)} experiments that were not kept",
            option="--logs",
            size=sum(map(on_disk, logs)),
            remove=partial(_remove_folders, logs),
        )
    loose = on_disk(*state.repository(tag).glob("objects/??"))
    if loose:
        yield Freeable(
            what=f"{tag}: attempts as single objects, which a pack holds in less",
            option="--pack",
            size=loose,
            remove=Workspace(state.repository(tag), tag).pack,
        )


def _remove_folders(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path)


def logs_of_others(state: paths.State, journal: Reader, tag: str) -> Iterator[Path]:
    """Yield the folders of logs of what was not kept, and is not open."""
    kept = {one.number for one in journal.kept_line(tag) if one.kept} | set(journal.still_open(tag))
    for path in sorted((state.run(tag) / "logs").glob("*")):
        if path.name.isdecimal() and int(path.name) not in kept and path.is_dir():
            yield path


def of_images(docker: Docker, runs: Sequence[Run]) -> Iterator[Freeable]:
    """Yield the project's images that neither a run in this folder nor a recipe of now names."""
    with our_fault("listing the images"):
        found = docker.api.images(filters={"label": [images.LABEL]})
    used = {one for run in runs for one in (run.image_id, run.scorer_image_id)}
    tags = set(_tags())
    for image in unused(found, used, tags):
        yield Freeable(
            what=f"image {', '.join(image['RepoTags'] or [image['Id']])}",
            option="--images",
            size=image["Size"],
            remove=partial(_remove_image, docker, image["RepoTags"] or [image["Id"]]),
        )


def _tags() -> Iterator[str]:
    """Yield the names of the images that recipes and policies of now ask for."""
    yield from map(images.image_tag, images.LOCKS)
    for task in paths.tasks():
        # A policy that cannot be read, or without its lock, asks for no image.
        with suppress(ConfigError):
            yield images.image_tag(load_policy(paths.policy_path(task)).image)


def unused(
    found: Sequence[Mapping[str, Any]], used: set[str], tags: set[str]
) -> list[Mapping[str, Any]]:
    """Return the images that have neither one of these ids nor one of these tags; pure."""
    return [
        image
        for image in found
        if image["Id"] not in used and not tags & set(image["RepoTags"] or ())
    ]


def _remove_image(docker: Docker, names: Sequence[str]) -> None:
    """Take its names away, with the last of which it goes; one that a container has stays."""
    for name in names:
        with our_fault(f"removing the image {name}"):
            docker.api.remove_image(name)


def on_disk(*paths: Path) -> int:
    """Return the bytes that files and folders take on the disk, links not followed."""
    every = [each for path in paths for each in (path, *path.rglob("*"))]
    return sum(each.lstat().st_blocks * 512 for each in every)


def leftovers(
    engine: Engine, state: paths.State, runs: Sequence[Run], *, dry_run: bool, say: Say
) -> None:
    """Remove containers, volumes and folders of every run and check that nobody works on."""
    runner = TrialRunner(engine=engine, host=Host(state=state))
    at_work = engine.values(RUN_LABEL, {HOME_LABEL: state.id})
    for tag in sorted({run.tag for run in runs} | at_work):
        labels = {HOME_LABEL: state.id, RUN_LABEL: tag}
        try:
            with tag_lock(state.run(tag), tag):
                for name in engine.leftovers(labels):
                    say(f"{tag}: {name}")
                if not dry_run:
                    runner.sweep(tag)
        except BusyError as busy:
            say(f"{busy}: left alone")


def remove_data(
    engine: Engine,
    state: paths.State,
    runs: Sequence[Run],
    tasks: Sequence[str],
    *,
    agreed: bool,
    dry_run: bool,
    say: Say,
) -> None:
    """Remove the public parts and sealed volumes of tasks; say which runs that is the end of.

    Raises:
        ConfigError: a task has none, or runs could not be resumed and the person did not agree.
        BusyError: somebody works on such a run.
    """
    stored = data.stored(engine, state)
    for task in tasks:
        if task not in stored:
            known = ", ".join(stored) or "none"
            raise ConfigError(f"there are no prepared data of {task}", hint=f"there are: {known}")
    needing = {task: _runs_on(state, runs, task) for task in tasks}
    for task, tags in needing.items():
        if tags and not agreed and not dry_run:
            raise ConfigError(
                f"without the data of {task} these runs cannot be resumed: {', '.join(tags)}",
                hint="--yes removes them all the same; what the runs found stays",
            )
    for task, tags in needing.items():
        with ExitStack() as stack:
            for tag in tags:
                stack.enter_context(tag_lock(state.run(tag), tag))
            if not dry_run:
                data.remove(engine, state, task)
        ended = f"; no longer resumable: {', '.join(tags)}" if tags else ""
        say(f"{task}: {state.data(task)} and its sealed volume{ended}")


def _runs_on(state: paths.State, runs: Sequence[Run], task: str) -> tuple[str, ...]:
    """Name the runs that go on with the task's data as they are now, and with no others."""
    try:
        digest = data.load(state, task).digest
    except DataError:
        return ()
    return tuple(run.tag for run in runs if (run.task, run.data_digest) == (task, digest))
