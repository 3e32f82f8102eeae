"""What fails on our side pauses the run with one clear message, counts nothing, and can go on."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from homes import with_bare_template

from runner.paths import PROJECT

pytestmark = pytest.mark.docker

QUICK = PROJECT / "tests" / "scripts" / "quick-policy.yaml"
ENGINE = "/var/run/docker.sock"


@pytest.fixture(scope="module")
def home(home, tmp_path_factory):
    return with_bare_template(home, tmp_path_factory.mktemp("project"), waits=True)


def start(home, *arguments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "runner", "run", *arguments],
        cwd=home.project,
        env={**home.environment, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def new_run(tag: str, experiments: int = 1) -> list[str]:
    return ["eclip", "--tag", tag, "--policy", str(QUICK), "--experiments", str(experiments)]


def wait_for(happened, *, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def training(tag: str) -> bool:
    """Whether a trainer of this run is up."""
    listed = subprocess.check_output(
        ["docker", "ps", "--filter", f"label=runner.run={tag}", "--format", "{{.Names}}"], text=True
    )
    return any(name.endswith("-train") for name in listed.split())


def leftovers(tag: str) -> str:
    label = f"label=runner.run={tag}"
    containers = subprocess.check_output(["docker", "ps", "-aq", "--filter", label], text=True)
    volumes = subprocess.check_output(
        ["docker", "volume", "ls", "-q", "--filter", label], text=True
    )
    return containers + volumes


class Proxy:
    """A way to the engine that can be cut, as if the engine had stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: list[socket.socket] = []
        self._copies: list[threading.Thread] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(ENGINE)
            self._connections += [client, engine]
            for pair in ((client, engine), (engine, client)):
                copy = threading.Thread(target=self._copy, args=pair, daemon=True)
                self._copies.append(copy)
                copy.start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self) -> None:
        self._server.close()
        self.path.unlink(missing_ok=True)
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for copy in self._copies:
            copy.join(timeout=10)
        for connection in self._connections:
            connection.close()


@pytest.fixture
def proxy(tmp_path) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path / "engine.sock")
    yield proxy
    proxy.cut()


def assert_paused(home, tag: str, output: str, code: int) -> None:
    """One message and a hint, no traceback; nothing counted, no score made up."""
    assert code not in (0, 1), output
    assert "Traceback" not in output, output
    assert output.count("error: ") == 1, output
    counted = [found for found in home.json("list", tag) if found["status"]]
    assert counted == []


def assert_goes_on(home, tag: str) -> None:
    home.ok("run", "--resume", tag, "--experiments", "0")
    [baseline] = home.json("list", tag)
    assert baseline["status"] == "kept"
    assert len([t for t in baseline["trials"] if t["purpose"] == "decision"]) == 1
    assert leftovers(tag) == ""
    assert home.runner("audit", tag).returncode == 0


def test_an_engine_that_stops_pauses_the_run(home, proxy):
    run = start(home, *new_run("stopped"), DOCKER_HOST=f"unix://{proxy.path}")
    wait_for(lambda: training("stopped"))
    proxy.cut()
    output, _ = run.communicate(timeout=120)
    assert_paused(home, "stopped", output, run.returncode)
    assert_goes_on(home, "stopped")


def test_an_engine_that_is_not_there_is_said_before_anything_starts(home, tmp_path):
    nowhere = f"unix://{tmp_path}/nowhere.sock"
    run = start(home, *new_run("nowhere"), DOCKER_HOST=nowhere)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 3
    assert "reaching the container engine" in output
    assert "hint: " in output


def test_a_missing_image_pauses_the_run(home):
    home.ok("run", *new_run("imageless", experiments=0))
    with sqlite3.connect(home.path / "journal.sqlite") as journal:
        journal.execute(
            "UPDATE runs SET image_id = 'sha256:' || hex(zeroblob(32)) WHERE tag = 'imageless'"
        )
    before = home.json("list", "imageless")
    run = start(home, "--resume", "imageless", "--experiments", "1")
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 3, output
    assert "No such image" in output
    assert "Traceback" not in output
    assert [found for found in home.json("list", "imageless") if found["status"]] == before


def test_a_disk_that_takes_no_more_pauses_the_run(home):
    """Files beyond a few kilobytes are refused, as on a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384))

    run = subprocess.run(
        [sys.executable, "-m", "runner", "run", *new_run("full")],
        cwd=home.project, env=home.environment, capture_output=True, text=True,
        preexec_fn=limit, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode not in (0, 1), run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert run.stderr.count("error: ") == 1


def test_a_locked_journal_pauses_the_run(home):
    run = start(home, *new_run("locked"))
    wait_for(lambda: training("locked"))
    holder = sqlite3.connect(home.path / "journal.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        output, _ = run.communicate(timeout=180)
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert run.returncode == 4, output
    assert "database is locked" in output
    assert "Traceback" not in output
    assert_goes_on(home, "locked")


def test_one_tag_twice_is_refused_saying_who_holds_it(home):
    run = start(home, *new_run("twice", experiments=0))
    try:
        wait_for(lambda: training("twice"))
        second = home.runner("run", "--resume", "twice", "--experiments", "0")
        assert second.returncode == 5
        assert f"process {run.pid}" in second.stderr
    finally:
        output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output


def test_the_second_run_on_a_device_waits_and_says_for_whom(home):
    first = start(home, *new_run("first", experiments=0))
    wait_for(lambda: training("first"))
    second = start(home, *new_run("second", experiments=0))
    waited, _ = second.communicate(timeout=240)
    output, _ = first.communicate(timeout=240)
    assert first.returncode == 0, output
    assert second.returncode == 0, waited
    assert f"waiting for device cpu-0, in use by run first (process {first.pid})" in waited


def test_ctrl_c_once_finishes_the_experiment_and_ends(home):
    run = start(home, *new_run("once", experiments=5))
    wait_for(lambda: training("once"))
    os.kill(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=240)
    assert run.returncode == 0, output
    assert "asked to stop" in output
    assert [found["status"] for found in home.json("list", "once")] == ["kept"]


def test_ctrl_c_twice_kills_the_containers_and_still_records(home):
    run = start(home, *new_run("enough", experiments=5))
    wait_for(lambda: training("enough"))
    os.kill(run.pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130, output
    assert leftovers("enough") == ""
    [unfinished] = home.json("list", "enough")
    assert unfinished["status"] is None
    assert "stopped by the person" in home.ok("status", "enough")
    assert_goes_on(home, "enough")
