"""An undecided experiment, continued: on all its trials, by a person, through a kill."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner
from fake_work import fake_work
from fakes import SHIPPED, TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored
from proposers import PATIENCE

from runner.audit.run import audit_run
from runner.cli import cli
from runner.control import ask
from runner.dashboard import pages
from runner.decision import Verdict, verdict_in
from runner.draws import PER_EXPERIMENT
from runner.ends import Outcome, Wish
from runner.errors import ConfigError, SandboxError
from runner.journal.reader import open_reader
from runner.paths import State
from runner.progress import Tracker
from runner.prompt.history import digest, undecided
from runner.proposals.context import history_as_told, make_context
from runner.records import RETRY, Experiment, ExperimentStatus, TrialResult, TrialSpec
from runner.scheduler import HELD, run_loop

TEMPLATE = (101.0, 99.0, 100.0, 102.0, 98.0)
CLOSE = (97.9, 99.6, 98.4, 98.2, 99.9, 97.7, 98.8, 98.1, 99.5, 98.3, 98.5, 99.1, 98.6, 98.9)
POLICY = SHIPPED.replace("false_keeps: 0.05", "false_keeps: 0.01")
IDEA = edit("WIDTH = 32", "WIDTH = 64", "a wider network")


def scores(retried: Callable[[int], float]) -> Callable[[TrialSpec], TrialResult]:
    """Score the template around 100, the idea a little below, and its retries as said."""

    def score(spec: TrialSpec) -> TrialResult:
        count = spec.index % PER_EXPERIMENT
        own = 0.0001 * spec.index  # equal scores count once
        if spec.experiment == 0:
            return scored(TEMPLATE[count % 5] + own)
        return scored((CLOSE[count % 14] if spec.experiment == 1 else retried(count)) + own)

    return score


BETTER = scores(lambda count: 95.0 + 0.3 * (count % 3))
THE_SAME = scores(lambda count: TEMPLATE[(count + 2) % 5] + 0.1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Yield where a run lies whose only experiment is undecided."""
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    with make_session(tmp_path, FakeSandbox(BETTER), policy_text=POLICY) as session:
        run_loop(session, ScriptedAgent([IDEA]), experiments=1)
        found = session.read(1)
    assert verdict_in(found.reason) is Verdict.UNDECIDED, found.reason
    return tmp_path


def history(folder) -> tuple[Experiment, ...]:
    with open_reader(folder / "state" / "journal.sqlite") as journal:
        return journal.experiments(TAG)


def test_it_begins_with_all_that_was_measured_and_may_be_kept(folder):
    with fake_work(folder, FakeSandbox(BETTER), policy_text=POLICY):
        said = CliRunner().invoke(cli, ["retry", "1"])
    assert said.exit_code == 0, said.output
    _, before, after = history(folder)
    assert after.status is ExperimentStatus.KEPT
    assert after.origin is not None
    assert (after.origin.retries, after.origin.mode) == (1, RETRY)
    assert "a person asked" in after.origin.why
    assert (after.hypothesis, after.changes) == (before.hypothesis, before.changes)
    own = [t for t in after.trials if t.purpose.decides]
    assert len(own) < 14
    assert f"{len(before.trials) + len(own)} trials against" in after.reason
    assert f"on {len(own)} more seeds" in said.output
    with open_reader(folder / "state" / "journal.sqlite") as journal:
        page = pages.experiment(journal, State(folder / "state"), journal.find_run(TAG), 2)
    dots = page["dots"].count("<title>this: 2: ")
    assert dots == len(before.trials) + len(own)
    assert audit_run(State(folder / "state"), TAG, lambda _: ()).findings == ()


def test_what_is_still_between_the_two_ends_after_as_many_trials_again(folder):
    with make_session(folder, FakeSandbox(THE_SAME), policy_text=POLICY) as session:
        run_loop(session, experiments=None, retry=1)
    _, _, after = history(folder)
    assert after.status is ExperimentStatus.REVERTED
    assert len(after.trials) <= 14
    assert verdict_in(after.reason) in (Verdict.UNDECIDED, Verdict.WORSE)
    assert audit_run(State(folder / "state"), TAG, lambda _: ()).findings == ()


def test_a_kill_in_its_middle_loses_nothing_and_asks_for_nothing_twice(folder):
    sandbox = FakeSandbox(BETTER)

    def second_fails(spec: TrialSpec) -> TrialResult:
        if len(sandbox.specs) == 2:
            raise SandboxError("the engine is gone")
        return BETTER(spec)

    sandbox.results = second_fails
    with (
        make_session(folder, sandbox, policy_text=POLICY) as session,
        pytest.raises(SandboxError),
    ):
        run_loop(session, experiments=None, retry=1)
    sandbox.results = BETTER
    with make_session(folder, sandbox, policy_text=POLICY) as session:
        run_loop(session, experiments=None, retry=1)
    assert len(history(folder)) == 3, "what was cut off went on, and no other was opened"
    assert history(folder)[2].status is ExperimentStatus.KEPT
    places = [(spec.experiment, spec.purpose, spec.index) for spec in sandbox.specs]
    assert len(places) == len({*places}) + 1, "but the one that the engine lost"
    assert audit_run(State(folder / "state"), TAG, lambda _: ()).findings == ()


def test_it_does_not_begin_where_a_person_wants_the_run_to_end(folder):
    sandbox = FakeSandbox(BETTER)
    with make_session(folder, sandbox, policy_text=POLICY, stop_asked=lambda: True) as session:
        end = run_loop(session, experiments=None, retry=1)
    assert (end.outcome, end.reason) == (Outcome.STOPPED, "asked to stop")
    assert (len(history(folder)), sandbox.specs) == (2, [])


def test_it_waits_where_a_person_has_the_run_wait(folder):
    state = State(folder / "state")

    def resume(line: str) -> None:
        if line.startswith("paused"):
            assert len(history(folder)) == 2
            ask(state, TAG, Wish.RESUME)

    with (
        Tracker.at(state.progress(TAG)) as progress,
        make_session(
            folder, FakeSandbox(BETTER), policy_text=POLICY, progress=progress, say=resume
        ) as session,
    ):
        ask(state, TAG, Wish.PAUSE)
        run_loop(session, experiments=None, retry=1)
        assert session.now.noted[HELD]["under_way"] == []
    assert history(folder)[2].status is ExperimentStatus.KEPT


def test_agents_hear_of_what_is_undecided_by_its_hypothesis_until_it_is_continued(folder):
    with make_session(folder, FakeSandbox(BETTER), policy_text=POLICY) as session:
        said = undecided(history_as_told(session))
        assert digest(make_context(session, 2)).endswith(said)
        assert said.endswith('\n#1 "a wider network"')
        run_loop(session, experiments=None, retry=1)
        assert undecided(history_as_told(session)) == ""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "has no proposal 0"),
        (7, "has no proposal 7"),
        (2, "experiment 2 is not undecided: kept"),
    ],
)
def test_only_what_is_undecided_can_be_continued(folder, number, words):
    with make_session(folder, FakeSandbox(BETTER), policy_text=POLICY) as session:
        run_loop(session, experiments=None, retry=1)
        with pytest.raises(ConfigError, match=words):
            run_loop(session, experiments=None, retry=number)
        with pytest.raises(ConfigError, match="continued before, as 2"):
            run_loop(session, experiments=None, retry=1)


def test_a_planted_change_of_nothing_has_nothing_to_continue(tmp_path):
    with make_session(tmp_path, FakeSandbox(BETTER), policy_text=POLICY) as session:
        run_loop(session, ScriptedAgent([]), experiments=1, planted=1)
        assert verdict_in(session.read(1).reason) is Verdict.UNDECIDED
        with pytest.raises(ConfigError, match="experiment 1 was planted: a change of nothing has"):
            run_loop(session, experiments=None, retry=1)
    assert len(history(tmp_path)) == 2


def test_one_that_began_while_the_best_was_still_measured_may_be_continued(tmp_path):
    second_is_there = threading.Event()

    def score(spec: TrialSpec) -> TrialResult:
        if spec.experiment == 1:
            second_is_there.wait(PATIENCE)
        elif spec.experiment == 2:
            second_is_there.set()
        count, own = spec.index % PER_EXPERIMENT, 0.0001 * spec.index
        level = 0.0 if spec.experiment == 0 else 40.0
        each = CLOSE[count % 14] if spec.experiment > 1 else TEMPLATE[count % 5]
        return scored(each - level + own)

    ideas = [edit("RATE = 0.001", "RATE = 0.1"), IDEA]
    two = [FakeSandbox(score), FakeSandbox(score)]
    with make_session(tmp_path, two, policy_text=POLICY) as session:
        run_loop(session, ScriptedAgent(ideas, ahead=1), experiments=2)
        run_loop(session, experiments=None, retry=2)
    _, best, before, after = history(tmp_path)
    assert (best.status, verdict_in(before.reason)) == (ExperimentStatus.KEPT, Verdict.UNDECIDED)
    assert before.parent_commit == after.parent_commit == best.parent_commit
    assert audit_run(State(tmp_path / "state"), TAG, lambda _: ()).findings == ()


def test_after_another_keep_it_has_to_be_tried_anew(folder):
    best = scores(lambda count: 60.0 + count % 3)
    other = edit("RATE = 0.001", "RATE = 0.1")
    with make_session(folder, FakeSandbox(best), policy_text=POLICY) as session:
        run_loop(session, ScriptedAgent([IDEA, other]), experiments=2)
        assert session.read(2).status is ExperimentStatus.KEPT
        with pytest.raises(ConfigError, match="experiment 2 was kept after 1") as raised:
            run_loop(session, experiments=None, retry=1)
    assert "runner propose -" in raised.value.hint


def test_what_rows_leave_undecided_no_trial_decides(tmp_path):
    def over_rows(spec: TrialSpec) -> TrialResult:
        luck = random.Random(1)  # noqa: S311
        apart = 1.6 if spec.experiment else 0.0
        samples = tuple(100.0 - apart * luck.gauss(1, 0.5) for _ in range(200))
        found = scored(100.0 - apart)
        assert found.score is not None
        return replace(found, score=replace(found.score, samples=samples))

    with make_session(tmp_path, FakeSandbox(over_rows), policy_text=POLICY) as session:
        run_loop(session, ScriptedAgent([IDEA]), experiments=1)
        assert session.read(1).reason.startswith("undecided: "), session.read(1).reason
        with pytest.raises(ConfigError, match="undecided by its rows"):
            run_loop(session, experiments=None, retry=1)
