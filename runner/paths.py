"""Where things are: a task's parts in the project, and what runs leave in the state folder."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner import given
from runner.errors import ConfigError
from runner.records import EXECUTABLE, REGULAR, File, Files

PROJECT = Path(__file__).resolve().parent.parent
CACHES = ("__pycache__",)
MOST_IDENTITY = 10_000


def policy_path(task: str) -> Path:
    return PROJECT / "policies" / f"{task}.yaml"


def tasks() -> tuple[str, ...]:
    """Name the tasks that have a policy."""
    return tuple(sorted(path.stem for path in (PROJECT / "policies").glob("*.yaml")))


def task_harness(task: str, project: Path | None = None) -> Path:
    """Return a task's folder in the harness: a Python package, whose name cannot hold a dash."""
    return (project or PROJECT) / "harness" / "tasks" / task.replace("-", "_")


def require_task(task: str) -> str:
    """Return the task's name; raise `ConfigError` naming the parts that are missing."""
    parts = {
        policy_path(task): "policy",
        PROJECT / "workspace-template" / task: "template",
    }
    missing = [name for path, name in parts.items() if not path.exists()]
    if missing:
        known = f"tasks: {', '.join(tasks()) or 'none'}"
        raise ConfigError(f"task {task!r} has no {' and no '.join(missing)}", hint=known)
    return task


def require_harness(task: str) -> None:
    """Raise `ConfigError` where nothing prepares and scores a task."""
    if not task_harness(task).exists():
        raise ConfigError(f"task {task!r} has no harness", hint=f"it would be {task_harness(task)}")


def template(task: str) -> Files:
    return read_tree(PROJECT / "workspace-template" / task)


def harness() -> Files:
    return read_tree(PROJECT / "harness")


def read_tree(root: Path) -> Files:
    """Read a folder as files; links and anything odd are refused, caches are left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        if any(part in CACHES for part in path.parts) or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            raise ConfigError(f"{path} is not a plain file", hint="links do not travel into a run")
        mode = EXECUTABLE if os.access(path, os.X_OK) else REGULAR
        found[path.relative_to(root).as_posix()] = File(content=path.read_bytes(), mode=mode)
    return found


def below(files: Files, folder: str) -> Files:
    """Return the part of a tree below a folder, relative to it."""
    cut = len(folder) + 1
    return {path[cut:]: file for path, file in files.items() if path.startswith(f"{folder}/")}


def without(files: Files, *folders: str) -> Files:
    """Return a tree without some of its folders."""
    return {path: file for path, file in files.items() if path.partition("/")[0] not in folders}


@dataclass(frozen=True)
class State:
    """The folder in which runs, data and the journal live; `RUNNER_HOME` moves it."""

    root: Path

    @property
    def id(self) -> str:
        """Tells this folder's containers and volumes from another's on the same engine."""
        return self._written()[0]

    @property
    def identity(self) -> Path:
        """Name the file that says which folder this is, wherever it is moved to."""
        return self.root / "identity"

    def refuse_copy(self) -> None:
        """Raise `ConfigError` where it is a copy, whose containers would be the original's."""
        if original := self.original():
            alone = f"rm {shlex.quote(str(self.identity))}"
            raise ConfigError(
                f"{self.root} is a copy of {original}, to which its containers and sealed data"
                " belong",
                hint=f"remove one of the two, or give this one data of its own: {alone}, then: "
                "runner prepare TASK --force",
            )

    def claim(self) -> None:
        """Write down which folder this is and where, before the engine gets anything of it.

        Raises:
            ConfigError: it is a copy.
        """
        self.refuse_copy()
        (known, place), is_there = self._written(), self.identity.exists()
        if is_there and place == self.root:
            return
        # Where data lie already, volumes have the name that was made of the path.
        name = known if is_there or self.all_data.exists() else secrets.token_hex(4)
        self.root.mkdir(parents=True, exist_ok=True)
        fresh = self.root / f"identity.{secrets.token_hex(4)}"
        fresh.write_bytes(f"{name}\n".encode() + os.fsencode(self.root))
        if is_there:
            fresh.replace(self.identity)
            return
        with suppress(FileExistsError):  # who comes at the same moment is the same folder
            os.link(fresh, self.identity)
        fresh.unlink()

    def original(self) -> Path | None:
        """Return the folder that this one was copied from, as long as that is there."""
        name, place = self._written()
        other = State(place)
        with suppress(OSError, ConfigError):
            if other._written()[0] == name and not self.root.samefile(place):
                return place
        return None

    def _written(self) -> tuple[str, Path]:
        """Return the id, and where the folder was when that was written down."""
        if not self.identity.exists():
            return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8], self.root
        name, _, place = given.read(self.identity, most=MOST_IDENTITY).partition(b"\n")
        if not re.fullmatch(rb"[0-9a-f]{8}", name):
            raise ConfigError(
                f"{self.identity} was changed by hand", hint="take it from a backup of this folder"
            )
        return name.decode(), Path(os.fsdecode(place))

    @property
    def journal(self) -> Path:
        return self.root / "journal.sqlite"

    @property
    def wheelhouse(self) -> Path:
        return self.root / "wheelhouse"

    def downloads(self, task: str) -> Path:
        return self.root / "downloads" / task

    @property
    def stage(self) -> Path:
        return self.root / "stage"

    @property
    def all_data(self) -> Path:
        return self.root / "data"

    def data(self, task: str) -> Path:
        return self.all_data / task

    def run(self, tag: str) -> Path:
        return self.root / "runs" / tag

    def repository(self, tag: str) -> Path:
        return self.run(tag) / "repository.git"

    def secret(self, tag: str) -> Path:
        """Name the file that a run's draws are made from, outside of what is read or copied."""
        return self.root / "secrets" / tag

    def events(self, tag: str) -> Path:
        return self.run(tag) / "events.jsonl"

    def progress(self, tag: str) -> Path:
        """Name the file that says what a run does right now."""
        return self.run(tag) / "progress.json"

    def guidance(self, tag: str) -> Path:
        """Name the file in which a person tells a run's agents what to look at."""
        return self.run(tag) / "guidance.md"

    def logs(self, tag: str, number: int) -> Path:
        """Name the folder of what an experiment's containers printed."""
        return self.run(tag) / "logs" / f"{number:04d}"

    def talk(self, tag: str, number: int) -> Path:
        """Name the file of what an experiment's model was told and answered."""
        return self.logs(tag, number) / "agent.log"

    def thinking(self, tag: str, number: int) -> Path:
        """Name the file of such a talk until its proposal becomes an experiment.

        A proposal's number need not be the experiment's: several agents may think at once.
        """
        return self.run(tag) / "thinking" / f"{number:04d}.log"

    def log(self, tag: str, number: int, trial: str, stage: str) -> Path:
        return self.logs(tag, number) / f"{trial}-{stage.replace(' ', '-')}.log"


def state(environment: Mapping[str, str] = os.environ) -> State:
    """Return where everything lies; raise `ConfigError` where that can be no folder."""
    chosen = environment.get("RUNNER_HOME")
    if not chosen:
        return State(PROJECT / "state")
    root = Path(os.path.realpath(given.place(chosen)))
    there = next(path for path in (root, *root.parents) if os.path.lexists(path))
    if not there.is_dir():
        raise ConfigError(f"RUNNER_HOME is {chosen}: {there} is no folder")
    return State(root)
