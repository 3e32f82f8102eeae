"""One container from slot to confirmed gone, under a deadline and caps that the host holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from runner.engines.protocol import Connection, ContainerSpec, Engine, Exit, Usage
from runner.errors import SandboxError, StoppedError

POLL_SECONDS = 0.05
SAMPLE_SECONDS = 0.25
FIRST_SAMPLE_SECONDS = 0.02
ENGINE_GRACE_SECONDS = 3.0
KILL_SECONDS = 20.0
SIGNALLED = (137, 143)
Figure = TypeVar("Figure", int, float)
SHOW_SECONDS, SHOWN_BYTES = 0.5, 8_000
"""How often at most somebody is shown what is printed, and how much of it, its end."""
GRACE_SECONDS = 5.0
"""After the supervisor should have ended a container, its own first process does."""


class Ended(StrEnum):
    """What ended a container."""

    EXITED = "exited"
    DEADLINE = "deadline"
    CPU_TIME = "cpu-time"
    OUTPUT = "output"
    PROCESSES = "processes"


@dataclass(frozen=True, kw_only=True)
class ContainerResult:
    """How one container ended; `stdout`, `stderr` and `output` (both) are capped bytes."""

    ended: Ended
    exit_code: int
    oom_killed: bool
    stdout: bytes
    stderr: bytes
    output: bytes
    ran_seconds: float
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A moment on a clock that nobody sets. The code inside is told how far away it is."""

    monotonic: float
    cpu_seconds: float | None = None
    """The container's processor time at which it is ended, if that comes first."""

    @classmethod
    def after(cls, seconds: float, cpu_seconds: float | None = None) -> Deadline:
        return cls(monotonic=time.monotonic() + seconds, cpu_seconds=cpu_seconds)

    @property
    def left(self) -> float:
        """Seconds from now."""
        return max(0.0, self.monotonic - time.monotonic())


class Stream:
    """Reads a container's output until it ends or reaches the cap; writes its input."""

    def __init__(self, connection: Connection, cap_bytes: int) -> None:
        self._connection, self._cap = connection, cap_bytes
        self._parts: list[tuple[bool, bytes]] = []
        self.size = 0
        """Bytes that were read so far."""
        self.send = connection.send
        self.ended = threading.Event()
        self.overflowed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for is_error, chunk in self._connection.frames():
            # Read on past the cap: an engine that cannot write its output cannot kill either.
            if self.size < self._cap:
                self._parts.append((is_error, chunk[: self._cap - self.size]))
            self.size += len(chunk)
            self.overflowed = self.size >= self._cap
        self.ended.set()

    def stdout(self) -> bytes:
        return b"".join(chunk for is_error, chunk in self._parts if not is_error)

    def stderr(self) -> bytes:
        return b"".join(chunk for is_error, chunk in self._parts if is_error)

    def both(self) -> bytes:
        return in_lines(self._parts)

    def last(self, size: int) -> bytes:
        """Return the end of both streams, so many bytes at most."""
        found: list[bytes] = []
        for _, chunk in reversed(self._parts):
            found.append(chunk)
            size -= len(chunk)
            if size <= 0:
                break
        return b"".join(reversed(found))[max(0, -size) :]

    def close(self) -> None:
        self._connection.shut()
        self._thread.join(timeout=5)
        self._connection.close()


def in_lines(parts: Iterable[tuple[bool, bytes]]) -> bytes:
    """Join two streams in the order of their chunks, and let neither cut a line of the other.

    A number or a name that is cut reads as another one. A line ends at a line feed or a carriage
    return, which progress bars use; what has no end comes last, each on a line of its own.

    Args:
        parts: whether a chunk is of the standard error, and its bytes.
    """
    found: list[bytes] = []
    begun: dict[bool, list[bytes]] = {False: [], True: []}
    for is_error, chunk in parts:
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if end:
            found += [*begun[is_error], chunk[:end]]
            begun[is_error] = []
        begun[is_error].append(chunk[end:])
    unended = [rest for each in begun.values() if (rest := b"".join(each))]
    return b"".join(found) + b"\n".join(unended)


class Sampler:
    """Asks the engine for its figures while a container runs."""

    def __init__(self, engine: Engine, identity: str, *, pids_limit: int) -> None:
        self._engine, self._identity, self._limit = engine, identity, pids_limit
        self.usage = Usage()
        self.hit_processes = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        pause = FIRST_SAMPLE_SECONDS
        while not self._stop.wait(pause):
            pause = SAMPLE_SECONDS
            self.look()

    def look(self) -> None:
        """Ask now."""
        with suppress(SandboxError):  # the run itself notices when the engine is gone
            found = self._engine.usage(self._identity)
            if found is not None:
                self._take(found)

    def _take(self, found: Usage) -> None:
        self.usage = Usage(
            peak_memory_bytes=_most(found.peak_memory_bytes, self.usage.peak_memory_bytes),
            cpu_seconds=_most(found.cpu_seconds, self.usage.cpu_seconds),
            most_processes=max(found.most_processes, self.usage.most_processes),
        )
        self.hit_processes = self.hit_processes or found.most_processes >= self._limit

    def stop(self) -> Usage:
        self._stop.set()
        self._thread.join(timeout=5)
        return self.usage


def _most(*figures: Figure | None) -> Figure | None:
    return max((each for each in figures if each is not None), default=None)


class Running:
    """A container at work. Made by `Slot.begun`."""

    def __init__(
        self,
        engine: Engine,
        spec: ContainerSpec,
        identity: str,
        order: bytes,
        show: Callable[[bytes], None] | None,
    ) -> None:
        self._engine, self.name, self.identity = engine, spec.name, identity
        self._show, self._shown, self._show_next = show, 0, 0.0
        # Attached before the start, so that not a byte is missed.
        self.stream = Stream(engine.attach(identity), spec.resources.output_log_bytes)
        try:
            engine.start(identity)
            self._begun = time.monotonic()
            self.stream.send(order)
        except SandboxError:
            self.stream.close()
            raise
        self._sampler = Sampler(engine, identity, pids_limit=spec.resources.pids)
        if not spec.sampled:
            self._sampler.stop()

    def send(self, data: bytes) -> None:
        """Write to the command's standard input."""
        self.stream.send(data)

    def said(self, line: bytes) -> bool:
        """Whether a complete line with exactly these bytes came on standard error."""
        return line in self.stream.stderr().splitlines(keepends=True)

    def look(self) -> None:
        """Read its account now, as somebody does who is about to let it go."""
        self._sampler.look()

    def has_ended(self) -> bool:
        return self.stream.ended.is_set()

    def finish(self, deadline: Deadline, abort: threading.Event) -> ContainerResult:
        """Wait for the end, ending it at the deadline or a cap.

        Raises:
            StoppedError: the person wants everything to stop.
            SandboxError: the engine went away; the experiment is not to blame.
        """
        ended = self._wait(deadline, abort)
        # Output may end long before the last process does.
        found = self._exit(deadline) if ended is Ended.EXITED else None
        if found is None:
            if ended is Ended.EXITED:
                ended = Ended.CPU_TIME if self.has_spent(deadline) else Ended.DEADLINE
            self._engine.kill(self.identity)
            found = self._exit(Deadline.after(KILL_SECONDS))
        ran_seconds = time.monotonic() - self._begun  # the engine's own moments may step
        usage = self._sampler.stop()
        if found is None:
            raise SandboxError(f"{self.name} could not be killed", hint="run: runner doctor")
        if ended is Ended.EXITED and found.code in SIGNALLED and not found.oom_killed:
            self._blame_the_engine()
        self.stream.ended.wait(timeout=5)
        self._let_see(last=True)
        return ContainerResult(
            ended=ended,
            exit_code=found.code,
            oom_killed=found.oom_killed,
            stdout=self.stream.stdout(),
            stderr=self.stream.stderr(),
            output=self.stream.both(),
            ran_seconds=ran_seconds,
            usage=usage,
        )

    def _wait(self, deadline: Deadline, abort: threading.Event) -> Ended:
        while (left := deadline.left) > 0:
            finished = self.stream.ended.wait(min(left, POLL_SECONDS))
            self._let_see()
            if abort.is_set():
                raise StoppedError("stopped by the person")
            if self.stream.overflowed:
                return Ended.OUTPUT
            if self._sampler.hit_processes:
                return Ended.PROCESSES
            if finished:
                return Ended.EXITED
            if self.has_spent(deadline):
                return Ended.CPU_TIME
        return Ended.DEADLINE

    def has_spent(self, deadline: Deadline) -> bool:
        """Say whether the account says so, as of the last time that it was read."""
        most = deadline.cpu_seconds
        return most is not None and (self._sampler.usage.cpu_seconds or 0.0) >= most

    def _let_see(self, *, last: bool = False) -> None:
        """Show a person who watches what was printed since, now and then."""
        size, now = self.stream.size, time.monotonic()
        if self._show is None or size == self._shown or (now < self._show_next and not last):
            return
        self._shown, self._show_next = size, now + SHOW_SECONDS
        self._show(self.stream.last(SHOWN_BYTES))

    def _exit(self, until: Deadline) -> Exit | None:
        while (found := self._engine.ended(self.identity)) is None:
            if time.monotonic() > until.monotonic or self.has_spent(until):
                return None
            time.sleep(POLL_SECONDS / 5)
        return found

    def _blame_the_engine(self) -> None:
        """Raise if the signal came from an engine that is shutting down, not from inside."""
        until = time.monotonic() + ENGINE_GRACE_SECONDS
        while time.monotonic() < until:
            self._engine.ping()
            time.sleep(POLL_SECONDS * 4)

    def archive(self, path: str) -> Iterator[bytes]:
        """Stream a folder of the ended container as a tar archive."""
        return self._engine.archive(self.identity, path)

    def close(self) -> None:
        self._sampler.stop()
        self.stream.close()


def order(seconds: float, env: Mapping[str, str]) -> bytes:
    """Return what a slot's first process waits for; `init` reads it."""
    parts = [f"{seconds + GRACE_SECONDS:.3f}", *(f"{key}={value}" for key, value in env.items())]
    if any("\0" in part or "\n" in part for part in parts):
        raise ValueError("a variable cannot hold line breaks")
    return "\0".join(parts).encode() + b"\n"


class Slot:
    """A container that is made and not started: fences, limits and mounts, nobody's yet."""

    def __init__(self, engine: Engine, spec: ContainerSpec, identity: str) -> None:
        self._engine, self.spec, self._identity = engine, spec, identity

    @contextmanager
    def begun(
        self,
        *,
        seconds: float,
        env: Mapping[str, str] | None = None,
        show: Callable[[bytes], None] | None = None,
    ) -> Iterator[Running]:
        """Yield it at work for at most so many seconds, with more in its environment.

        After those the supervisor ends it; the container by itself, a little later. While it is
        waited for, `show` is given the end of what it prints, now and then.
        """
        asked = order(seconds, env or {})
        running = Running(self._engine, self.spec, self._identity, asked, show)
        try:
            yield running
        finally:
            running.close()


@contextmanager
def started(
    engine: Engine,
    spec: ContainerSpec,
    *,
    seconds: float,
    env: Mapping[str, str] | None = None,
    show: Callable[[bytes], None] | None = None,
) -> Iterator[Running]:
    """Yield a running container that is what was asked for; it is gone afterwards."""
    with (
        closing(Slots(engine, [spec])) as made,
        made.taken(spec.name) as slot,
        slot.begun(seconds=seconds, env=env, show=show) as running,
    ):
        yield running


class Slots:
    """Containers that a thread makes ahead, one after the other in the order of need."""

    def __init__(self, engine: Engine, specs: Sequence[ContainerSpec]) -> None:
        self._engine = engine
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="slots")
        self._made = {spec.name: (spec, self._maker.submit(engine.create, spec)) for spec in specs}

    @contextmanager
    def taken(self, name: str) -> Iterator[Slot]:
        """Yield a slot as soon as it is there; the container is gone afterwards.

        Raises:
            SandboxError: it could not be made.
        """
        spec, made = self._made.pop(name)
        identity = made.result()
        try:
            yield Slot(self._engine, spec, identity)
        finally:
            self._engine.remove(identity)

    def close(self) -> None:
        """Remove those that nobody took."""
        self._maker.shutdown(wait=True, cancel_futures=True)
        for _, made in self._made.values():
            if not made.cancelled() and made.exception() is None:
                self._engine.remove(made.result())
