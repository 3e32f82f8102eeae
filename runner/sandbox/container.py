"""One container from create to confirmed gone, under a deadline and caps that the host holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.utils.socket import STDERR, STDOUT, frames_iter

from runner.errors import SandboxError, StoppedError
from runner.sandbox.engine import our_fault
from runner.sandbox.options import ContainerSpec, container_config, differences

POLL_SECONDS = 0.05
SAMPLE_SECONDS = 0.25
FIRST_SAMPLE_SECONDS = 0.02
ENGINE_GRACE_SECONDS = 3.0
KILL_SECONDS = 20.0
SIGNALLED = (137, 143)


class Ended(StrEnum):
    """What ended a container."""

    EXITED = "exited"
    DEADLINE = "deadline"
    OUTPUT = "output"
    PROCESSES = "processes"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The engine's figures, from samples while the container ran; absent when none was taken."""

    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    most_processes: int = 0


@dataclass(frozen=True, kw_only=True)
class ContainerResult:
    """How one container ended; `stdout` and `output` (both streams) are capped bytes."""

    ended: Ended
    exit_code: int
    oom_killed: bool
    stdout: bytes
    output: bytes
    ran_seconds: float
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A moment on a clock that nobody sets. The code inside is told how far away it is."""

    monotonic: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(monotonic=time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds from now."""
        return max(0.0, self.monotonic - time.monotonic())


class Stream:
    """Reads a container's output until it ends or reaches the cap; writes its input."""

    def __init__(self, socket: Any, cap_bytes: int) -> None:
        self._socket = socket
        self._cap = cap_bytes
        self._parts: list[tuple[int, bytes]] = []
        self._size = 0
        self.ended = threading.Event()
        self.overflowed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        # The engine closing the connection under us is the normal end.
        with suppress(OSError, ValueError):
            for channel, chunk in frames_iter(self._socket, tty=False):  # type: ignore[no-untyped-call]
                # Read on past the cap: an engine that cannot write its output cannot kill either.
                if self._size < self._cap:
                    self._parts.append((channel, chunk[: self._cap - self._size]))
                self._size += len(chunk)
                self.overflowed = self._size >= self._cap
        self.ended.set()

    def send(self, line: bytes) -> None:
        self._socket._sock.sendall(line)

    def read(self, *channels: int) -> bytes:
        return b"".join(chunk for channel, chunk in self._parts if channel in channels)

    def close(self) -> None:
        # Closing the file that the SDK hands out leaves the socket under it open.
        connection = self._socket._sock
        with suppress(OSError):
            connection.shutdown(2)
        self._thread.join(timeout=5)
        for each in (self._socket, connection):
            with suppress(OSError):
                each.close()


class Sampler:
    """Asks the engine for one-shot statistics while a container runs."""

    def __init__(self, api: Any, container: str, *, pids_limit: int) -> None:
        self._api, self._container, self._limit = api, container, pids_limit
        self.usage = Usage()
        self.hit_processes = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        pause = FIRST_SAMPLE_SECONDS
        while not self._stop.wait(pause):
            pause = SAMPLE_SECONDS
            try:
                self._take(self._api.stats(self._container, stream=False, one_shot=True))
            except (DockerException, requests.RequestException, OSError):
                continue  # the run itself notices when the engine is gone

    def _take(self, stats: dict[str, Any]) -> None:
        memory, pids = stats.get("memory_stats", {}), stats.get("pids_stats", {})
        if not memory.get("usage"):
            return  # the container has ended
        resident = memory["usage"] - memory.get("stats", {}).get("inactive_file", 0)
        # Only cgroup v1 keeps the peak itself; elsewhere it is the largest sample.
        peak = memory.get("max_usage") or resident
        processes = pids.get("current", 0)
        self.usage = Usage(
            peak_memory_bytes=max(peak, self.usage.peak_memory_bytes or 0),
            cpu_seconds=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
            most_processes=max(processes, self.usage.most_processes),
        )
        self.hit_processes = self.hit_processes or processes >= self._limit

    def stop(self) -> Usage:
        self._stop.set()
        self._thread.join(timeout=5)
        return self.usage


class Running:
    """A started container. Made by `started`, which also makes sure that it is gone."""

    def __init__(self, client: docker.DockerClient, spec: ContainerSpec, identity: str) -> None:
        self._api, self._spec, self.identity = client.api, spec, identity
        channels = {"stdin": int(spec.takes_input), "stdout": 1, "stderr": 1, "stream": 1}
        # Attached before the start, so that not a byte is missed.
        socket = self._api.attach_socket(identity, params=channels)
        self.stream = Stream(socket, spec.resources.output_log_bytes)
        self._api.start(identity)
        self._begun = time.monotonic()
        self._sampler = Sampler(self._api, identity, pids_limit=spec.resources.pids)
        if not spec.sampled:
            self._sampler.stop()

    def said(self, line: bytes) -> bool:
        """Whether a complete line with exactly these bytes came on standard error."""
        return line in self.stream.read(STDERR).splitlines(keepends=True)

    def has_ended(self) -> bool:
        return self.stream.ended.is_set()

    def finish(self, deadline: Deadline, abort: threading.Event) -> ContainerResult:
        """Wait for the end, ending it at the deadline or a cap.

        Raises:
            StoppedError: the person wants everything to stop.
            SandboxError: the engine went away; the experiment is not to blame.
        """
        ended = self._wait(deadline, abort)
        with our_fault(f"ending {self._spec.name}"):
            # Output may end long before the last process does.
            state = self._stopped_state(deadline.monotonic) if ended is Ended.EXITED else None
            if state is None:
                ended = Ended.DEADLINE if ended is Ended.EXITED else ended
                self._kill()
                state = self._stopped_state(time.monotonic() + KILL_SECONDS)
        ran_seconds = time.monotonic() - self._begun  # the engine's own moments may step
        usage = self._sampler.stop()
        if state is None:
            raise SandboxError(f"{self._spec.name} could not be killed", hint="run: runner doctor")
        if ended is Ended.EXITED and state["ExitCode"] in SIGNALLED and not state["OOMKilled"]:
            self._blame_the_engine()
        return self._result(ended, state, usage, ran_seconds)

    def _wait(self, deadline: Deadline, abort: threading.Event) -> Ended:
        while (left := deadline.left) > 0:
            finished = self.stream.ended.wait(min(left, POLL_SECONDS))
            if abort.is_set():
                raise StoppedError("stopped by the person")
            if self.stream.overflowed:
                return Ended.OUTPUT
            if self._sampler.hit_processes:
                return Ended.PROCESSES
            if finished:
                return Ended.EXITED
        return Ended.DEADLINE

    def _stopped_state(self, until: float) -> dict[str, Any] | None:
        while True:
            state: dict[str, Any] = self._api.inspect_container(self.identity)["State"]
            if state["Status"] in ("exited", "dead"):
                return state
            if time.monotonic() > until:
                return None
            time.sleep(POLL_SECONDS / 5)

    def _kill(self) -> None:
        with suppress(APIError):  # it ended by itself in the meantime
            self._api.kill(self.identity, "KILL")

    def _blame_the_engine(self) -> None:
        """Raise if the signal came from an engine that is shutting down, not from inside."""
        until = time.monotonic() + ENGINE_GRACE_SECONDS
        with our_fault("the engine stopped during a trial"):
            while time.monotonic() < until:
                self._api.ping()
                time.sleep(POLL_SECONDS * 4)

    def _result(
        self, ended: Ended, state: dict[str, Any], usage: Usage, ran_seconds: float
    ) -> ContainerResult:
        self.stream.ended.wait(timeout=5)
        return ContainerResult(
            ended=ended,
            exit_code=int(state["ExitCode"]),
            oom_killed=bool(state["OOMKilled"]),
            stdout=self.stream.read(STDOUT),
            output=self.stream.read(STDOUT, STDERR),
            ran_seconds=ran_seconds,
            usage=usage,
        )

    def archive(self, path: str) -> Iterator[bytes]:
        """Stream a folder of the ended container as a tar archive."""
        stream, _ = self._api.get_archive(self.identity, path)
        return iter(stream)

    def close(self) -> None:
        self._sampler.stop()
        self.stream.close()


@contextmanager
def started(client: docker.DockerClient, spec: ContainerSpec) -> Iterator[Running]:
    """Yield a running container that is what was asked for; it is gone afterwards."""
    asked = container_config(spec)
    hint = "run: make setup" if not spec.image_id else "run: runner doctor"
    with our_fault(f"creating {spec.name}", hint=hint):
        # The SDK's types leave this call out.
        created = client.api.create_container_from_config(asked, name=spec.name)  # type: ignore[no-untyped-call]
        identity = created["Id"]
    try:
        with our_fault(f"starting {spec.name}"):
            _assert_as_asked(spec, asked, client.api.inspect_container(identity))
            running = Running(client, spec, identity)
        try:
            yield running
        finally:
            running.close()
    finally:
        with our_fault(f"removing {spec.name}"), suppress(NotFound):
            client.api.remove_container(identity, force=True, v=True)


def _assert_as_asked(spec: ContainerSpec, asked: dict[str, Any], found: dict[str, Any]) -> None:
    if wrong := differences(asked, found):
        raise SandboxError(
            f"the engine made {spec.name} other than asked: {'; '.join(wrong)}",
            hint="this engine cannot hold the sandbox; see docs/threat-model.md",
        )
