"""Whole runs under the rule `posterior`: what is recorded, told, summed up, and decided again."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import SHIPPED, TAG, FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored
from planting import Copy

from runner.audit.run import audit_run
from runner.decision import verdict_in
from runner.ends import Outcome
from runner.journal.reader import open_reader
from runner.paths import State
from runner.prompt.history import result
from runner.proposals.context import history_as_told
from runner.records import Experiment, ExperimentStatus, Purpose, TrialResult, TrialSpec
from runner.scheduler import run_loop
from runner.views import documents, summary
from runner.views.lines import experiment_line
from runner.views.standing import standing_of

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
LEVELS = {0: 100.0, 1: 80.0, 2: 79.0, 3: 95.0, 4: 60.0}
PROPOSALS = [edit("WIDTH = 32", f"WIDTH = {64 + number}") for number in range(4)]


def noise(spec: TrialSpec) -> float:
    """Return what a draw adds, the same whenever it is asked for."""
    draw = random.Random(f"{spec.experiment} {spec.split} {spec.index}")  # noqa: S311
    return 2.0 * draw.gauss(0, 1)


def results(spec: TrialSpec) -> TrialResult:
    return scored(LEVELS[spec.experiment] + noise(spec))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posterior")
    with make_session(folder, FakeSandbox(results), policy_text=SHIPPED) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=4)
    return folder


def experiments(folder: Path) -> tuple[Experiment, ...]:
    with open_reader(folder / "state" / "journal.sqlite") as journal:
        return journal.experiments(TAG)


def test_gains_are_kept_and_the_best_is_measured_on_the_candidates_draws(finished):
    history = experiments(finished)
    assert [one.status for one in history] == [KEPT, KEPT, REVERTED, REVERTED, KEPT]
    again = [t for one in history for t in one.trials if t.asked_by > one.number]
    assert again, "the best was measured for a later candidate"
    assert all(trial.purpose is Purpose.DECISION for trial in again)
    for one in history[1:]:
        own = [t for t in one.trials if t.purpose.decides and t.asked_by == one.number]
        assert len(own) >= (3 if one.status is KEPT else 1)


def test_the_record_says_how_sure_each_decision_is_and_what_its_level_is_worth(finished):
    baseline, kept, *_ = experiments(finished)
    assert (baseline.sure, baseline.weight, baseline.planned) == (None, 5, None)
    assert kept.sure is not None
    assert kept.weight is not None
    assert kept.sure >= 0.8
    assert kept.weight > 1
    assert kept.reason.startswith("kept: better with ")


def test_an_audit_decides_again_and_finds_nothing(finished):
    report = audit_run(State(finished / "state"), TAG, lambda _: ())
    assert report.findings == ()


def test_the_summary_says_how_many_keeps_may_be_luck_and_whether_to_believe_it(finished):
    with open_reader(finished / "state" / "journal.sqlite") as journal:
        [run] = journal.runs()
        standing = standing_of(journal, run)
        document = documents.run_document(standing)
    kept = [one for one in experiments(finished)[1:] if one.status is KEPT]
    expected = sum(1 - (one.sure or 0) for one in kept)
    assert standing.false_keeps == pytest.approx(expected)
    assert document["expected_false_keeps"] == pytest.approx(expected)
    assert summary.belief(standing).startswith(f"yes: of 2 keeps {expected:.2g} are expected")
    line = experiment_line(standing.metric, kept[0])
    assert "KEPT, better with " in line
    assert " seeds |" in line


def test_an_agent_is_told_the_verdict_and_the_rounded_level_and_not_how_sure(tmp_path):
    with make_session(tmp_path, FakeSandbox(results), policy_text=SHIPPED) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=3)
        told, history = history_as_told(session), session.history
    for one, other in zip(told[1:], history[1:], strict=True):
        assert (one.sure, one.weight) == (None, None)
        said = result(one)
        assert f"{verdict_in(other.reason)}: mean_rank " in said
        assert not any(word in said for word in ("%", "±", "trial", "seed"))
        assert (one.score or 0) % 0.5 == 0


def test_a_run_that_was_cut_off_goes_on_to_the_same_end(tmp_path, finished):
    for most in (1, 2, 4):
        with make_session(tmp_path, FakeSandbox(results), policy_text=SHIPPED) as session:
            run_loop(session, ScriptedAgent(PROPOSALS), experiments=most)
    ends = [
        [(one.status, one.reason, one.score, one.sure, one.weight) for one in experiments(folder)]
        for folder in (tmp_path, finished)
    ]
    assert ends[0] == ends[1]


def test_a_best_that_fails_again_and_again_pauses_the_run_and_is_no_number(tmp_path):
    def fails(spec: TrialSpec) -> TrialResult:
        again = spec.experiment == 0 and spec.index > 10 and spec.purpose is Purpose.DECISION
        return crashed() if again else scored(98.5 - spec.experiment + noise(spec))

    with make_session(tmp_path, FakeSandbox(fails), policy_text=SHIPPED) as session:
        end = run_loop(session, ScriptedAgent(PROPOSALS), experiments=4)
        best = session.now.best
        history = session.history
    assert end.outcome is Outcome.PAUSED
    assert "experiment 0, the best, failed 2 times when it was measured again" in end.reason
    assert best is not None
    assert (best.number, best.score) == (0, history[0].score)


def test_a_program_that_fixes_its_seed_is_refused_for_that_and_its_agent_is_told_what_to_do(
    tmp_path,
):
    def fixed(spec: TrialSpec) -> TrialResult:
        return scored(LEVELS[0] + noise(spec) if spec.experiment == 0 else 90.0)

    with make_session(tmp_path, FakeSandbox(fixed), policy_text=SHIPPED) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=1)
        [_, told], [_, found] = history_as_told(session), session.history
    assert (found.status, found.rule) == (REVERTED, "ignores-seed")
    assert "use RUNNER_SEED" in result(told)
    assert "REVERTED, ignores-seed" in experiment_line(session.metric, found)


def test_nobody_is_accused_of_that_where_a_coarse_metric_repeats_itself(tmp_path):
    def coarse(spec: TrialSpec) -> TrialResult:
        return scored(100.0 + spec.index % 2 if spec.experiment == 0 else 90.0)

    with make_session(tmp_path, FakeSandbox(coarse), policy_text=SHIPPED) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=1)
        found = session.history[1]
    assert (found.status, found.rule) == (REVERTED, None)


def test_a_goal_is_reached_by_the_level_that_is_believed(tmp_path):
    policy = SHIPPED.replace("\nlimits:", "\nstop_at: 75\n\nlimits:")
    with make_session(tmp_path, FakeSandbox(results), policy_text=policy) as session:
        end = run_loop(session, ScriptedAgent(PROPOSALS), experiments=9)
        best = session.now.best
    assert end.outcome is Outcome.GOAL_REACHED
    assert best is not None
    assert best.number == 4


def test_under_strict_the_summary_says_that_the_rule_does_not_know(tmp_path):
    strict = SHIPPED.replace("rule: posterior ", "rule: strict ").replace("false_keeps", "# ")
    with make_session(tmp_path, FakeSandbox(results), policy_text=strict) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=1)
        standing = standing_of(session.journal, session.run)
    assert standing.false_keeps is None
    assert summary.belief(standing).startswith("not by itself: 1 keep by a rule that does not say")


def test_a_keep_by_scores_that_no_draw_changes_is_not_called_luck(tmp_path):
    def exact(spec: TrialSpec) -> TrialResult:
        return scored(LEVELS[spec.experiment])

    with make_session(tmp_path, FakeSandbox(exact), policy_text=SHIPPED) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=1)
        one = standing_of(session.journal, session.run)
    said = "of 1 keep 0 are expected to be luck (decided by scores that no draw changes)"
    assert one.false_keeps == 0
    assert summary.belief(one).startswith(f"yes: {said}, the gain is ")
    two = replace(one, keeps=(*one.keeps, replace(one.keeps[1], number=2, sure=0.9)))
    assert two.false_keeps == pytest.approx(0.1)
    assert "of 2 keeps 0.1 are expected to be luck (1 decided by" in summary.belief(two)


def test_an_audit_finds_trials_of_what_was_not_the_best_or_that_nobody_asked_for(
    finished, tmp_path
):
    shutil.copytree(finished / "state", tmp_path / "state")
    copy = Copy(tmp_path / "state")
    [own, *_] = copy.ended(1)
    copy.sql("UPDATE trials SET asked_by = 4 WHERE seq = ?", own)
    copy.edit_entry(own, asked_by=4)
    [other, *_] = copy.ended(0)
    copy.sql("UPDATE trials SET asked_by = 3 WHERE seq = ?", other)
    copy.edit_entry(other, asked_by=3)
    copy.relink()
    copy.forge_log()
    found = [str(each.message) for each in copy.audit().findings if each.rule == "trials"]
    assert any("asked for trials of [0], which was not the best" in said for said in found)
    assert any("the decision needed " in said for said in found)
