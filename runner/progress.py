"""What a run does right now, for other processes to see: one small file in the run's folder.

It is no evidence and no part of the chain: it says what is under way, since when and for how long
at most, and which process is at it. A supervisor writes it as each step begins, whole or not at
all, and removes it at its end; so one that is left speaks of a process that was killed.

Elapsed time is the machine's time since it started, so a clock that is set changes nothing.

What this does not protect against: readers in another process namespace, who take a process that
they cannot see for dead.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from runner.ends import Wish
from runner.journal.entries import now
from runner.records import Outlook

DEVICE = "device"
"""Who is at work where a trial or an analysis runs, with a number behind it where there are
several; each proposer has a name of its own."""
OUTPUT, FRESH = "printed-", ".new"
"""How the name of a file begins that has the end of what a container prints, and how that of one
ends that is being written."""
T = TypeVar("T")
MOST_BYTES = 1_000_000
ODD = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a document can end with that somebody else wrote."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def machine_seconds() -> float:
    """Return seconds since this machine started, in suspension too; no clock that is set."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One thing that is under way."""

    what: str
    experiment: int | None = None
    trial: int | None = None
    trials: int | None = None
    """Of how many of its plan, where a trial runs."""
    seed: int | None = None
    seeds: int | None = None
    stage: str | None = None
    most_seconds: float | None = None
    """When the stage is killed, or a wait is over."""
    usual_seconds: float | None = None
    """What such a trial took before."""
    began_at: str = field(default_factory=now)
    began: float = field(default_factory=machine_seconds)
    stage_began: float = field(default_factory=machine_seconds)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a file of progress says."""

    activities: dict[str, Activity]
    experiments: int | None = None
    """How many this start is to reach; absent for no limit."""
    hours_over: float | None = None
    """When the policy's hours are over, by the machine's time; absent for no limit."""
    devices: int | None = None
    """How many there are."""
    outlook: Outlook | None = None
    """How the candidate stands that is decided on next."""
    wish: str | None = None
    """What a person asked of it, and it does."""
    command: str | None = None
    """Which of the runner's commands this start is; absent for one that resumes the run's loop."""
    pid: int = field(default_factory=os.getpid)
    """The process that is at it."""
    started: str = field(default_factory=lambda: _started(os.getpid()))
    """When it did, so that another one that got its number later is not taken for it."""

    def __post_init__(self) -> None:
        if not 0 < self.pid < 2**31:
            raise ValueError("no number of a process")

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass  # another user's
        return _started(self.pid) == self.started


class Tracker:
    """Keeps the file of one run at work; without a path it does nothing. Threads share it."""

    def __init__(self, path: Path | None = None, command: str | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._said = Progress(activities={}, command=command)

    @classmethod
    @contextmanager
    def at(cls, path: Path, command: str | None = None) -> Iterator[Tracker]:
        """Yield a tracker; the file is gone afterwards, unless the process is killed.

        Args:
            path: of the file.
            command: see `Progress`.
        """
        tracker = cls(path, command)
        _forget(*_outputs(path))
        tracker.course()
        try:
            yield tracker
        finally:
            _forget(path, *_outputs(path))

    def course(
        self,
        experiments: int | None = None,
        *,
        seconds: float | None = None,
        devices: int | None = None,
    ) -> None:
        """Say how many experiments this start is to reach, how long it may take, and where."""
        over = None if seconds is None else machine_seconds() + seconds
        with self._changing() as said:
            self._said = replace(said, experiments=experiments, hours_over=over, devices=devices)

    @property
    def process(self) -> tuple[int, str]:
        """Which process this is, as nobody else ever is."""
        return self._said.pid, self._said.started

    def wish(self, asked: Wish | None) -> None:
        """Say what a person asked of the run, and it does."""
        if asked != self._said.wish:
            with self._changing() as said:
                self._said = replace(said, wish=asked and str(asked))

    def outlook(self, found: Outlook | None) -> None:
        """Say how the candidate stands; `None` once it is decided on."""
        if found != self._said.outlook:
            with self._changing() as said:
                self._said = replace(said, outlook=found)

    @contextmanager
    def doing(self, who: str, what: str, **more: Any) -> Iterator[None]:
        """Say that somebody is at something, for as long as it takes."""
        self.now(who, what, **more)
        try:
            yield
        finally:
            self.over(who)

    def over(self, who: str) -> None:
        """Say that somebody is at nothing any more."""
        with self._changing() as said:
            others = {other: at for other, at in said.activities.items() if other != who}
            self._said = replace(said, activities=others)
            if self._path is not None:
                _forget(self._path.with_name(OUTPUT + who))

    def printed(self, who: str, last: bytes) -> None:
        """Show the end of what a container prints that somebody is at."""
        if self._path is not None:
            _write(self._path.with_name(OUTPUT + who), last)

    def now(self, who: str, what: str, **more: Any) -> None:
        """Say that somebody is at something from now on."""
        self._at(who, lambda _: Activity(what=what, **more))

    def stage(self, who: str, name: str, seconds: float) -> None:
        """Say that a stage of what a device does has begun, and when it will be killed."""
        began = machine_seconds()

        def begun(at: Activity | None) -> Activity:
            at = at or Activity(what="trial")
            return replace(at, stage=name, most_seconds=seconds, stage_began=began)

        self._at(who, begun)

    def _at(self, who: str, changed: Callable[[Activity | None], Activity]) -> None:
        with self._changing() as said:
            at = changed(said.activities.get(who))
            self._said = replace(said, activities={**said.activities, who: at})

    @contextmanager
    def _changing(self) -> Iterator[Progress]:
        """Yield what was said before, and write the file anew with what takes its place."""
        with self._lock:
            yield self._said
            if self._path is None:
                return
            _write(self._path, json.dumps(asdict(self._said)).encode())


def read(path: Path) -> Progress | None:
    """Return what a file says; `None` where there is none, or none that can be read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return None
        with path.open("rb") as file:
            said = json.loads(file.read(MOST_BYTES))
        found = {who: _made(Activity, each) for who, each in said["activities"].items()}
        outlook = said.get("outlook")
        parts = {"activities": found, "outlook": outlook and _made(Outlook, outlook)}
        return _made(Progress, {"pid": None, "started": None} | said | parts)
    except (OSError, *ODD):
        return None


def printed(path: Path) -> tuple[str, str]:
    """Return which device's container printed something last, and the end of that; or nothing.

    Args:
        path: the file of progress, which outputs lie beside.
    """
    try:  # a file may go at any moment
        found = [(place.stat().st_mtime_ns, place) for place in _outputs(path) if place.is_file()]
        if not found:
            return "", ""
        _, newest = max(found)
        with newest.open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8", errors="backslashreplace")
    except OSError:
        return "", ""
    return newest.name.removeprefix(OUTPUT), text


def _outputs(path: Path) -> list[Path]:
    return [each for each in path.parent.glob(f"{OUTPUT}*") if not each.name.endswith(FRESH)]


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; nothing hangs on it."""
    fresh = path.with_name(path.name + FRESH)
    with suppress(OSError):
        fresh.write_bytes(content)
        fresh.replace(path)


def _forget(*paths: Path) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _made(form: type[T], said: dict[str, Any]) -> T:
    """Return a value of this form; raise `TypeError` where a part is none of its type."""
    made = form(**said)
    for name, kind in get_type_hints(form).items():
        value, wanted = getattr(made, name), get_origin(kind) if get_origin(kind) is dict else kind
        number = int if isinstance(0.0, wanted) else wanted
        odd = isinstance(value, bool) or not isinstance(value, (wanted, number))
        if odd or (isinstance(value, (int, float)) and not math.isfinite(value)):
            raise TypeError(f"{name} is no {kind}")
    return made


def _started(pid: int) -> str:
    """Say when a process started, as the kernel counts it, and in which start of the machine."""
    try:
        boot, text = BOOT_ID.read_text().strip(), Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = text.rpartition(")")[2].split()
    return "" if state in ("Z", "X") else f"{boot} {fields[18]}"
