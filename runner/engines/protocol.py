"""What the runner needs of a container engine, as values and one protocol.

A container is made before it is anybody's: its limits, fences and mounts are fixed then, and
compared with what was asked. What it runs for, a seed and a deadline among that, reaches it when it
starts (`container.Slot.begun`), through its standard input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runner.errors import ConfigError
from runner.records import Resources

RUN_LABEL = "runner.run"
TRIAL_LABEL = "runner.trial"
HOME_LABEL = "runner.home"
DATA_LABEL = "runner.data"

AGENT_USER = "10001:10001"
SCORER_USER = "10002:10002"
MIB = 1024**2


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A host path or a volume, and where it appears."""

    source: str
    target: str
    writable: bool = False
    volume: bool = False
    copy_up: bool = False
    """Give a new volume the owner and mode that the image's folder at `target` has."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume: in memory, with a hard quota and an owner, or on disk and without either."""

    name: str
    labels: Mapping[str, str]
    memory_bytes: int | None = None
    uid: int = 0
    """Who writes into a volume in memory; everybody may read what the owner lets them."""


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """One container: who runs what on which image, seeing which mounts."""

    name: str
    image_id: str
    user: str
    command: Sequence[str]
    mounts: Sequence[Mount]
    resources: Resources
    labels: Mapping[str, str]
    takes_input: bool = False
    """Whether the command gets what is sent to the container after its start."""
    gpu_ids: Sequence[str] = ()
    scratch: Mapping[str, int] = field(default_factory=dict)
    """Folders in memory that its user may fill, and the bytes of each, besides those that every
    container has; what is in them may run."""
    sampled: bool = True
    """Whether the engine is asked for figures while it runs, which costs a little."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The engine's figures of a container; absent is what it did not say."""

    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    most_processes: int = 0


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a container's first process ended."""

    code: int
    oom_killed: bool


class Connection(Protocol):
    """A container's standard streams, attached before its start."""

    def frames(self) -> Iterator[tuple[bool, bytes]]:
        """Yield what it writes, as (whether it is standard error, bytes), until it ends."""
        ...

    def send(self, data: bytes) -> None: ...

    def shut(self) -> None:
        """End whatever waits in `frames`; to the container it is the end of its input."""
        ...

    def close(self) -> None: ...


class Engine(Protocol):
    """Makes, holds and removes containers and volumes; several threads may use one.

    Every method raises `SandboxError` where the engine, or the way to it, fails.
    """

    def ping(self) -> None: ...

    def runtimes(self) -> tuple[str, ...]:
        """Name the OCI runtimes that it has."""
        ...

    def create_volume(self, volume: Volume) -> None:
        """Make a volume; one of this name that is there already stays as it is."""
        ...

    def remove_volume(self, name: str) -> None: ...

    def create(self, spec: ContainerSpec) -> str:
        """Make a container, not started, and return its identity.

        Raises:
            SandboxError: it is other than asked, too, in whatever matters.
        """
        ...

    def attach(self, identity: str) -> Connection: ...

    def start(self, identity: str) -> None: ...

    def ended(self, identity: str) -> Exit | None:
        """Return how it ended; nothing while any of its processes runs."""
        ...

    def kill(self, identity: str) -> None:
        """End every process of it; one that has ended meanwhile is fine."""
        ...

    def usage(self, identity: str) -> Usage | None:
        """Return figures as of now, within milliseconds; nothing once it has ended."""
        ...

    def archive(self, identity: str, path: str) -> Iterator[bytes]:
        """Stream a folder of an ended container as a tar archive."""
        ...

    def remove(self, identity: str) -> None:
        """Remove a container by identity or name, if it is there; it is gone afterwards."""
        ...

    def leftovers(self, labels: Mapping[str, str]) -> list[str]:
        """Name the containers and volumes that carry these labels."""
        ...

    def values(self, label: str, labels: Mapping[str, str]) -> set[str]:
        """Return what one label says on those that carry these labels."""
        ...

    def sweep(self, labels: Mapping[str, str]) -> None:
        """Remove every container and volume that carries these labels."""
        ...


def require_runtime(engine: Engine, resources: Resources) -> None:
    """Raise `ConfigError` where the engine lacks the runtime that containers are to have."""
    wanted = resources.runtime
    if wanted is not None and wanted not in (known := engine.runtimes()):
        raise ConfigError(
            f"resources.runtime: the engine has no runtime {wanted!r}",
            hint=f"register it with the engine (docs/threat-model.md says how), or take one of:"
            f" {', '.join(known)}, or null for the engine's own default",
        )
