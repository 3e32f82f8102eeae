"""One image build on the engine: the context that it is sent and the lines that it answers."""

from __future__ import annotations

import re
import tarfile
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import docker

from runner.engines.docker import our_fault
from runner.errors import SandboxError, last_lines

Say = Callable[[str], None]

STEP = re.compile(r"Step (\d+/\d+) : (.*)")
STEP_WIDTH = 60


@dataclass(frozen=True, kw_only=True)
class Build:
    """What to build: a Dockerfile, the files beside it, and how."""

    dockerfile: Path
    base: str
    network: str | None
    files: Mapping[str, Path] = field(default_factory=dict)
    """By their names in the context."""
    wheels: Path | None = None
    """A folder whose wheels are in the context too."""
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
        output += text + line.get("error", "")
        if "error" in line:
            built = None
            break
        if step := STEP.match(text):
            say(f"  step {step[1]}: {textwrap.shorten(step[2], STEP_WIDTH, placeholder='...')}")
        built = line.get("aux", {}).get("ID", built)
    if built is None:
        name, wheels = wanted.dockerfile.name, wanted.wheels
        hint = f"if a wheel is damaged, delete {wheels} and try again" if wheels else ""
        raise SandboxError(f"building {name} failed:\n{last_lines(output)}", hint=hint)
    return str(built)


@contextmanager
def context(wanted: Build) -> Iterator[IO[bytes]]:
    """Pack what the build may see, and nothing else of this machine."""
    wheels = sorted(wanted.wheels.glob("*.whl")) if wanted.wheels else []
    files = {"Dockerfile": wanted.dockerfile, **wanted.files}
    files |= {f"wheels/{wheel.name}": wheel for wheel in wheels}
    with tempfile.TemporaryFile(dir=wanted.scratch) as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for name, path in files.items():
                # A fresh TarInfo has no owner and no time: an equal context, an equal archive.
                entry = tarfile.TarInfo(name)
                entry.size = path.stat().st_size
                with path.open("rb") as content:
                    archive.addfile(entry, content)
        file.seek(0)
        yield file
