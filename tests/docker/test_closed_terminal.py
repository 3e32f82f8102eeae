"""A terminal that is closed, or a signal, under each command that starts containers."""

from __future__ import annotations

import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from homes import Home
from single import wait_until
from terminals import AtTerminal, at_terminal

from runner import engines
from runner.errors import StoppedError
from runner.paths import PROJECT, State

pytestmark = pytest.mark.docker

QUICK = PROJECT / "tests" / "scripts" / "quick-policy.yaml"
SOON_SECONDS = 10.0
ENDS: dict[str, Callable[[AtTerminal], None]] = {
    "closed": lambda found: found.close(),
    "SIGTERM": lambda found: found.process.send_signal(signal.SIGTERM),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Home]:
    """A state folder of its own: what is prepared anew here is not what others began with."""
    own = Home(tmp_path_factory.mktemp("closed"))
    own.ok("prepare", "eclip", "--seed", "7")
    yield own
    own.sweep()


@pytest.fixture(scope="module")
def patient(tmp_path_factory) -> str:
    """A policy that leaves a busy machine time; nothing here is about deadlines."""
    path = tmp_path_factory.mktemp("policy") / "patient.yaml"
    path.write_text(QUICK.read_text().replace("startup: 20s", "startup: 120s"))
    return str(path)


@pytest.fixture(scope="module")
def begun(home: Home, patient: str) -> str:
    """A run that was stopped at its baseline."""
    words = ["baseline", "eclip", "--tag", "begun", "--policy", patient]
    with closing(engines.connect()) as client, at_runner(home, *words) as found:
        wait_until(lambda: running(client, home, "-train"), seconds=120)
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(60) == StoppedError.exit_code
    return "begun"


@pytest.fixture(params=["run", "prepare", "task check", "analyze", "step"])
def command(request, begun: str, patient: str, tmp_path: Path) -> tuple[list[str], str]:
    """A command, and what its container's name ends with."""
    if request.param == "run":
        tag = f"closed-{uuid.uuid4().hex[:8]}"
        return ["run", "eclip", "--tag", tag, "--policy", patient], "-train"
    if request.param == "prepare":
        return ["prepare", "eclip", "--force"], "-prepare-eclip"
    if request.param == "task check":
        return ["task", "check", "eclip"], "-train"
    if request.param == "analyze":
        endless = tmp_path / "endless.py"
        endless.write_text("while True: pass\n")
        return ["analyze", begun, "--file", str(endless)], "-analysis"
    return ["step", begun], "-train"


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_its_containers_are_gone_soon_after(home: Home, command, end):
    arguments, container = command
    with closing(engines.connect()) as client:
        with at_runner(home, *arguments) as found:
            wait_until(lambda: running(client, home, container), seconds=120)
            end(found)
            begun = time.monotonic()
            assert found.process.wait(60) == StoppedError.exit_code
            assert time.monotonic() - begun < SOON_SECONDS
        assert client.leftovers(labels(home)) == sealed(home)
    assert list((home.path / "stage").iterdir()) == []


def at_runner(home: Home, *arguments: str) -> AbstractContextManager[AtTerminal]:
    words = [sys.executable, "-m", "runner", *arguments]
    return at_terminal(words, cwd=PROJECT, env=home.environment)


def labels(home: Home) -> dict[str, str]:
    return {engines.HOME_LABEL: State(home.path).id}


def sealed(home: Home) -> list[str]:
    return [f"volume runner-{State(home.path).id}-sealed-eclip"]


def running(client, home: Home, container: str) -> bool:
    filters = {"label": [f"{key}={value}" for key, value in labels(home).items()]}
    found = client.api.containers(filters=filters)
    return any(each["Names"][0].endswith(container) for each in found)
