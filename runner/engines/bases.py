"""What an image is built on: Python and a compiler, from a registry or from Debian packages."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from docker.utils import parse_repository_tag

from runner.engines.builds import Build, Say, build
from runner.engines.docker import our_fault
from runner.errors import SandboxError, last_lines

SILENCE_SECONDS = 30
"""How long a registry may say nothing before it counts as out of reach."""
IMPORT_SECONDS = 900
PACKAGES_SCRIPT = "base.sh"
BASES = "autoresearch-runner/base"
COMPILER_STAGE = "compiler"

NO_WAY = """\
type:  sudo apt-get install --no-install-recommends mmdebstrap uidmap
(an ordinary user also needs user namespaces, and lines in /etc/subuid and /etc/subgid)
or name an image that the engine can pull:  .venv/bin/runner setup --base-image IMAGE
or bring the built image from another machine:  docker save {tag} | ssh THIS_MACHINE docker load"""


def setting(file: Path, name: str) -> str:
    """Return what a line of a Dockerfile or a script sets a name to."""
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
) -> tuple[str, str]:
    """Return the id of a base with a compiler, and where it is from.

    It has no settings of its own. A chosen one is never replaced by another.
    """
    wanted, script = (
        chosen or setting(dockerfile, "ARG BASE_IMAGE"),
        dockerfile.with_name(PACKAGES_SCRIPT),
    )
    try:
        return _from_registry(client, dockerfile, wanted, say), wanted
    except SandboxError as error:
        if chosen:
            raise
        say(f"no base from a registry ({str(error).splitlines()[0]})")
    name = _name(script.read_bytes())
    if not (base := find(client, name)):
        say("making a base image from Debian packages (about half a minute)")
        base = bootstrapped(client, script, tag)
        repository, version = name.split(":")
        with our_fault(f"naming {name}"):
            client.api.tag(base, repository, version)
    return base, f"Debian packages of {setting(script, 'suite')}"


def _from_registry(client: docker.DockerClient, dockerfile: Path, wanted: str, say: Say) -> str:
    source = find(client, wanted) or _pulled(client, wanted, say)
    name = _name(source.encode() + dockerfile.read_bytes())
    if found := find(client, name):
        return found
    # The only step that may use the network, so it is a build of its own.
    stage = Build(dockerfile=dockerfile, base=source, network=None, target=COMPILER_STAGE)
    built = build(client, stage, say)
    try:
        return flattened(client, built, name)
    finally:
        with our_fault("removing what the build left"):
            client.images.remove(built)


def _name(recipe: bytes) -> str:
    return f"{BASES}:{hashlib.sha256(recipe).hexdigest()[:12]}"


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


def flattened(client: docker.DockerClient, image_id: str, name: str) -> str:
    """Return an image of this name with the same files and no settings.

    A registry's image sets variables, which would be in every container's environment.
    """
    with our_fault(f"copying the files of {image_id}"), _patience(client, IMPORT_SECONDS):
        container = client.api.create_container(image_id, ["true"], network_disabled=True)["Id"]
        try:
            return _import(client, client.api.export(container), *name.split(":"))
        finally:
            client.api.remove_container(container, force=True, v=True)


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
        tail = last_lines(log.read())
    raise SandboxError(
        f"no registry can be reached, and making a base of Debian packages failed:\n{tail}",
        hint=NO_WAY.format(tag=tag),
    )


def _import(client: docker.DockerClient, stream: object, *name: str) -> str:
    with our_fault("importing the base image"):
        answer = client.api.import_image_from_stream(stream, *name)
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
