"""How the end of a box is said; no container is started here."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from runner.box import run, run_in_box
from runner.engines.container import ContainerResult, Ended
from runner.engines.protocol import Usage
from runner.errors import StoppedError
from runner.locks import BOXES, TRIALS, turn
from runner.seams import BoxEnd

SESSION = SimpleNamespace(
    policy=SimpleNamespace(agent=SimpleNamespace(minutes=30)),
    person=SimpleNamespace(say=lambda _: None),
)
WORK = SimpleNamespace(answer=None)


def a_sandbox():
    return SimpleNamespace(abort=threading.Event(), forget=lambda _: None)


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_LOCKS", str(tmp_path / "locks"))


@contextmanager
def a_trial_elsewhere():
    with turn(TRIALS, BOXES, print, lambda: False):
        yield


@pytest.mark.timeout(10)
def test_a_box_that_waits_for_its_turn_ends_when_the_person_asks_to_stop():
    with a_trial_elsewhere():
        ended = run_in_box(SESSION, a_sandbox(), WORK, lambda: True)
    assert ended == BoxEnd(why="the person asked to stop", seconds=0, cpu_seconds=None)


@pytest.mark.timeout(10)
def test_and_everything_does_when_the_run_is_broken_off():
    sandbox = a_sandbox()
    sandbox.abort.set()
    with a_trial_elsewhere(), pytest.raises(StoppedError):
        run_in_box(SESSION, sandbox, WORK, lambda: False)


@pytest.mark.parametrize(
    ("code", "killed", "why"),
    [
        pytest.param(137, True, "it needed more than agent.memory", id="the box itself"),
        pytest.param(0, True, None, id="something that it tried"),
        pytest.param(1, False, None, id="no limit"),
    ],
)
def test_a_box_that_is_ended_for_its_memory_is_said_to_be(monkeypatch, code, killed, why):
    result = ContainerResult(
        ended=Ended.EXITED,
        exit_code=code,
        oom_killed=killed,
        stdout=b"",
        stderr=b"",
        output=b"",
        ran_seconds=3.0,
        usage=Usage(cpu_seconds=1.0),
    )

    @contextmanager
    def begun(*_):
        door = SimpleNamespace(answer_one=lambda *_, **__: None, is_worn_out=False)
        yield None, SimpleNamespace(finish=lambda *_: result), door

    monkeypatch.setattr(run, "_begun", begun)
    ended = run_in_box(SESSION, a_sandbox(), WORK, lambda: False)
    assert ended == BoxEnd(why=why, seconds=3.0, cpu_seconds=1.0)
