"""One image build on the engine: the context that it is sent and the lines that it answers."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import docker

from runner.engines.docker import our_fault
from runner.errors import SandboxError

Say = Callable[[str], None]

TAIL_LINES = 15
STEP = re.compile(r"Step (\d+/\d+) : (.*)")
STEP_WIDTH = 60


@dataclass(frozen=True, kw_only=True)
class Build:
    """What to build: a Dockerfile, the files beside it, and how."""

    dockerfile: Path
    base: str
    network: str | None
    wheels: Path | None = None
    locks: tuple[Path, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    """More files, by their names in the context."""
    scratch: Path | None = None
    """Where the context is packed; the usual place may be too small a memory disk for a copy."""
    tag: str | None = None
    target: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def build(client: docker.DockerClient, wanted: Build, say: Say) -> str:
    """Build one image and return its id; raise `SandboxError` with the end of the output."""
    with context(wanted) as archive, our_fault(f"building {wanted.dockerfile.name}"):
        lines = client.api.build(
            fileobj=archive,
            custom_context=True,
            tag=wanted.tag,
            target=wanted.target or "",
            buildargs={"BASE_IMAGE": wanted.base},
            network_mode=wanted.network,
            labels=dict(wanted.labels),
            # Only the step that may use the network needs the proxies of the person's client.
            use_config_proxy=wanted.network is None,
            rm=True,
            forcerm=True,
            decode=True,
        )
        return follow(lines, wanted, say)


def follow(lines: Iterable[Mapping[str, Any]], wanted: Build, say: Say) -> str:
    """Say each step as it comes and return the built id; raise `SandboxError` at an error."""
    built, output = None, ""
    for line in lines:
        text = line.get("stream", "")
        output += text
        if step := STEP.match(text):
            say(f"  step {step[1]}: {_shortened(step[2])}")
        if "error" in line:
            raise _failure(wanted, f"{output}{line['error']}")
        built = line.get("aux", {}).get("ID", built)
    if built is None:
        raise _failure(wanted, output)
    return str(built)


def _shortened(instruction: str) -> str:
    text = " ".join(instruction.split())
    return text if len(text) <= STEP_WIDTH else f"{text[: STEP_WIDTH - 3]}..."


def _failure(wanted: Build, output: str) -> SandboxError:
    tail = "\n".join(f"  {line}" for line in output.strip().splitlines()[-TAIL_LINES:])
    hint = f"if a wheel is damaged, delete {wanted.wheels} and try again" if wanted.wheels else ""
    return SandboxError(f"building {wanted.dockerfile.name} failed:\n{tail}", hint=hint)


@contextmanager
def context(wanted: Build) -> Iterator[IO[bytes]]:
    """Pack what the build may see, and nothing else of this machine."""
    with tempfile.TemporaryFile(dir=wanted.scratch) as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            _add(archive, "Dockerfile", wanted.dockerfile)
            for lock in wanted.locks:
                _add(archive, f"wheels/{lock.name}", lock)
            for wheel in sorted(wanted.wheels.glob("*.whl")) if wanted.wheels else ():
                _add(archive, f"wheels/{wheel.name}", wheel)
            for name, path in wanted.files.items():
                _add(archive, name, path)
        file.seek(0, io.SEEK_SET)
        yield file


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    # A fresh TarInfo has no owner and no time, so an equal context is an equal archive.
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o644
    with path.open("rb") as content:
        archive.addfile(entry, content)
