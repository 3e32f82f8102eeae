"""What an image is built on: Python and a compiler, from a registry or from Debian packages."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from docker.utils import parse_repository_tag

from runner.engines.builds import Build, Say, build
from runner.engines.docker import our_fault
from runner.errors import SandboxError

SILENCE_SECONDS = 30
"""How long a registry may say nothing before it counts as out of reach."""
IMPORT_SECONDS = 900
PACKAGES_SCRIPT = "base.sh"
NOT_INSTALLED = 2
"""Its exit status where mmdebstrap is missing, and not its to install."""
TAIL_LINES = 8
BASES = "autoresearch-runner/base"
COMPILER_STAGE = "compiler"

NO_WAY = """\
type:  sudo apt-get install --no-install-recommends mmdebstrap uidmap
or name an image that the engine can pull:  .venv/bin/runner setup --base-image IMAGE
or bring the built image from another machine:  docker save {tag} | ssh THIS_MACHINE docker load"""
NO_NAMESPACES = """\
an ordinary user needs user namespaces, lines in /etc/subuid and /etc/subgid, and:  \
sudo apt-get install --no-install-recommends uidmap"""


@dataclass(frozen=True, kw_only=True)
class Base:
    """An image of Python 3.11 and a compiler, with no settings of its own."""

    image_id: str
    origin: str


def default_base(dockerfile: Path) -> str:
    """Return the base that a Dockerfile names itself."""
    return _said(dockerfile, "ARG BASE_IMAGE")


def _said(file: Path, name: str) -> str:
    found = re.search(rf"^{name}=(\S+)$", file.read_text(), re.MULTILINE)
    if found is None:
        raise SandboxError(f"{file} has no line {name}=...")
    return found[1]


def find(client: docker.DockerClient, image: str) -> str | None:
    """Return an image's id, or None where the engine does not have it."""
    with our_fault(f"looking for image {image}"):
        try:
            return client.images.get(image).id
        except ImageNotFound:
            return None


def ready_base(
    client: docker.DockerClient, dockerfile: Path, *, tag: str, chosen: str | None, say: Say
) -> Base:
    """Return a base with a compiler; a chosen one is never replaced by another."""
    wanted = chosen or default_base(dockerfile)
    try:
        return _from_registry(client, dockerfile, wanted, say)
    except SandboxError as error:
        if chosen:
            raise
        say(f"no base from a registry ({str(error).splitlines()[0]})")
        return _from_packages(client, dockerfile.with_name(PACKAGES_SCRIPT), tag, say)


def _from_registry(client: docker.DockerClient, dockerfile: Path, wanted: str, say: Say) -> Base:
    source = find(client, wanted) or _pulled(client, wanted, say)
    recipe = hashlib.sha256(source.encode() + dockerfile.read_bytes()).hexdigest()
    name = f"{BASES}:{recipe[:12]}"
    return Base(
        image_id=find(client, name) or _prepared(client, dockerfile, source, name, say),
        origin=wanted,
    )


def _prepared(
    client: docker.DockerClient, dockerfile: Path, source: str, name: str, say: Say
) -> str:
    # The only step that may use the network, so it is a build of its own.
    stage = Build(dockerfile=dockerfile, base=source, network=None, target=COMPILER_STAGE)
    built = build(client, stage, say)
    try:
        return flattened(client, built, name)
    finally:
        with our_fault("removing what the build left"):
            client.images.remove(built)


def flattened(client: docker.DockerClient, image_id: str, name: str) -> str:
    """Return an image of this name with the same files and no settings.

    A registry's image sets variables, which would be in every container's environment.
    """
    with our_fault(f"copying the files of {image_id}"), _patience(client, IMPORT_SECONDS):
        container = client.api.create_container(image_id, ["true"], network_disabled=True)["Id"]
        try:
            return _named(client, _import(client, client.api.export(container)), name)
        finally:
            client.api.remove_container(container, force=True, v=True)


def _pulled(client: docker.DockerClient, wanted: str, say: Say) -> str:
    say(f"pulling {wanted}")
    name, tag = parse_repository_tag(wanted)
    with _patience(client, SILENCE_SECONDS), our_fault(f"pulling {wanted}"):
        for line in client.api.pull(name, tag=tag or "latest", stream=True, decode=True):
            if "error" in line:
                raise SandboxError(f"pulling {wanted}: {line['error']}")
    if (found := find(client, wanted)) is None:
        raise SandboxError(f"pulling {wanted}: the engine has no such image afterwards")
    return found


def _from_packages(client: docker.DockerClient, script: Path, tag: str, say: Say) -> Base:
    name = f"{BASES}:{hashlib.sha256(script.read_bytes()).hexdigest()[:12]}"
    if (image_id := find(client, name)) is None:
        say("making a base image from Debian packages (about half a minute)")
        image_id = _named(client, bootstrapped(client, script, tag), name)
    return Base(image_id=image_id, origin=f"Debian packages of {_said(script, 'suite')}")


def _named(client: docker.DockerClient, image_id: str, name: str) -> str:
    repository, _, version = name.partition(":")
    with our_fault(f"naming {name}"):
        client.api.tag(image_id, repository, version)
    return image_id


def bootstrapped(client: docker.DockerClient, script: Path, tag: str) -> str:
    """Return a new base that a script writes as a tar; nothing of a failed one stays."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        with (
            subprocess.Popen(
                ["sh", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            ) as process,
            _patience(client, IMPORT_SECONDS),
        ):
            try:
                image_id = _import(client, process.stdout)
            except BaseException:
                process.terminate()  # asked politely, mmdebstrap removes its folder
                raise
        if process.returncode == 0:
            return image_id
        # A stream that broke off still became an image, of whatever had come.
        client.api.remove_image(image_id, force=True)
        log.seek(0)
        tail = "\n".join(f"  {line}" for line in log.read().strip().splitlines()[-TAIL_LINES:])
    absent = process.returncode == NOT_INSTALLED
    raise SandboxError(
        f"no registry can be reached, and making a base of Debian packages failed:\n{tail}",
        hint=NO_WAY.format(tag=tag) if absent else NO_NAMESPACES,
    )


def _import(client: docker.DockerClient, stream: object) -> str:
    with our_fault("importing the base image"):
        answer = client.api.import_image_from_stream(stream)
    found = re.search(r"sha256:[0-9a-f]{64}", str(answer))
    if found is None:
        raise SandboxError(f"importing the base image: the engine answered {answer!r}")
    return found[0]


@contextmanager
def _patience(client: docker.DockerClient, seconds: int) -> Iterator[None]:
    usual, client.api.timeout = client.api.timeout, seconds
    try:
        yield
    finally:
        client.api.timeout = usual
