"""What setup may do by itself, what it asks a person to type, and how it starts a daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.setup import Host, by_hand, start_daemon

ROOT = Host(
    system="Linux",
    is_root=True,
    is_debian=True,
    has_systemd=False,
    has_daemon=False,
    has_socket=False,
    chosen_engine=None,
)
USER = replace(ROOT, is_root=False)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(ROOT, id="nothing installed"),
        pytest.param(replace(ROOT, has_daemon=True), id="installed and not running"),
        pytest.param(replace(ROOT, has_socket=True), id="a socket that nobody answers"),
    ],
)
def test_root_on_debian_needs_nobody(host: Host) -> None:
    assert by_hand(host) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param(
            USER,
            [
                "sudo apt-get install --no-install-recommends docker.io iptables mmdebstrap uidmap",
                "sudo dockerd &",
                "sudo usermod -aG docker $USER",
            ],
            id="an ordinary user",
        ),
        pytest.param(
            replace(USER, has_daemon=True, has_systemd=True),
            ["sudo systemctl enable --now docker", "sudo usermod -aG docker $USER"],
            id="an ordinary user, engine installed",
        ),
        pytest.param(
            replace(USER, has_socket=True, has_daemon=True),
            ["sudo usermod -aG docker $USER"],
            id="an ordinary user outside the group",
        ),
        pytest.param(
            replace(ROOT, is_debian=False), ["20.10", "DOCKER_HOST"], id="another distribution"
        ),
        pytest.param(replace(ROOT, system="Darwin"), ["20.10", "DOCKER_HOST"], id="macOS"),
        pytest.param(
            replace(ROOT, chosen_engine="tcp://there:2375"),
            ["tcp://there:2375", "unset DOCKER_HOST"],
            id="an engine that the person chose",
        ),
    ],
)
def test_everybody_else_gets_the_commands(host: Host, expected: list[str]) -> None:
    steps = by_hand(host)
    assert steps is not None
    assert [words for words in expected if words not in steps] == []


def test_installed_packages_are_not_asked_for_again() -> None:
    assert "apt-get" not in (by_hand(replace(USER, has_daemon=True)) or "")


def test_a_daemon_outlives_the_terminal_and_keeps_a_log(tmp_path: Path) -> None:
    script = tmp_path / "daemon"
    script.write_text("#!/bin/sh\necho up\npwd\nexec sleep 60\n")
    script.chmod(0o755)
    log = tmp_path / "daemon.log"
    daemon = start_daemon(str(script), log)
    try:
        deadline = time.monotonic() + 10
        while log.read_text() != "up\n/\n":
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        assert os.getsid(daemon.pid) == daemon.pid != os.getsid(0)
        assert Path(f"/proc/{daemon.pid}/fd/0").readlink() == Path("/dev/null")
    finally:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()


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
