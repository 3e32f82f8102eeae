"""How the runtime runsc is registered: only where nobody's own settings are in the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from runner.paths import PROJECT

SCRIPT = PROJECT / "images" / "runsc.sh"


class Host:
    """A machine as the script sees it; its engine has what its configuration says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "etc" / "daemon.json"
        for name in ("cat", "grep", "mkdir", "sleep"):
            (folder / name).symlink_to(shutil.which(name) or name)
        self.tool("docker", f"cat {self.config}")
        self.tool("id", "echo 0")
        self.tool("apt-get", f'echo "$*" >> {folder}/typed')

    def tool(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def run(self, daemon: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "pid").write_text(str(daemon))
        said = {
            "PATH": str(self.folder),
            "DAEMON_CONFIG": str(self.config),
            "DAEMON_PID": str(self.folder / "pid"),
        }
        return subprocess.run(
            ["/bin/sh", SCRIPT], env=said | environment,
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip

    @property
    def typed(self) -> list[str]:
        path = self.folder / "typed"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_engine_that_has_it_is_left_alone(host: Host) -> None:
    host.tool("docker", """echo '{"runc": {}, "runsc": {}}'""")
    assert (host.run().returncode, host.typed, host.config.exists()) == (0, [], False)


@pytest.mark.slow
def test_root_installs_it_and_has_the_engine_read_its_settings_again(host: Host) -> None:
    with subprocess.Popen(["sleep", "60"]) as daemon:
        done = host.run(daemon.pid)
        assert daemon.wait(10) == -signal.SIGHUP
    assert done.returncode == 0, done.stderr
    assert host.typed[-1] == "install -y -qq --no-install-recommends runsc"
    settings = json.loads(host.config.read_text())["runtimes"]["runsc"]
    assert "--host-uds=all" in settings["runtimeArgs"], "a served model's socket"


@pytest.mark.parametrize("why", ["settings of one's own", "no root", "another engine"])
def test_otherwise_it_says_what_to_do_and_changes_nothing(host: Host, why: str) -> None:
    environment = {}
    if why == "settings of one's own":
        host.config.parent.mkdir()
        host.config.write_text("{}")
    elif why == "no root":
        host.tool("id", "echo 1000")
    else:
        environment["DOCKER_HOST"] = "unix:///elsewhere.sock"
    done = host.run(**environment)
    assert (done.returncode, host.typed) == (2, [])
    assert '"runsc"' in done.stderr
    assert not host.config.exists() or host.config.read_text() == "{}"
