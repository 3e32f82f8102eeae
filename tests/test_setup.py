"""What setup may do by itself, what it asks a person to type, and how it starts a daemon."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner.setup import BY_HAND, ENGINE

USER, ROOT = "echo 1000", "echo 0"
INSTALLED = ["update -qq", "install -y -qq --no-install-recommends docker.io iptables"]


@dataclass
class Host:
    """A machine as the script sees it: a few tools, and what it reads."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def tool(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        said = {
            "PATH": str(self.folder),
            "OS_RELEASE": str(self.folder / "os-release"),
            "SYSTEMD": str(self.folder / "systemd"),
            "SYSTEM_PATH": str(self.folder),
            "SOCKET": str(self.folder / "docker.sock"),
            "DAEMON_LOG": str(self.log),
        }
        return subprocess.run(
            ["/bin/sh", ENGINE], env=said | self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"

    @property
    def typed(self) -> list[str]:
        path = self.folder / "typed"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Debian without an engine, seen by an ordinary user; only this host's tools are found."""
    found = Host(tmp_path)
    for name in ("cat", "chmod", "pwd", "setsid", "sleep", "tail"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "os-release").write_text("ID=debian\n")
    found.tool("uname", "echo Linux")
    found.tool("id", USER)
    found.tool("later", f"echo $$ > {tmp_path}/pid; echo up; pwd; exec sleep 60")
    dockerd = tmp_path / "dockerd"
    install = f"cat {tmp_path}/later > {dockerd}; chmod +x {dockerd}"
    found.tool("apt-get", f'echo "$*" >> {tmp_path}/typed; {install}')
    return found


@pytest.fixture
def daemon(host: Host) -> Iterator[Callable[[], int]]:
    """Return the process of the daemon that was started; it ends with the test."""

    def started() -> int:
        return int((host.folder / "pid").read_text())

    yield started
    os.kill(started(), signal.SIGKILL)


@pytest.mark.slow
def test_root_on_debian_needs_nobody(host: Host, daemon: Callable[[], int]) -> None:
    host.tool("id", ROOT)
    done = host.run()
    assert (done.returncode, host.typed) == (0, INSTALLED)
    assert done.stdout.splitlines() == [
        "no container engine here; installing the packages docker.io iptables",
        f"starting dockerd (its log: {host.log})",
    ]


@pytest.mark.slow
def test_an_installed_engine_is_only_started(host: Host, daemon: Callable[[], int]) -> None:
    host.tool("id", ROOT)
    (host.folder / "later").rename(host.folder / "dockerd")
    (host.folder / "docker.sock").touch()  # that nobody answers at
    done = host.run()
    assert (done.returncode, host.typed) == (0, [])
    assert "installing" not in done.stdout


@pytest.mark.slow
def test_a_daemon_outlives_the_terminal_and_keeps_a_log(
    host: Host, daemon: Callable[[], int]
) -> None:
    host.tool("id", ROOT)
    host.run()
    assert host.log.read_text() == "up\n/\n"
    assert os.getsid(daemon()) == daemon() != os.getsid(0)
    assert Path(f"/proc/{daemon()}/fd/0").readlink() == Path("/dev/null")


def test_a_daemon_that_ends_at_once_is_told_with_its_last_words(host: Host) -> None:
    host.tool("id", ROOT)
    host.tool("dockerd", "echo no iptables; exit 1")
    done = host.run()
    assert (done.returncode, done.stderr) == (1, "no iptables\n")


def test_where_systemd_is_at_work_it_starts_the_engine(host: Host) -> None:
    host.tool("id", ROOT)
    host.tool("dockerd", "exit 1")
    host.tool("systemctl", f'echo "$*" >> {host.folder}/typed')
    (host.folder / "systemd").mkdir()
    assert host.run().returncode == 0
    assert host.typed == ["enable --now docker"]


@pytest.mark.parametrize(
    ("tools", "files", "environment", "expected"),
    [
        pytest.param(
            {},
            {},
            {},
            [
                "sudo apt-get install --no-install-recommends docker.io iptables mmdebstrap uidmap",
                "sudo dockerd &",
                "sudo usermod -aG docker $USER",
            ],
            id="an ordinary user",
        ),
        pytest.param(
            {"dockerd": ""},
            {"systemd": ""},
            {},
            ["sudo systemctl enable --now docker", "sudo usermod -aG docker $USER"],
            id="an ordinary user, engine installed",
        ),
        pytest.param(
            {"dockerd": ""},
            {"docker.sock": ""},
            {},
            ["sudo usermod -aG docker $USER"],
            id="an ordinary user outside the group",
        ),
        pytest.param(
            {"id": ROOT},
            {"os-release": "ID=fedora\n"},
            {},
            ["20.10", "DOCKER_HOST"],
            id="another distribution",
        ),
        pytest.param(
            {"id": ROOT, "uname": "echo Darwin"}, {}, {}, ["20.10", "DOCKER_HOST"], id="macOS"
        ),
    ],
)
def test_everybody_else_gets_the_commands(
    host: Host,
    tools: dict[str, str],
    files: dict[str, str],
    environment: dict[str, str],
    expected: list[str],
) -> None:
    for name, script in tools.items():
        host.tool(name, script)
    for name, content in files.items():
        if name == "systemd":
            (host.folder / name).mkdir()
        else:
            (host.folder / name).write_text(content)
    host.environment |= environment
    done = host.run()
    assert (done.returncode, done.stdout, host.typed) == (BY_HAND, "", [])
    assert [words for words in expected if words not in done.stderr] == []


def test_installed_packages_are_not_asked_for_again(host: Host) -> None:
    host.tool("dockerd", "")
    assert "apt-get" not in host.run().stderr


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment in which no engine answers and nothing may be installed."""
    return os.environ | {
        "DOCKER_HOST": f"unix://{tmp_path}/no.sock",
        "RUNNER_HOME": str(tmp_path / "state"),
    }


def test_without_an_engine_setup_stops_with_what_to_do(nowhere: dict[str, str]) -> None:
    done = run(["setup"], nowhere)
    assert done.returncode == 3
    assert "error: reaching the container engine" in done.stderr
    assert "unset DOCKER_HOST" in done.stderr
    assert "Traceback" not in done.stderr


def run(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


# -- what setup makes of the script ------------------------------------------------------------


def test_an_engine_that_answers_after_its_start_is_used(tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(ANSWERS)
    daemon = f"{sys.executable} {tmp_path}/daemon.py {tmp_path}/no.sock"
    done = reached(tmp_path, f"echo starting\n{daemon} > /dev/null 2>&1 & echo $! > {tmp_path}/pid")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert done.stdout.splitlines() == ["starting", "it answers"], done.stderr


def test_an_engine_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    done = reached(tmp_path, "echo no iptables >&2; exit 1")
    assert "SandboxError: the engine did not start:\n  no iptables\n" in done.stderr


def reached(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Set up with another script; in a process, since a client that fails leaves its socket."""
    (folder / "engine.sh").write_text(script)
    program = (
        "import sys, pathlib; from runner import setup; from runner.engines import docker\n"
        "docker.named_engine = lambda: ('', '')  # as if it were the usual one\n"
        "setup.ENGINE, setup.SETTLE_SECONDS = pathlib.Path(sys.argv[1]), 0.0\n"
        "setup.reachable_engine(print).close(); print('it answers')"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(folder / "engine.sh")],
        env=os.environ | {"DOCKER_HOST": f"unix://{folder}/no.sock"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


ANSWERS = """
import http.server, socketserver, sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ApiVersion": "1.41"}')

    def address_string(self):
        return ""


socketserver.UnixStreamServer(sys.argv[1], Handler).serve_forever()
"""
