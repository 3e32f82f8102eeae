"""A run at work is seen to be at work from other processes, and a killed one to be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import SHIPPED, TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import progress
from runner.draws import index
from runner.progress import DEVICE, Activity, Progress, Tracker
from runner.records import Purpose, TrialResult, TrialSpec
from runner.scheduler import run_loop
from runner.views import running

DRIVER = Path(__file__).with_name("progress_driver.py")
Look = Callable[..., str]


@pytest.fixture
def supervisor(tmp_path) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the second trial of experiment 1."""
    command = [sys.executable, str(DRIVER), str(tmp_path)]
    path = os.pathsep.join(map(str, (DRIVER.parent, DRIVER.parent.parent)))
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "waiting\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def look(tmp_path) -> Look:
    """Run a command that reads, in a process of its own."""

    def looked(*arguments: str) -> str:
        environment = {**os.environ, "RUNNER_HOME": str(tmp_path / "state")}
        command = [sys.executable, "-m", "runner", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env=environment,
            cwd=DRIVER.parent.parent,
        ).stdout  # fmt: skip

    return looked


@pytest.mark.slow
def test_a_run_at_work_is_seen_to_run_and_where_it_is(supervisor, look):
    status = look("status", TAG)
    assert f"RUNNING  process {supervisor.pid}, until experiment 2" in status
    assert "a trial of experiment 1, train (trial 2 of 2, seed 2 of 2): " in status
    assert "of at most 20 s; the trial " in status
    assert ", usually 0 s" in status
    assert "ends on resume" not in status
    assert "1, RUNNING" in look("list") or "2, RUNNING" in look("list")
    table = look("list", TAG)
    assert "RUNNING" in table
    assert "UNFINISHED" not in table
    assert "[]" not in table
    document = json.loads(look("status", TAG, "--json"))["running"]
    assert (document["alive"], document["pid"]) == (True, supervisor.pid)
    [at] = document["activities"]
    assert (at["stage"], at["seed"], at["seeds"], at["most_seconds"]) == ("train", 2, 2, 20.0)
    assert 0 <= at["stage_seconds"] < 60
    [listed] = json.loads(look("list", "--json"))
    assert listed["running"]["pid"] == supervisor.pid
    assert [each["running"] for each in json.loads(look("list", TAG, "--json"))] == [False, True]


@pytest.mark.slow
def test_a_killed_run_is_seen_to_be_killed_and_what_resuming_does(supervisor, look):
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    status = look("status", TAG)
    assert f"NOT RUNNING  process {supervisor.pid} was killed at a trial of experiment 1" in status
    assert f"run --resume {TAG} --experiments 2 goes on, and runs what was cut off again" in status
    assert "experiment 1 ends on resume" in status
    assert "UNFINISHED" in look("list", TAG)
    assert json.loads(look("list", "--json"))[0]["running"]["alive"] is False


def test_a_trial_of_the_best_is_said_to_be_one_and_has_the_draw_of_the_candidate(tmp_path):
    path = tmp_path / "progress.json"
    seen = {}

    def score(spec: TrialSpec) -> TrialResult:
        if spec.purpose is Purpose.DECISION:
            [at] = running.doing(progress.read(path), 0.0, alive=True)
            seen[spec.experiment, spec.index] = running.whole(at)
        noise = (1.0, -1.0, 0.0, 2.0, -2.0)[spec.index % 5] + 0.0001 * spec.index
        return scored(100.0 - 3.5 * spec.experiment + noise)

    sandbox, tracker = FakeSandbox(score), Tracker(path)
    with make_session(tmp_path, sandbox, policy_text=SHIPPED, progress=tracker) as session:
        run_loop(session, ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")]), experiments=1)
    assert seen[1, index(1, 1)] == "a trial of experiment 1 (trial 2 of 14, seed 2 of 14)"
    assert seen[0, index(1, 0)] == "a trial of the best, for experiment 1 (seed 1 of 14)"


# -- the file itself --------------------------------------------------------------------------


def test_the_file_is_gone_when_the_run_has_ended_and_says_who_is_at_what_before(tmp_path):
    path = tmp_path / "progress.json"
    with Tracker.at(path) as tracker:
        tracker.course(20)
        with tracker.doing("proposal 3", "the agent thinks about", experiment=3):
            tracker.now(DEVICE, "waiting for device cpu, in use by run b (process 7)")
            found = progress.read(path)
            assert found is not None
            assert found.alive
            assert found.experiments == 20
            assert set(found.activities) == {"proposal 3", DEVICE}
            shown = [text for _, text in running.rows(found, "t", "runner")]
            assert shown[1].startswith("waiting for device cpu, in use by run b (process 7): 0 s")
            assert shown[2].startswith("the agent thinks about experiment 3: 0 s")
        left = progress.read(path)
        assert left is not None
        assert set(left.activities) == {DEVICE}
    assert progress.read(path) is None


def test_whoever_goes_on_after_a_kill_goes_no_further_than_was_asked():
    killed = replace(Progress(activities={}), pid=2**30)
    assert not killed.alive
    for experiments, command in (
        (20, "run --resume t --experiments 20 "),
        (None, "run --resume t "),
    ):
        [(_, said)] = running.rows(replace(killed, experiments=experiments), "t", "runner")
        assert f"runner {command}goes on" in said


def test_elapsed_time_does_not_depend_on_the_clock(monkeypatch):
    at = Activity(what="a trial of", experiment=1, stage="train", most_seconds=20.0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    later = progress.machine_seconds() + 12.0
    monkeypatch.setattr(running, "machine_seconds", lambda: later)
    [found] = running.doing(Progress(activities={DEVICE: at}), later, alive=True)
    assert running.sentence(found) == "a trial of experiment 1, train: 12 s of at most 20 s"


def test_a_number_that_another_process_got_later_is_not_the_supervisor():
    own = Progress(activities={})
    assert own.alive
    boot, ticks = own.started.split(" ")
    assert not replace(own, started=f"{boot} 1").alive
    assert not replace(own, started=f"another-start-of-the-machine {ticks}").alive


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"activities": {"a": {"b": 1}}}', "null"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path, text):
    path = tmp_path / "progress.json"
    path.write_text(text)
    assert progress.read(path) is None


ODD = {
    "began": ["x", None, float("nan"), float("inf"), 10**400, []],
    "stage_began": ["x", None, float("-inf")],
    "most_seconds": ["x", float("nan")],
    "usual_seconds": [{}, True],
    "what": [3, None, ["x"]],
    "experiment": ["1", 1.5],
    "pid": [0, -1, 2**31, 10**30, "12", 1.5, None],
    "started": [5],
    "experiments": ["x", []],
}


@pytest.mark.parametrize("name", ODD)
def test_a_value_that_nobody_wrote_there_says_nothing_and_ends_no_view(tmp_path, name):
    path = tmp_path / "progress.json"
    with Tracker.at(path) as tracker, tracker.doing(DEVICE, "a trial of", experiment=1):
        sound = path.read_text()
    for value in ODD[name]:
        document = json.loads(sound)
        parts = (document["activities"][DEVICE], document)
        next(part for part in parts if name in part)[name] = value
        path.write_text(json.dumps(document))
        assert progress.read(path) is None, value
    path.write_text("[" * 100_000)
    assert progress.read(path) is None
    path.write_text(sound)
    assert progress.read(path) is not None


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_in_its_place_says_nothing_at_once(tmp_path, kind):
    path = tmp_path / "progress.json"
    make = {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda at: at.symlink_to("/dev/zero")}
    make[kind](path)
    assert progress.read(path) is None


def test_an_output_that_goes_while_it_is_looked_for_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    monkeypatch.setattr(progress, "_outputs", lambda path: [path.with_name("printed-device")])
    assert progress.printed(tmp_path / "progress.json") == ("", "")


def test_an_agent_hears_how_long_and_neither_seeds_nor_other_runs():
    def told(at: Activity) -> str:
        return running.told(Progress(activities={DEVICE: at}))

    trial = Activity(what="a trial of", experiment=1, trial=2, trials=2, seed=2, seeds=2,
                     stage="train", most_seconds=20.0, usual_seconds=33.0)  # fmt: skip
    assert told(trial) == (
        " (a trial of experiment 1, train: 0 s of at most 20 s; the trial 0 s, usually 33 s)"
    )
    wait = Activity(what="waiting for device cpu, in use by run secret (process 7)")
    assert told(wait) == " (waiting for device cpu: 0 s)"
    assert running.told(None) == ""
