from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes import (
    HARNESS,
    POLICY_TEXT,
    TAG,
    TRAIN,
    FakeSandbox,
    ScriptedAgent,
    changed,
    crashed,
    edit,
    invalid_outputs,
    make_session,
    scored,
    timed_out,
)

from runner import draws
from runner.errors import RunStoppedError, SandboxError, StoppedError
from runner.journal.entries import Kind, broken
from runner.paths import State
from runner.policy.load import parse_policy
from runner.policy.syntax import read_facts
from runner.proposals.context import make_context
from runner.records import (
    Change,
    Experiment,
    ExperimentStatus,
    Proposal,
    Purpose,
    TrialResult,
    TrialSpec,
    Violation,
)
from runner.scheduler import run_loop
from runner.seams import Context, Supervisor
from runner.steering import course
from runner.workspace import Workspace, tree_digest

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
REFUSED, CRASHED = ExperimentStatus.REFUSED, ExperimentStatus.CRASHED
BASELINE = 100.0


PARSED = lru_cache(read_facts)


@pytest.fixture(autouse=True)
def each_source_is_parsed_once(monkeypatch):
    """The same few sources come again and again, and each parse is a process."""
    monkeypatch.setattr(sys.modules["runner.policy.review"], "read_facts", PARSED)


def wide(number: int, hypothesis: str = "wider", notes: str | None = None) -> Proposal:
    return edit("WIDTH = 32", f"WIDTH = {number}", hypothesis, notes)


def forbidden(path: str = "run.sh") -> Proposal:
    return Proposal(hypothesis="cheat", changes=(Change(path=path, content=b"exit 0\n"),))


@dataclass
class Trials:
    """Scripts trials by experiment: one value for all of its trials, or one per trial in turn."""

    answers: dict[int, object]
    audits: dict[int, object] = field(default_factory=dict)

    def __call__(self, spec: TrialSpec) -> TrialResult:
        audit = spec.purpose is Purpose.AUDIT
        answer = self.audits.get(spec.experiment, 200.0) if audit else self.answers[spec.experiment]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, TrialResult) else scored(float(str(answer)))


@dataclass(frozen=True)
class Ended:
    """What is left once a loop has ended."""

    reason: str
    history: tuple[Experiment, ...]
    specs: list[TrialSpec]
    workspace: Workspace

    @property
    def statuses(self) -> list[ExperimentStatus | None]:
        return [found.status for found in self.history]

    def ran(self, purpose: Purpose = Purpose.DECISION) -> list[int]:
        return [spec.experiment for spec in self.specs if spec.purpose is purpose]


def run(
    folder: Path,
    results: Callable[[TrialSpec], TrialResult],
    proposals: Sequence[Proposal] = (),
    *,
    experiments: int | None = None,
    policy: str = POLICY_TEXT,
    **more: object,
) -> Ended:
    sandbox = FakeSandbox(results)
    with make_session(folder, sandbox, policy_text=policy, **more) as session:
        reason = str(run_loop(session, ScriptedAgent(proposals), experiments=experiments))
        return Ended(reason, session.history, sandbox.specs, session.workspace)


def left(folder: Path) -> tuple[Experiment, ...]:
    """Read what an interrupted run left in the journal."""
    with make_session(folder, FakeSandbox(Trials({}))) as session:
        return session.history


# -- the baseline -----------------------------------------------------------------------------


@pytest.mark.parametrize("failed", [crashed(), timed_out(), invalid_outputs()])
def test_a_failing_template_stops_the_run_with_the_reason(tmp_path, failed):
    with pytest.raises(RunStoppedError, match="the unmodified template failed: ") as stopped:
        run(tmp_path, Trials({0: failed}), [wide(64)])
    assert failed.reason in str(stopped.value)
    assert str(tmp_path / "state" / "runs" / TAG / "logs" / "0000") in stopped.value.hint
    assert len(left(tmp_path)) == 1


def test_a_failed_baseline_still_stops_the_run_on_resume(tmp_path):
    for _ in range(2):
        with pytest.raises(RunStoppedError):
            run(tmp_path, Trials({0: crashed()}), [wide(64)])


def test_no_experiments_means_the_baseline_alone(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE}), [wide(64)], experiments=0)
    assert ended.statuses == [KEPT]
    assert ended.ran() == [0, 0]
    assert ended.history[0].commit == ended.workspace.head()
    assert ended.reason == "experiments: 0 of 0"


# -- keep and revert --------------------------------------------------------------------------


def test_the_branch_holds_kept_experiments_only(tmp_path):
    trials = Trials({0: BASELINE, 1: 90.0, 2: 95.0, 3: 80.0})
    ended = run(tmp_path, trials, [wide(64), wide(65), wide(66)])
    assert ended.statuses == [KEPT, KEPT, REVERTED, KEPT]
    assert ended.reason == "the agent scripted has nothing more to propose"
    commits = ended.workspace.commits(ended.workspace.branch)
    assert [commit.id for commit in commits] == [ended.history[n].commit for n in (0, 1, 3)]
    best = ended.workspace.files(ended.workspace.head())
    assert best["train.py"].content == TRAIN.replace(b"32", b"66")


def test_every_attempt_keeps_its_diff(tmp_path):
    trials = Trials({0: BASELINE, 1: crashed(), 2: 200.0})
    ended = run(tmp_path, trials, [wide(64), wide(65), forbidden()])
    refs = ended.workspace.refs("refs/attempts")
    assert refs == {
        f"refs/attempts/{found.number}": found.attempt_commit for found in ended.history
    }
    cheat = ended.workspace.files(refs["refs/attempts/3"])
    assert cheat["run.sh"].content == b"exit 0\n"


def test_a_kept_commit_says_what_it_is_and_where_the_journal_stood(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE, 1: 90.0}), [wide(64, "wider\nis better")])
    message = ended.workspace.commits(ended.workspace.branch)[-1].message
    assert message.splitlines()[0] == "wider\\x0ais better"
    assert "\nMetric: mean_rank 100 -> 90\n" in message
    assert f"\nExperiment: {TAG}/1\n" in message
    assert re.search(r"\nJournal-Chain: [0-9a-f]{64}\n$", message)


def test_the_second_seed_is_skipped_when_the_first_is_worse(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE, 1: 120.0, 2: 90.0}), [wide(64), wide(65)])
    assert ended.ran() == [0, 0, 1, 2, 2]
    assert "on 1 of 2 seeds, the second skipped" in ended.history[1].reason


def test_a_failed_trial_needs_no_second(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE, 1: crashed()}), [wide(64)])
    assert ended.ran() == [0, 0, 1]
    assert (ended.statuses[1], ended.history[1].score) == (CRASHED, None)


def test_every_experiment_draws_seeds_of_its_own(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE, 1: 90.0}), [wide(64)])
    trials = [one for found in ended.history for one in found.trials if one.purpose.decides]
    assert [one.index for one in trials] == [0, 1, 1000, 1001]
    assert len({one.seed for one in trials}) == 4
    decisions = [spec for spec in ended.specs if spec.purpose.decides]
    assert [(spec.index, spec.seed) for spec in decisions] == [(t.index, t.seed) for t in trials]


def test_seeds_follow_from_the_run_s_secret_alone(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE, 1: 90.0}), [wide(64)])
    secret = State(tmp_path / "state").secret(TAG).read_bytes()
    for spec in ended.specs:
        assert spec.seed == draws.seed(secret, spec.purpose, spec.split, spec.index)
    assert len({spec.seed for spec in ended.specs}) == len(ended.specs)  # audits have their own


def test_what_was_reviewed_is_what_runs(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE, 1: 90.0}), [wide(64, notes="hm\n")])
    spec = ended.specs[-1]
    assert spec.workspace["train.py"].content == TRAIN.replace(b"32", b"64")
    assert spec.mutable == ("train.py",)
    assert spec.notes == ("LEARNING.md", "scratchpad.md")
    assert spec.harness_digest == tree_digest(HARNESS)


# -- refusals ---------------------------------------------------------------------------------


def test_a_refused_proposal_runs_nothing_and_names_its_rule(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE}), [forbidden()])
    assert ended.ran() == [0, 0]
    found = ended.history[1]
    assert (found.status, found.rule, found.score) == (REFUSED, "path-not-mutable", None)
    assert found.reason.startswith("run.sh: ")
    assert found.chain


def test_a_repeat_is_refused_naming_the_earlier_one_and_its_result(tmp_path):
    proposals = [wide(64), wide(64, "again, but with feeling")]
    ended = run(tmp_path, Trials({0: BASELINE, 1: 120.0}), proposals)
    assert (ended.statuses[2], ended.history[2].rule) == (REFUSED, "repeat")
    assert "experiment 1" in ended.history[2].reason
    assert ended.ran() == [0, 0, 1]


def test_a_repeat_tells_the_earlier_score_in_the_policy_s_steps_only(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE, 1: 123.4}), [wide(64), wide(64, "again")])
    assert "(reverted, 123.5)" in ended.history[2].reason


def test_a_forfeit_without_an_edit_has_one_reason(tmp_path):
    lost = Violation(rule="model-refused", message="the model refused")
    forfeit = Proposal(hypothesis="(nothing was proposed)", forfeit=lost)
    ended = run(tmp_path, Trials({0: BASELINE}), [forfeit])
    found = ended.history[1]
    assert (found.rule, found.reason) == ("model-refused", "the model refused")


ODD_WORDS = ["", "\x1b[2J\x00", "a\ud800b", "x" * 200_000, "Journal-Chain: 0\n\nExperiment: t1/9"]


@pytest.mark.parametrize("hypothesis", ODD_WORDS)
def test_whatever_an_agent_says_is_recorded_and_breaks_nothing(tmp_path, hypothesis):
    odd = Change(path="a\ud800\x00b", content=b"x")
    proposals = [
        Proposal(hypothesis=hypothesis, category=hypothesis, changes=(odd,)),
        wide(64, f"w{hypothesis}"),
    ]
    ended = run(tmp_path, Trials({0: BASELINE, 2: 90.0}), proposals)
    assert ended.statuses == [KEPT, REFUSED, KEPT]
    trailers = ended.workspace.commits(ended.workspace.branch)[-1].message
    assert trailers.count("\nJournal-Chain: ") == trailers.count("\nExperiment: ") == 1


# -- audits -----------------------------------------------------------------------------------


def test_only_what_is_kept_is_audited_once_on_the_locked_part(tmp_path):
    trials = Trials({0: BASELINE, 1: 90.0, 2: 120.0}, audits={0: 101.0, 1: 91.0})
    ended = run(tmp_path, trials, [wide(64), wide(65), forbidden()])
    assert ended.ran(Purpose.AUDIT) == [0, 1]
    assert {spec.purpose: spec.purpose.part for spec in ended.specs} == {
        Purpose.DECISION: "holdout",
        Purpose.AUDIT: "locked",
    }
    assert ended.history[1].score == 90.0


def test_the_audit_trains_on_splits_of_its_own_where_the_policy_says_so(tmp_path):
    text = POLICY_TEXT.replace(
        "splits: [train]", "splits: [train]\n  audit_splits: [full]\n  shared_targets: false"
    )
    ended = run(tmp_path, Trials({0: BASELINE}), policy=text)
    assert {spec.purpose: spec.split for spec in ended.specs} == {
        Purpose.DECISION: "train",
        Purpose.AUDIT: "full",
    }


def test_an_audit_that_fails_changes_no_decision(tmp_path):
    ended = run(tmp_path, Trials({0: BASELINE, 1: 90.0}, audits={1: crashed()}), [wide(64)])
    assert ended.statuses == [KEPT, KEPT]
    assert run(tmp_path, Trials({})).specs == []


def test_an_audit_that_was_cut_off_is_made_up_on_resume(tmp_path):
    with pytest.raises(SandboxError):
        run(tmp_path, Trials({0: BASELINE, 1: 90.0}, audits={1: SandboxError("gone")}), [wide(64)])
    ended = run(tmp_path, Trials({}))
    assert ended.ran(Purpose.AUDIT) == [1]
    assert ended.statuses == [KEPT, KEPT]


def test_an_audit_of_several_splits_goes_on_where_it_was_cut_off(tmp_path):
    both = "splits: [train, other]\n  shared_targets: false"
    policy = POLICY_TEXT.replace("splits: [train]", both)
    (tmp_path / "state" / "data" / "eclip" / "other").mkdir(parents=True)
    audits: dict[int, object] = {0: [101.0, SandboxError("gone")]}
    with pytest.raises(SandboxError):
        run(tmp_path, Trials({0: BASELINE}, audits=audits), policy=policy)
    ended = run(tmp_path, Trials({}), policy=policy)
    assert [spec.split for spec in ended.specs] == ["other"]


# -- what goes back to the agent --------------------------------------------------------------


@dataclass
class Nosy:
    """Keeps everything that it is told."""

    proposals: Sequence[Proposal]
    told: list[Context] = field(default_factory=list)
    name: str = "nosy"
    isolation: str = "api"
    ahead = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        self.told.append(context)
        place = context.number - 1
        return self.proposals[place] if place < len(self.proposals) else None


@pytest.fixture
def told(tmp_path) -> list[Context]:
    trials = Trials({0: 100.26, 1: 90.13, 2: crashed()}, audits={0: 777.125, 1: 666.125})
    agent = Nosy([wide(64, notes="one\n"), wide(65, notes="two\n")])
    with make_session(tmp_path, FakeSandbox(trials)) as session:
        run_loop(session, agent, experiments=None)
    return agent.told


def test_scores_are_told_in_the_policy_s_steps(told):
    assert [found.score for found in told[-1].history] == [100.5, 90.0, None]
    assert [found.gain for found in told[-1].history] == [None, 10.5, None]


def test_no_trial_no_seed_and_no_audit_is_told(told):
    for context in told:
        for found in context.history:
            assert (found.guards, found.review) == ((), None)
            assert [trial.result.score for trial in found.trials if trial.result.score] == []
            assert {(trial.purpose, trial.seed, trial.index) for trial in found.trials} <= {
                (Purpose.DECISION, 0, 0)
            }
        assert "777.1" not in repr(context)
        assert "666.1" not in repr(context)
        assert "100.26" not in repr(context)


def test_the_best_files_and_the_latest_notes_are_told(told):
    assert [context.files["scratchpad.md"].content for context in told] == [
        b"# Scratchpad\n",
        b"one\n",
        b"two\n",
    ]
    assert told[-1].files["train.py"].content == TRAIN.replace(b"32", b"64")


def test_notes_are_written_whatever_becomes_of_the_experiment(tmp_path):
    both = (*forbidden().changes, *wide(66, notes="refused\n").changes)
    proposals = [wide(64, notes="reverted\n"), Proposal(hypothesis="x", changes=both)]
    ended = run(tmp_path, Trials({0: BASELINE, 1: 120.0}), proposals)
    assert ended.statuses == [KEPT, REVERTED, REFUSED]
    assert ended.workspace.notes()["scratchpad.md"].content == b"refused\n"
    branch = ended.workspace.files(ended.workspace.head())
    assert branch["scratchpad.md"].content == b"# Scratchpad\n"


# -- ends -------------------------------------------------------------------------------------


def test_a_wish_to_stop_ends_the_run_after_the_experiment_in_progress(tmp_path):
    asked: list[Experiment] = []
    ended = run(
        tmp_path,
        Trials({0: BASELINE, 1: 90.0, 2: 80.0}),
        [wide(64), wide(65)],
        finished=asked.append,
        stop_asked=lambda: len(asked) == 2,
    )
    assert ended.reason == "asked to stop"
    assert ended.statuses == [KEPT, KEPT]
    assert [found.number for found in asked] == [0, 1]
    assert ended.ran(Purpose.AUDIT) == [0, 1]


def test_what_was_proposed_when_the_wish_to_stop_came_is_not_begun(tmp_path):
    asked: list[int] = []

    class Interrupted(ScriptedAgent):
        def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
            asked.append(context.number)
            return super().propose(context, supervisor)

    trials = FakeSandbox(lambda _: scored(BASELINE))
    with make_session(tmp_path, trials, stop_asked=lambda: bool(asked)) as session:
        end = run_loop(session, Interrupted([wide(64)]), experiments=4)
        assert (end.reason, asked, session.now.count) == ("asked to stop", [1], 1)


@pytest.mark.parametrize(
    ("asked", "limit", "expected"), [(1, "null", 1), (None, "2", 2), (3, "2", 2), (1, "2", 1)]
)
def test_the_smaller_of_two_limits_ends_the_run(tmp_path, asked, limit, expected):
    policy = POLICY_TEXT.replace("experiments: null", f"experiments: {limit}")
    trials = Trials(dict.fromkeys(range(5), BASELINE))
    proposals = [wide(64 + number) for number in range(4)]
    ended = run(tmp_path, trials, proposals, experiments=asked, policy=policy)
    assert len(ended.history) == expected + 1
    assert ended.reason == f"experiments: {expected} of {expected}"


def test_the_number_of_experiments_is_the_run_s_not_the_call_s(tmp_path):
    trials = Trials(dict.fromkeys(range(4), BASELINE))
    proposals = [wide(64 + number) for number in range(3)]
    run(tmp_path, trials, proposals, experiments=1)
    assert len(run(tmp_path, trials, proposals, experiments=2).history) == 3


def test_hours_end_the_run(tmp_path, monkeypatch):
    clock = itertools.count(step=1800)  # half an hour passes whenever somebody looks
    monkeypatch.setattr(course, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    policy = POLICY_TEXT.replace("hours: null", "hours: 1.5")
    trials = Trials(dict.fromkeys(range(9), BASELINE))
    ended = run(tmp_path, trials, [wide(64 + number) for number in range(8)], policy=policy)
    assert ended.reason == "1.5 hours are over"
    assert 1 < len(ended.history) < 5


def test_a_pause_after_failures_can_go_on(tmp_path):
    policy = POLICY_TEXT.replace("consecutive_failures: 10", "consecutive_failures: 2")
    trials = Trials({0: BASELINE, **{number: crashed() for number in range(1, 9)}})
    proposals = [wide(64 + number) for number in range(8)]
    for paused_at in (2, 4):
        ended = run(tmp_path, trials, proposals, policy=policy)
        assert ended.reason == (
            "paused: 2 experiments failed in a row: 2 crashed;"
            f" experiment {paused_at}: train: ValueError: no"
        )
        assert len(ended.history) == paused_at + 1


THREE = POLICY_TEXT.replace("consecutive_failures: 10", "consecutive_failures: 3")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([crashed(), timed_out(), invalid_outputs(), 90.0], 4, id="three in a row"),
        pytest.param([crashed(), crashed(), 120.0, crashed(), 90.0], 6, id="a revert ends the row"),
        pytest.param([crashed(), None, crashed(), None, crashed(), 9], 6, id="a refusal does not"),
        pytest.param([None, None, None, None, 90.0], 6, id="refusals are no failures"),
    ],
)
def test_failures_in_a_row_pause_the_run(tmp_path, answers, expected):
    proposals = [
        forbidden(f"cheat{number}.py") if answer is None else wide(64 + number)
        for number, answer in enumerate(answers)
    ]
    trials = Trials({0: BASELINE} | dict(enumerate(answers, start=1)))
    ended = run(tmp_path, trials, proposals, policy=THREE)
    assert len(ended.history) == expected
    paused = ended.reason.startswith("paused: 3 experiments failed in a row: ")
    assert paused == (expected < len(answers) + 1)


# -- being cut off, and going on --------------------------------------------------------------


def cut_off(error: BaseException) -> Trials:
    """The second experiment's second trial is cut off."""
    return Trials({0: BASELINE, 1: [90.0, error]})


@pytest.mark.parametrize("error", [StoppedError("now"), SandboxError("gone"), KeyboardInterrupt()])
def test_an_experiment_that_was_cut_off_is_not_counted(tmp_path, error):
    with pytest.raises(type(error)):
        run(tmp_path, cut_off(error), [wide(64)])
    found = left(tmp_path)[-1]
    assert (found.number, found.status, found.ended_at, found.score) == (1, None, None, None)
    assert [trial.index for trial in found.trials] == [1000]


@pytest.mark.parametrize("error", [StoppedError("now"), SandboxError("gone"), KeyboardInterrupt()])
def test_resuming_conducts_it_to_its_end_with_its_seeds_and_runs_no_trial_twice(tmp_path, error):
    with pytest.raises(type(error)):
        run(tmp_path, cut_off(error), [wide(64)])
    before = left(tmp_path)[-1]
    ended = run(tmp_path, Trials({1: 80.0}), [wide(64)])
    assert ended.statuses == [KEPT, KEPT]
    assert ended.history[1].trials[0] == before.trials[0]
    decisions = [spec.index for spec in ended.specs if spec.purpose is Purpose.DECISION]
    assert decisions == [1001]
    assert ended.history[1].score == 85.0


def test_the_agent_is_not_asked_again_for_what_it_proposed_before(tmp_path):
    with pytest.raises(SandboxError):
        run(tmp_path, cut_off(SandboxError("gone")), [wide(64, "the first idea")])
    ended = run(tmp_path, Trials({1: 80.0}), [wide(65, "another idea")])
    assert [found.hypothesis for found in ended.history[1:]] == ["the first idea"]


def test_a_baseline_that_was_cut_off_is_finished_first(tmp_path):
    with pytest.raises(SandboxError):
        run(tmp_path, Trials({0: [BASELINE, SandboxError("gone")]}), [wide(64)])
    ended = run(tmp_path, Trials({0: BASELINE, 1: 90.0}), [wide(64)])
    assert ended.statuses == [KEPT, KEPT]
    assert ended.ran() == [0, 1, 1]


def test_the_chain_runs_over_every_entry(tmp_path):
    trials = Trials({0: BASELINE, 1: 90.0, 2: crashed()})
    sandbox = FakeSandbox(trials)
    with make_session(tmp_path, sandbox) as session:
        run_loop(session, ScriptedAgent([wide(64), wide(65), forbidden()]), experiments=None)
        entries = list(session.journal.entries(TAG))
    assert not list(broken(entries))
    settled = [entry for entry in entries if entry.kind == Kind.SETTLED]
    assert [entry.document["number"] for entry in settled] == [0, 1, 2, 3]


def test_containers_output_is_kept_for_the_person(tmp_path):
    result = TrialResult(status=crashed().status, reason="no", logs={"predict images": b"\xff"})
    run(tmp_path, Trials({0: BASELINE, 1: result}), [wide(64)])
    [log] = (tmp_path / "state" / "runs" / TAG / "logs" / "0001").iterdir()
    assert log.name.startswith("decision-train-")
    assert log.name.endswith("-predict-images.log")
    assert log.read_bytes() == b"\xff"


def test_the_policy_of_these_tests_is_the_one_they_think_it_is():
    assert parse_policy(THREE).policy.limits.consecutive_failures == 3


# -- stop_at, ties, guards --------------------------------------------------------------------

GOAL = POLICY_TEXT.replace("\nlimits:", "\nstop_at: 90\n\nlimits:")
TIES = POLICY_TEXT.replace("decision:\n", "decision:\n  simplicity: {tie_within: 1}\n")
GUARDED = POLICY_TEXT.replace(
    "\nlimits:",
    "\nguards:\n  - {name: first, run: [python, a.py], seconds: 2}\n"
    "  - {name: second, run: [python, b.py], seconds: 2}\n\nlimits:",
)
SHORTER = edit("WIDTH = 32\nRATE = 0.001", "WIDTH = 32")


@pytest.mark.parametrize(
    ("score", "ran"),
    [
        pytest.param(90.5, 3, id="not reached"),
        pytest.param(90.0, 2, id="reached"),
        pytest.param(80.0, 2, id="passed"),
    ],
)
def test_a_run_ends_when_the_best_is_good_enough(tmp_path, score, ran):
    trials = Trials({0: BASELINE, 1: score, 2: 120.0})
    ended = run(tmp_path, trials, [wide(64), wide(65)], policy=GOAL)
    assert len(ended.history) == ran
    if ran == 2:
        assert ended.reason == f"mean_rank {score:g} reached stop_at 90"


def test_a_baseline_that_is_good_enough_needs_no_agent(tmp_path):
    ended = run(tmp_path, Trials({0: 89.0}), [wide(64)], policy=GOAL)
    assert ended.reason == "mean_rank 89 reached stop_at 90"


def test_a_tie_with_fewer_lines_is_kept_and_comments_count_for_nothing(tmp_path):
    commented = edit("WIDTH", "# narrow\nWIDTH", "comment")
    longer = edit("RATE = 0.001", "RATE = 0.001\nMORE = 1", "longer")
    trials = Trials({0: BASELINE, 2: 100.5, 3: 100.5})
    ended = run(tmp_path, trials, [commented, longer, SHORTER], policy=TIES)
    assert ended.statuses == [KEPT, REFUSED, REVERTED, KEPT]
    assert ended.history[3].reason.endswith("no more than 1 worse: 1 lines, before 2")


def test_ties_do_not_lead_downhill(tmp_path):
    """Each is compared with the best score ever kept, not with the tie before it."""
    again = edit("WIDTH = 32\nRATE = 0.001\n", "", "shortest")
    trials = Trials({0: BASELINE, 1: 100.8, 2: 101.6})
    ended = run(tmp_path, trials, [SHORTER, again], policy=TIES)
    assert ended.statuses == [KEPT, KEPT, REVERTED]
    assert ended.history[2].gain == pytest.approx(-1.6)


def test_guards_run_in_order_after_a_promising_score_and_before_a_keep(tmp_path):
    sandbox = FakeSandbox(Trials({0: BASELINE, 1: 90.0, 2: 120.0}))
    with make_session(tmp_path, sandbox, policy_text=GUARDED) as session:
        run_loop(session, ScriptedAgent([wide(64), wide(65)]), experiments=None)
        assert [found.status for found in session.history] == [KEPT, KEPT, REVERTED]
        events = [one.name for found in session.history for one in found.guards]
    assert sandbox.guarded == [(0, "first"), (0, "second"), (1, "first"), (1, "second")]
    assert events == ["first", "second"] * 2
    log = tmp_path / "state" / "runs" / TAG / "logs" / "0001" / "guard-first.log"
    assert log.read_bytes() == b"said"


def test_a_failed_guard_reverts_and_the_rest_do_not_run(tmp_path):
    sandbox = FakeSandbox(Trials({0: BASELINE, 1: 90.0, 2: 95.0}))
    sandbox.guards = lambda spec, _: "exit 1" if spec.experiment == 1 else None
    with make_session(tmp_path, sandbox, policy_text=GUARDED) as session:
        run_loop(session, ScriptedAgent([wide(64), wide(65)]), experiments=None)
        _, failed, kept = session.history
        told = make_context(session, 3).history[1].reason
    assert (failed.status, failed.rule) == (REVERTED, "guard:first")
    assert failed.reason.startswith("guard first failed (exit 1); else kept: mean_rank 90")
    assert kept.status is KEPT
    assert kept.gain == 5.0
    assert [name for number, name in sandbox.guarded if number == 1] == ["first"]
    assert told.startswith("guard:first failed, else kept: mean_rank 90")


def test_a_template_that_fails_its_own_guard_stops_the_run(tmp_path):
    sandbox = FakeSandbox(Trials({0: BASELINE}))
    sandbox.guards = lambda *_: "exit 1"
    with (
        make_session(tmp_path, sandbox, policy_text=GUARDED) as session,
        pytest.raises(RunStoppedError, match=r"the unmodified template failed: guard first failed"),
    ):
        run_loop(session, ScriptedAgent([]), experiments=None)


def test_a_flood_of_refused_bytes_is_cut_and_still_refused(tmp_path):
    flood = Change(path="train.py", content=b"x" * 50_000_000)
    many = Proposal(hypothesis="h" * 10**6, changes=(flood,) * 500)
    ended = run(tmp_path, Trials({0: BASELINE}), [many])
    [_, refused] = ended.history
    assert refused.status is REFUSED
    assert sum(len(each.content or b"") for each in changed(tmp_path, refused)) < 1_000_000
    assert len(refused.hypothesis) == 10_000


@pytest.mark.parametrize("odd", ["\ud800", "\0", "\U0010ffff", "\x1b[2J", "\u2028"])
def test_no_character_of_an_agent_s_words_or_files_can_end_a_run(tmp_path, odd):
    """JSON can write a lone surrogate, and neither the journal nor git can hold one."""
    changes = (
        Change(path=f"a{odd}b", content=b"x"),
        Change(path="train.py", content=odd.encode(errors="surrogatepass")),
    )
    words = dict.fromkeys(("hypothesis", "category", "expectation", "takeaway"), f"a{odd}b")
    agent = ScriptedAgent([Proposal(**words, changes=changes), edit("32", "64")])
    with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0))) as session:
        run_loop(session, agent, experiments=2)
        _, first, second = session.history
        assert first.status is ExperimentStatus.REFUSED
        assert first.hypothesis.startswith("a")
        assert second.status is not ExperimentStatus.REFUSED
        make_context(session, 3)
