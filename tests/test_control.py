"""A run at work is paused, resumed and stopped from another process, and the journal knows it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from asked import AtWork, at_work
from click.testing import CliRunner, Result
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner.cli import cli
from runner.ends import Wish
from runner.scheduler import run_loop
from runner.session import ASKED
from runner.views.overview import Life


@pytest.fixture
def work(tmp_path, monkeypatch) -> Iterator[AtWork]:
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    with at_work(tmp_path, "even", "--experiments", "4") as found:
        yield found


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def told(*arguments: str) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_a_paused_run_ends_what_it_measures_and_waits_until_it_is_resumed(work):
    work.let(0)
    work.measures(1)
    assert "waits once what is measured has ended" in told("pause")
    before = work.wait_for(lambda seen: seen.progress and seen.progress.wish == Wish.PAUSE)
    assert before.life is Life.RUNNING, "experiment 1 is still measured"
    work.let(1, 2)
    waiting = work.wait_for(lambda seen: seen.life is Life.WAITING)
    assert waiting.standing.experiments == 2
    assert "PAUSED" in told("status", TAG)
    time.sleep(0.5)  # two looks of the loop
    assert work.look().standing.experiments == 2, "nothing new began"
    assert "goes on" in told("resume", TAG)
    work.measures(3)
    work.let(3, 4)
    code, output = work.ended()
    assert (code, "experiments: 4 of 4" in output) == (0, True)
    assert f"runner resume {TAG} goes on" in output
    assert [each["what"] for each in work.notes(ASKED)] == ["pause", "resume"]
    assert work.notes("run.held") == [{"under_way": [1]}]
    [went_on] = work.notes("run.went-on")
    assert went_on["seconds"] > 0


@pytest.mark.slow
def test_a_stopped_run_ends_after_the_experiment_at_work(work):
    work.let(0)
    work.measures(1)
    assert "ends once what is measured has ended" in told("stop", TAG)
    work.wait_for(lambda seen: seen.life is Life.STOPPING)
    assert "STOPPING" in told("status", TAG)
    work.let(1, 2)
    code, output = work.ended()
    assert (code, "asked to stop" in output) == (0, True)
    assert work.look().standing.experiments == 2
    assert work.notes(ASKED)[0] | {"pid": 0, "started": ""} == {
        "what": "stop", "pid": 0, "started": "", "via": "the command line",
    }  # fmt: skip
    assert work.notes("run.ended")[0]["reason"] == "asked to stop"
    refused = invoke("pause", TAG)
    assert refused.exit_code == 2
    assert f"runner run --resume {TAG}" in refused.output


@pytest.mark.slow
def test_stop_now_ends_the_experiment_too_and_a_paused_run_can_be_stopped(work):
    work.let(0)
    work.measures(1)
    told("pause")
    told("stop", "--now")
    code, output = work.ended()
    assert code != 0
    assert "runs again on resume" in output
    found = work.look()
    assert [each.number for each in found.unfinished] == [1]
    assert [each["what"] for each in work.notes(ASKED)] == ["pause", "stop-now"]


def test_what_was_asked_of_an_earlier_process_is_not_done_by_a_later_one(tmp_path):
    """A wish names its process, so that a resumed run does not stop for an old one."""
    with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0))) as session:
        for what in ("stop", "pause"):
            session.journal.event(TAG, ASKED, what=what, pid=1, started="an earlier one", via="x")
            assert session.wish is None
        end = run_loop(session, ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")]), experiments=1)
        assert end.reason == "experiments: 1 of 1"


def test_without_a_run_at_work_each_says_so_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0))) as session:
        run_loop(session, ScriptedAgent([]), experiments=0)
        before = session.journal.head(TAG)
        for words in (("pause",), ("resume", TAG), ("stop", TAG, "--now")):
            result = invoke(*words)
            assert result.exit_code == 2
            assert "at work" in result.output
        assert session.journal.head(TAG) == before
