"""Baseline and best once more: on draws that nothing had, for the person alone."""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from click.testing import CliRunner
from fake_work import fake_work
from fakes import SHIPPED, TAG, FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored

from runner import control
from runner.audit.run import audit_run
from runner.by_hand.one_more import retried
from runner.cli import cli
from runner.ends import Wish
from runner.errors import ConfigError, SandboxError
from runner.paths import State
from runner.progress import Progress, Tracker, read
from runner.proposals.context import history_as_told
from runner.records import ExperimentStatus, Purpose, TrialResult, TrialSpec
from runner.replication import LOOK_SECONDS, replicate
from runner.scheduler import run_loop
from runner.supervise import replicated
from runner.views import running
from runner.views.replicated import measured_again

AGAIN = (Purpose.REPLICATION, Purpose.LOCKED_REPLICATION)
PROPOSALS = [edit("WIDTH = 32", "WIDTH = 64"), edit("WIDTH = 32", "WIDTH = 16")]
LEVELS = {0: 100.0, 1: 80.0, 2: 95.0}


def results(spec: TrialSpec) -> TrialResult:
    draw = random.Random(f"{spec.seed}")  # noqa: S311
    own = random.Random(f"{spec.seed} {spec.experiment}")  # noqa: S311
    return scored(LEVELS[spec.experiment] + 2 * draw.gauss(0, 1) + 0.1 * own.gauss(0, 1))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    with make_session(tmp_path, FakeSandbox(results), policy_text=SHIPPED) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=2)
    return tmp_path


def test_each_side_is_measured_on_the_same_fresh_draws_and_nothing_twice(folder):
    sandbox = FakeSandbox(results)
    with make_session(folder, sandbox, policy_text=SHIPPED) as session:
        before = history_as_told(session)
        decided = {t.seed for one in session.history for t in one.trials}
        replicate(session, 2)
        assert len(sandbox.specs) == 8, "two draws, two sides, two parts"
        replicate(session, 3)
        assert len(sandbox.specs) == 12
        assert history_as_told(session) == before
        assert session.now.best.number == 1
    assert [spec.experiment for spec in sandbox.specs[:4]] == [0, 1, 0, 1]
    assert {spec.purpose.part for spec in sandbox.specs} == {"holdout", "locked"}
    seeds = [spec.seed for spec in sandbox.specs]
    assert seeds[::2] == seeds[1::2]
    assert not decided & {*seeds}
    assert audit_run(State(folder / "state"), TAG, lambda _: ()).findings == ()


def test_what_was_cut_off_goes_on_where_it_was(folder):
    sandbox = FakeSandbox(results)

    def third_fails(spec: TrialSpec) -> TrialResult:
        if len(sandbox.specs) == 3:
            raise SandboxError("the engine is gone")
        return results(spec)

    sandbox.results = third_fails
    with (
        make_session(folder, sandbox, policy_text=SHIPPED) as session,
        pytest.raises(SandboxError),
    ):
        replicate(session, 2)
    sandbox.results = results
    with make_session(folder, sandbox, policy_text=SHIPPED) as session:
        replicate(session, 2)
    assert len(sandbox.specs) == 3 + 6


def test_after_a_kill_that_took_a_result_from_the_event_log_the_run_stays_clean(folder):
    events = State(folder / "state").events(TAG)
    lines = events.read_text().splitlines()
    del lines[max(number for number, line in enumerate(lines) if '"chain"' in line)]
    events.write_text("".join(f"{line}\n" for line in lines))
    with make_session(folder, FakeSandbox(results), policy_text=SHIPPED) as session:
        replicate(session, 1)
    assert audit_run(State(folder / "state"), TAG, lambda _: ()).findings == ()


def test_a_person_reads_both_sides_and_the_gain_with_its_interval(folder):
    with fake_work(folder, FakeSandbox(results), policy_text=SHIPPED):
        said = CliRunner().invoke(cli, ["replicate", TAG, "--seeds", "4"])
        status = CliRunner().invoke(cli, ["status"]).stdout
        as_json = CliRunner().invoke(cli, ["replicate", TAG, "--seeds", "4", "--json"])
    assert said.exit_code == 0, said.output
    assert "experiment 1, mean_rank" in said.stdout
    assert said.stdout.count("on 4 draws, a gain with more than 97 %") == 2
    assert "on fresh draws: holdout gain +" in status
    found = json.loads(as_json.stdout)
    assert [*found["parts"]] == ["holdout", "locked part"]
    assert found["parts"]["holdout"]["gain"]["mean"] == pytest.approx(20, abs=0.3)
    assert found["parts"]["holdout"]["gain"]["margin"] < 0.5, "a draw's part cancels"


def test_a_draw_that_was_cut_off_between_its_splits_does_not_count(folder):
    with make_session(folder, FakeSandbox(results), policy_text=SHIPPED) as session:
        replicate(session, 1)
        metric, best = session.metric, session.now.best
        assert best is not None
        baseline = session.read(0)
    assert [len(part.gains) for part in measured_again(metric, baseline, best)] == [1, 1]
    of_another = replace(baseline.trials[0], split="another")
    baseline = replace(baseline, trials=(*baseline.trials, of_another))
    assert [len(part.gains) for part in measured_again(metric, baseline, best)] == [0, 1]


def test_a_failure_is_counted_and_its_draw_left_out(folder):
    def sometimes(spec: TrialSpec) -> TrialResult:
        again = spec.purpose in AGAIN
        return crashed() if again and spec.experiment and spec.index % 1000 == 1 else results(spec)

    with fake_work(folder, FakeSandbox(sometimes), policy_text=SHIPPED):
        said = CliRunner().invoke(cli, ["replicate", "--seeds", "3"])
    assert said.stdout.count("on 2 draws, a gain with more than 97 %; 1 failed trial") == 2


def test_a_person_pauses_it_and_stops_it_from_elsewhere(folder):
    path = State(folder / "state").progress(TAG)
    path.parent.mkdir(parents=True, exist_ok=True)
    seen: list[bool] = []

    def is_held(found: Progress | None) -> bool:
        return found is not None and found.wish == Wish.PAUSE and not found.activities

    def asks(spec: TrialSpec) -> TrialResult:
        if len(sandbox.specs) == 2:
            control.ask(State(folder / "state"), TAG, Wish.PAUSE)
            threading.Thread(target=stopped_later).start()
        return results(spec)

    def stopped_later() -> None:
        end = time.monotonic() + 60
        while not (held := is_held(read(path))) and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
        seen.append(held)
        time.sleep(3 * LOOK_SECONDS)  # in which nothing begins
        control.ask(State(folder / "state"), TAG, Wish.STOP)

    sandbox = FakeSandbox(asks)
    with (
        Tracker.at(path) as tracker,
        make_session(folder, sandbox, policy_text=SHIPPED, progress=tracker) as session,
    ):
        replicate(session, 10)
    assert len(sandbox.specs) == 2
    assert seen == [True]


@pytest.mark.parametrize(
    ("ask", "command"),
    [
        (lambda: replicated(TAG, 7), f"runner replicate {TAG} --seeds 7"),
        (lambda: retried(TAG, 2), f"runner retry 2 {TAG}"),
    ],
    ids=["replicate", "retry"],
)
def test_what_was_killed_goes_on_with_the_command_that_it_was(folder, monkeypatch, ask, command):
    path = State(folder / "state").progress(TAG)
    path.parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def at_work(_state, request, _person):
        with Tracker.at(path, request.command):
            raise SandboxError(running.going_on(read(path), TAG))
        yield

    monkeypatch.setattr("runner.supervise.at_work", at_work)
    with pytest.raises(SandboxError, match=command):
        ask()


def test_a_run_without_a_keep_has_no_gain_to_measure(tmp_path):
    with make_session(tmp_path, FakeSandbox(results), policy_text=SHIPPED) as session:
        run_loop(session, experiments=0)
        assert session.read(0).status is ExperimentStatus.KEPT
        with pytest.raises(ConfigError, match="nothing was kept but the baseline"):
            replicate(session, 2)
