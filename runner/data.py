"""A task's data: prepared in a no-network container, public files on disk, the rest in a volume.

What this does not protect against: a person's own tools that read the engine's volumes as root.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock

from runner import paths
from runner.engines.container import Deadline, Ended, Running, started
from runner.engines.protocol import (
    DATA_LABEL,
    HOME_LABEL,
    MIB,
    SCORER_USER,
    ContainerSpec,
    Engine,
    Mount,
    Volume,
)
from runner.errors import DataError, SandboxError
from runner.raw import RawData, open_to_others
from runner.records import Resources
from runner.sandbox import staging
from runner.stopping import Stop

SECONDS = {"prepare": 3600.0, "verify": 600.0}
"""What the container of each verb may take."""
MANIFEST = "manifest.json"
RESOURCES = Resources(
    cpus=2,
    memory_bytes=4096 * MIB,
    pids=256,
    shm_bytes=64 * MIB,
    artifacts_bytes=64 * MIB,
    outputs_bytes=8192 * MIB,
    output_log_bytes=4 * MIB,
    gpus=0,
)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Data that is ready: `digest` covers the public and, through it, the sealed part."""

    digest: str
    public: Path
    sealed_volume: str


def load(state: paths.State, task: str) -> Prepared:
    """Return what an earlier `prepare` left; raise `DataError` if that is nothing."""
    manifest = state.data(task) / MANIFEST
    if not manifest.is_file():
        raise DataError(f"the data of {task} is not prepared", hint=f"run: runner prepare {task}")
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    volume = sealed_volume(state, task)
    return Prepared(digest=digest, public=state.data(task), sealed_volume=volume)


def sealed_volume(state: paths.State, task: str) -> str:
    return f"runner-{state.id}-sealed-{task}"


def require_sealed(engine: Engine, state: paths.State, task: str) -> None:
    """Raise `DataError` where this engine has no sealed part of data whose public part is here.

    An engine makes a volume that is asked for and not there, and an empty one scores nothing.
    """
    if task not in engine.values(DATA_LABEL, {HOME_LABEL: state.id}):
        raise DataError(
            f"the sealed part of the data of {task}, the volume {sealed_volume(state, task)}, is"
            " not on this engine",
            hint="was the folder copied, or moved by an older version? see docs/machines.md; other"
            f" data, for new runs only: runner prepare {task} --force",
        )


def stored(engine: Engine, state: paths.State) -> tuple[str, ...]:
    """Name the tasks of which there is a public part or a volume, half removed ones included."""
    sealed = engine.values(DATA_LABEL, {HOME_LABEL: state.id})
    public = {path.name for path in state.all_data.glob("*") if path.is_dir()}
    return tuple(sorted(public | sealed))


def remove(engine: Engine, state: paths.State, task: str) -> None:
    """Remove a task's public part, then its sealed volume; cut off between, it can be repeated.

    Raises:
        SandboxError: the engine refuses; a container may still have the volume.
    """
    public = state.data(task)
    with _alone(engine, state, task):
        try:
            (public / MANIFEST).unlink(missing_ok=True)  # without it nothing counts as prepared
            if public.exists():
                shutil.rmtree(public)
        except OSError as error:
            raise SandboxError(f"removing {public}: {error}", hint="run: runner doctor") from error
        engine.sweep(_labels(state, task))


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What `prepare` needs: an engine, the scorers' image, and a place."""

    engine: Engine
    state: paths.State
    task: str
    image_id: str
    say: Callable[[str], None]
    raw: RawData | None = None
    """Absent for a task whose data are generated."""
    stop: Stop = field(default_factory=lambda: Stop(lambda _: None))
    abort: threading.Event = field(default_factory=threading.Event)

    def prepare(self, *, seed: int | None = None, force: bool = False) -> Prepared:
        """Prepare the data unless it is there and whole; name what is damaged, and rebuild."""
        arguments = [] if seed is None else ["--seed", str(seed)]
        manifest = self.state.data(self.task) / MANIFEST
        with ExitStack() as stack:
            stack.enter_context(_alone(self.engine, self.state, self.task))
            # A person's own files may be others than the last time; a download is what it was.
            chosen = self.raw if self.raw and self.raw.chosen else None
            raw = stack.enter_context(chosen.laid_out()) if chosen else None
            damaged = []
            if manifest.is_file() and not force:
                require_sealed(self.engine, self.state, self.task)
                damaged = self._damaged(raw)
            for line in damaged:
                self.say(f"{self.task}: {line}: preparing again")
            if force or damaged or not manifest.is_file():
                if self.raw and raw is None:
                    raw = stack.enter_context(self.raw.laid_out())
                self._build([*arguments, *(["--fresh"] if force else [])], raw)
        return load(self.state, self.task)

    def _damaged(self, raw: Path | None) -> list[str]:
        """Name what no longer matches the sealed manifest."""
        public = Mount(source=str(self.state.data(self.task)), target="/public")
        with self._finished("verify", [], public, raw) as (_, said):
            return [str(line) for line in json.loads(said)["damaged"]]

    def _build(self, arguments: list[str], raw: Path | None) -> None:
        self.say(f"{self.task}: preparing the data in a container without network")
        name = f"runner-{self.state.id}-public-{self.task}"
        self.engine.remove_volume(name)  # a killed one may have left rows that are sealed now
        public = self._volume(name, "/public")
        try:
            with self._finished("prepare", [self.task, *arguments], public, raw) as (container, _):
                unpack(container.archive("/public"), self.state.data(self.task))
        finally:
            self.engine.remove_volume(name)

    @contextmanager
    def _finished(
        self, verb: str, arguments: list[str], public: Mount, raw: Path | None
    ) -> Iterator[tuple[Running, bytes]]:
        """Yield a container of the harness that ended well, and what it printed."""
        name, raw_option = _name(self.state, verb, self.task), ["--raw", "/raw"] if raw else []
        sealed = self._volume(sealed_volume(self.state, self.task), "/sealed")
        with frozen_harness(self.state, name) as harness:
            spec = ContainerSpec(
                name=name,
                image_id=self.image_id,
                user=SCORER_USER,
                command=["python", "-I", harness.target, verb, *arguments, *raw_option],
                mounts=[
                    harness,
                    replace(sealed, writable=public.writable),
                    public,
                    *([Mount(source=str(raw), target="/raw")] if raw else []),
                ],
                resources=RESOURCES,
                labels=_labels(self.state, self.task),
            )
            at_work = started(self.engine, spec, seconds=SECONDS[verb])
            with self.stop.stopping(self), at_work as running:
                result = running.finish(Deadline.after(SECONDS[verb]), self.abort)
                if result.ended is not Ended.EXITED or result.exit_code != 0:
                    said = result.output[-2000:].decode("utf-8", errors="backslashreplace")
                    how = f"{result.ended}, exit {result.exit_code}"
                    raise SandboxError(f"preparing failed ({how}): {said.strip()}")
                yield running, result.stdout

    def _volume(self, name: str, target: str) -> Mount:
        """Return a volume, made if it is not there, that has what the image has at its place."""
        self.engine.create_volume(Volume(name=name, labels=_labels(self.state, self.task)))
        return Mount(source=name, target=target, writable=True, volume=True, copy_up=True)


@contextmanager
def frozen_harness(state: paths.State, name: str) -> Iterator[Mount]:
    """Yield the harness as a container has it that prepares or looks at data."""
    with staging.folder(state.stage / name) as folder:
        code = staging.write_tree(folder / "harness", paths.without(paths.harness(), "kit", "box"))
        yield Mount(source=str(code), target="/harness")


@contextmanager
def _alone(engine: Engine, state: paths.State, task: str) -> Iterator[None]:
    """Wait for whoever prepares the same data, and remove what a killed one left."""
    state.claim()
    state.all_data.mkdir(parents=True, exist_ok=True)
    with FileLock(state.all_data / f"{task}.lock"):
        for verb in SECONDS:
            engine.remove(_name(state, verb, task))
            shutil.rmtree(state.stage / _name(state, verb, task), ignore_errors=True)
        yield


def _name(state: paths.State, verb: str, task: str) -> str:
    return f"runner-{state.id}-{verb}-{task}"


def _labels(state: paths.State, task: str) -> dict[str, str]:
    return {HOME_LABEL: state.id, DATA_LABEL: task}


def unpack(stream: Iterator[bytes], target: Path) -> None:
    """Put the files of a streamed archive at `target` in one step, replacing what was there."""
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with tempfile.TemporaryFile() as file:
        file.writelines(stream)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            for member in archive:
                # tarfile's own filters are younger than the oldest Python that we run on.
                path = (fresh / member.name).resolve()
                inside = path.is_relative_to(fresh.resolve())
                if not inside or not (member.isfile() or member.isdir()):
                    what = f"{member.name!r}, which is not a plain file"
                    raise SandboxError(f"the prepared data holds {what}")
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                elif (source := archive.extractfile(member)) is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(source.read())
    shutil.rmtree(target, ignore_errors=True)
    (fresh / "public").rename(target)
    fresh.rmdir()
    open_to_others(target)
