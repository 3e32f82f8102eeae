"""Makes a machine ready: a container engine that answers, and the image that trials start from."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import SandboxError
from runner.rooms import State

if TYPE_CHECKING:
    from docker import DockerClient

Say = Callable[[str], None]

ENGINE_PACKAGES = ("docker.io", "iptables")
USER_PACKAGES = ("mmdebstrap", "uidmap")
"""Without root, a base image is made in a user namespace."""
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
SOCKET = Path("/var/run/docker.sock")
DAEMON_LOG = Path("/var/log/dockerd.log")
START_SECONDS = 60.0
SETTLE_SECONDS = 3.0
TAIL_LINES = 8

JOIN_GROUP = "sudo usermod -aG docker $USER   # then log out and in again"
INSTALL = "sudo apt-get update && sudo apt-get install --no-install-recommends {packages}"
ANOTHER_SYSTEM = (
    "install and start a Docker-compatible engine, 20.10 or newer (https://docs.docker.com/engine/"
    "install/); if it listens elsewhere than at the usual socket, set DOCKER_HOST"
)


@dataclass(frozen=True, kw_only=True)
class Host:
    """What decides whether the engine may be installed here, and how it is started."""

    system: str
    is_root: bool
    is_debian: bool
    has_systemd: bool
    has_daemon: bool
    has_socket: bool
    chosen_engine: str | None
    """What `DOCKER_HOST` says: an engine that is not ours to install."""


def set_up(image: str, *, state: State, say: Say, base_image: str | None = None) -> str:
    """Return the id of the image, on an engine that answers; install and build what is missing."""
    from runner.sandbox.images import ensure_image

    with closing(reachable_engine(say)) as client:
        return ensure_image(
            client, image, wheelhouse_root=state.wheelhouse, say=say, base_image=base_image
        )


def reachable_engine(say: Say) -> DockerClient:
    """Return a client; with nothing answering, install and start an engine where allowed."""
    from runner.sandbox.engine import connect

    try:
        return connect()
    except SandboxError as error:
        host = this_host()
        if steps := by_hand(host):
            raise SandboxError(str(error), hint=steps) from error
    if not host.has_daemon:
        _install(say)
    return _started(host, say)


def by_hand(host: Host) -> str | None:
    """Return the commands that a person must type, or None where setup may do it itself."""
    if host.chosen_engine:
        return f"DOCKER_HOST is {host.chosen_engine}: start that engine, or unset DOCKER_HOST"
    if host.system != "Linux" or not host.is_debian:
        return ANOTHER_SYSTEM
    if host.is_root:
        return None
    if host.has_socket:
        return f"if your user may not use the engine:  {JOIN_GROUP}\nelse start it:  {_start(host)}"
    packages = " ".join((*ENGINE_PACKAGES, *USER_PACKAGES))
    install = [] if host.has_daemon else [INSTALL.format(packages=packages)]
    return "\n".join(["type:", *install, _start(host), JOIN_GROUP])


def _start(host: Host) -> str:
    return "sudo systemctl enable --now docker" if host.has_systemd else "sudo dockerd &"


def this_host() -> Host:
    """Look at the machine."""
    from runner.sandbox.debian import is_debian, os_release

    return Host(
        system=platform.system(),
        is_root=os.geteuid() == 0,
        is_debian=is_debian(os_release()),
        # The folder that sd_booted(3) names: systemctl may be there without systemd at work.
        has_systemd=Path("/run/systemd/system").is_dir(),
        has_daemon=_daemon() is not None,
        has_socket=SOCKET.exists(),
        chosen_engine=os.environ.get("DOCKER_HOST") or None,
    )


def _daemon() -> str | None:
    return shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def _install(say: Say) -> None:
    from runner.sandbox.debian import BOOTSTRAP_PACKAGES, install

    packages = (*ENGINE_PACKAGES, *BOOTSTRAP_PACKAGES)
    say(f"no container engine here; installing the packages {', '.join(packages)}")
    install(packages)


def _started(host: Host, say: Say) -> DockerClient:
    # Installing the package may have started it already.
    if client := _answering(within=SETTLE_SECONDS):
        return client
    if host.has_systemd:
        say("starting the service docker")
        subprocess.run(
            ["systemctl", "enable", "--now", "docker"], check=False, timeout=START_SECONDS
        )
        daemon = None
    else:
        say(f"starting dockerd (its log: {DAEMON_LOG})")
        daemon = start_daemon(_daemon() or "dockerd", DAEMON_LOG)
    if client := _answering(within=START_SECONDS, daemon=daemon):
        return client
    raise _not_started(host)


def start_daemon(command: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a daemon that outlives this process and shares nothing with its terminal."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [command],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _answering(
    *, within: float, daemon: subprocess.Popen[bytes] | None = None
) -> DockerClient | None:
    from runner.sandbox.engine import connect

    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            return connect()
        except SandboxError:
            if daemon is not None and daemon.poll() is not None:
                return None
            time.sleep(0.25)
    return None


def _not_started(host: Host) -> SandboxError:
    if host.has_systemd:
        return SandboxError("the engine did not start", hint="see: journalctl -u docker")
    tail = DAEMON_LOG.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    lines = "\n".join(f"  {line}" for line in tail)
    return SandboxError(f"the engine did not start:\n{lines}", hint=f"its log: {DAEMON_LOG}")
