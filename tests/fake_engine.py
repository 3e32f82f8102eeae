"""An engine without containers: it plays a trial's stages and remembers what happened when."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.engines.protocol import ContainerSpec, Exit, Usage, Volume
from runner.errors import SandboxError

SCORED = b'{"status": "scored", "metrics": {"auc": 0.5}}'
SAID = b"ready\nconnected a\ndone a\nconnected b\ndone b\n"
GO = b"go\n"


@dataclass
class FakeContainer:
    """One container; the scorer ends once it got every go, whatever else at once."""

    spec: ContainerSpec
    gos: int
    """How often the scorer waits for a go."""
    given: bytes = b""
    exit: Exit | None = None
    frames_: queue.Queue[tuple[bool, bytes] | None] = field(default_factory=queue.Queue)

    @property
    def is_scorer(self) -> bool:
        return self.spec.name.endswith("-score")

    def frames(self) -> Iterator[tuple[bool, bytes]]:
        while (frame := self.frames_.get()) is not None:
            yield frame

    def send(self, data: bytes) -> None:
        self.given += data
        if self.given.count(b"\n") == (1 + self.gos if self.is_scorer else 1):
            if self.is_scorer:
                self.frames_.put((False, SCORED))
            self.end(0)

    def end(self, code: int) -> None:
        self.exit = Exit(code=code, oom_killed=False)
        self.frames_.put(None)

    def shut(self) -> None:
        self.frames_.put(None)

    def close(self) -> None:
        """It has nothing to close."""


@dataclass
class FakeEngine:
    """Answers as an engine does; `broken` names what it fails at."""

    gos: int = 1
    broken: str = ""
    seen: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)
    """What happened, to which container, and which ran then."""
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    made: dict[str, ContainerSpec] = field(default_factory=dict)
    """Every container that there ever was."""
    volumes: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """A test's own engine may begin with more."""

    def add(self, what: str, name: str) -> None:
        if what == self.broken:
            raise SandboxError(f"{what} failed")
        with self.lock:
            self.seen.append((what, name, frozenset(self.running)))

    def happened(self, what: str) -> list[str]:
        return [name for each, name, _ in self.seen if each == what]

    def ping(self) -> None: ...

    def close(self) -> None:
        """It has nothing to close."""

    def runtimes(self) -> tuple[str, ...]:
        return ("runc",)

    def create_volume(self, volume: Volume) -> None:
        self.add("create volume", volume.name)
        self.volumes.add(volume.name)

    def remove_volume(self, name: str) -> None:
        self.volumes.discard(name)

    def create(self, spec: ContainerSpec) -> str:
        self.add("create", spec.name)
        assert spec.name not in self.containers, "a name is taken"
        self.containers[spec.name] = FakeContainer(spec=spec, gos=self.gos)
        self.made[spec.name] = spec
        return spec.name

    def attach(self, identity: str) -> FakeContainer:
        return self.containers[identity]

    def start(self, identity: str) -> None:
        self.add("start", identity)
        with self.lock:
            self.running.add(identity)
        if self.containers[identity].is_scorer:
            self.containers[identity].frames_.put((True, SAID))

    def ended(self, identity: str) -> Exit | None:
        return self.containers[identity].exit

    def kill(self, identity: str) -> None:
        self.containers[identity].end(137)

    def usage(self, identity: str) -> Usage | None:
        return None

    def archive(self, identity: str, path: str) -> Iterator[bytes]:
        yield b""

    def remove(self, identity: str) -> None:
        self.add("remove", identity)
        with self.lock:
            self.running.discard(identity)
            self.containers.pop(identity, None)

    def leftovers(self, labels: Mapping[str, str]) -> list[str]:
        return [*self.containers, *self.volumes]

    def values(self, label: str, labels: Mapping[str, str]) -> set[str]:
        return set()

    def sweep(self, labels: Mapping[str, str]) -> None:
        self.containers.clear()
        self.volumes.clear()
