"""A supervisor killed at every step of its journal in turn: nothing is lost, nothing doubled."""

from __future__ import annotations

import multiprocessing
import signal
from pathlib import Path

import pytest
from fakes import TAG, FakeSandbox, make_session
from kill9_driver import STEPS, conduct, journal_of

from runner.audit.run import audit_run
from runner.journal.entries import broken
from runner.paths import State
from runner.records import ExperimentStatus, HypothesisStatus, Purpose
from runner.session import Session

pytestmark = pytest.mark.slow

BASELINE = ("propose", "reviewed", "attempt", "attempt_stored")
INTENT = ("propose", "reviewed", "attempt", "write_notes", "attempt_stored")
TRIAL, END = ("run", "trial_ended"), ("decided", "settled")
KEPT = ("decided", "keep", "settled")
LOG, ANSWERED = ("write_notes",), ("end_hypothesis",)
JOURNAL = (
    *(*BASELINE, *TRIAL, *TRIAL, *END, *LOG, *TRIAL, *LOG),  # the baseline, and its audit
    *(
        *INTENT,
        *TRIAL,
        *TRIAL,
        *KEPT,
        *LOG,
        *ANSWERED,
        *TRIAL,
        *LOG,
    ),  # a proposal that is kept, its audit
    *(*INTENT, *TRIAL, *END, *LOG),  # one that crashes
    *(*INTENT, *END, *LOG),  # one that is refused
)
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["kill9_driver"])


@pytest.fixture(autouse=True)
def quick_starts(monkeypatch):
    """Let the server of processes find what it is to import once, instead of each process."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def life(folder: Path, when: str, devices: int = 1) -> bool:
    """Conduct the run in a process of its own; whether it was killed at a step."""
    process = PROCESSES.Process(target=conduct, args=(folder, when, devices))
    process.start()
    process.join(timeout=60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == -signal.SIGKILL


def steps(folder: Path) -> tuple[str, ...]:
    return tuple(line.split()[0] for line in journal_of(folder).read_text().splitlines())


def test_an_undisturbed_run_takes_the_steps_at_which_these_tests_kill(tmp_path):
    conduct(tmp_path)
    assert steps(tmp_path) == JOURNAL
    assert_whole(tmp_path)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_killed_at_every_step_in_turn_ends_like_one_that_was_not(tmp_path, when):
    """Each supervisor comes one new step further than the one before it, and is killed there.

    What it leaves is never taken for forged.
    """
    lives = 0
    while life(tmp_path, when):
        lives += 1
        assert len(steps(tmp_path)) == lives
        report = audit_run(State(tmp_path / "state"), TAG, lambda _tag: ())
        assert report.clean, report.lines
    assert steps(tmp_path) == JOURNAL
    assert_whole(tmp_path)


def assert_whole(folder: Path) -> None:
    """The state is what an undisturbed run leaves."""
    with make_session(folder, FakeSandbox(pytest.fail)) as session:
        assert_all_ended(session)
        assert_git_agrees(session)
        assert_chain_holds(session)
        assert_no_trial_was_lost_or_doubled(session)


def assert_all_ended(session: Session) -> None:
    kept, status = ExperimentStatus.KEPT, ExperimentStatus
    history = session.history
    assert [found.status for found in history] == [kept, kept, status.CRASHED, status.REFUSED]
    assert [found.score for found in history] == [100.0, 90.0, None, None]
    assert all(found.ended_at and found.chain for found in history)
    assert not session.now.open
    [asked] = session.journal.hypotheses(TAG)
    assert (asked.status, asked.experiment) == (HypothesisStatus.ANSWERED, 1)


def assert_git_agrees(session: Session) -> None:
    history, workspace = session.history, session.workspace
    branch = [commit.id for commit in workspace.commits(workspace.branch)]
    assert branch == [history[0].commit, history[1].commit]
    assert [found.commit for found in history[2:]] == [None, None]
    attempts = {f"refs/attempts/{found.number}": found.attempt_commit for found in history}
    assert workspace.refs("refs/attempts") == attempts
    kept = workspace.files(workspace.head())
    assert kept == workspace.files(str(history[1].attempt_commit))
    messages = [commit.message.split("\n")[0] for commit in workspace.commits("refs/notes-files")]
    assert messages == [
        *("Log of experiment 0", "Audit of experiment 0"),
        *("Notes of experiment 1", "Log of experiment 1", "Audit of experiment 1"),
        *("Notes of experiment 2", "Log of experiment 2"),
        "Log of experiment 3",
    ]
    page = session.state.run(TAG) / "LOG.md"
    assert page.read_bytes() == workspace.files("refs/notes-files")["LOG.md"].content
    assert page.read_text(encoding="utf-8").count("### Exp ") == len(history)
    assert workspace.notes()["scratchpad.md"].content == b"crashed\n"
    assert workspace.problems() == []


def assert_chain_holds(session: Session, kept: int = 1) -> None:
    assert not list(broken(session.journal.entries(TAG)))
    newest = session.workspace.commits(session.workspace.branch)[-1]
    assert f"Journal-Chain: {session.history[kept].decided_chain}" in newest.message


def assert_no_trial_was_lost_or_doubled(session: Session) -> None:
    """The driver itself fails when a trial is asked for that the journal holds already."""
    trials = [(found.number, trial.purpose) for found in session.history for trial in found.trials]
    decision, audit = Purpose.DECISION, Purpose.AUDIT
    assert trials == [
        *((0, decision), (0, decision), (0, audit)),
        *((1, decision), (1, decision), (1, audit)),
        (2, decision),
    ]


# -- two trials in flight ---------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_with_two_trials_in_flight_the_end_is_that_of_a_run_that_was_not_killed(tmp_path, when):
    """In which order steps come may differ from life to life; what came of it may not."""
    conduct(tmp_path / "whole", devices=2)
    killed, lives = tmp_path / "killed", 0
    while life(killed, when, devices=2):
        lives += 1
        report = audit_run(State(killed / "state"), TAG, lambda _tag: ())
        assert report.clean, report.lines
    assert {*steps(killed)} == {*steps(tmp_path / "whole")} == {name for _, name in STEPS}
    assert lives > 50
    assert end_of(killed) == end_of(tmp_path / "whole")
    assert audit_run(State(killed / "state"), TAG, lambda _tag: ()).clean


def end_of(folder: Path) -> tuple[object, ...]:
    """Return all that is left of a run, but for when and in which order it came about."""
    status = ExperimentStatus
    with make_session(folder, FakeSandbox(pytest.fail)) as session:
        assert not session.now.open
        assert_chain_holds(session, kept=4)
        history, workspace = session.history, session.workspace
        assert [found.status for found in history] == [
            *(status.KEPT, status.KEPT, status.CRASHED, status.REFUSED, status.KEPT)
        ]
        places = [(f.number, t.purpose, t.index) for f in history for t in f.trials]
        assert len(places) == len({*places}) == 3 * 3 + 1
        assert workspace.problems() == []
        branch = [workspace.files(one.id) for one in workspace.commits(workspace.branch)]
        notes = [one.message.split("\n")[0] for one in workspace.commits("refs/notes-files")]
        attempts = [workspace.files(str(found.attempt_commit))["train.py"] for found in history]
        [asked] = session.journal.hypotheses(TAG)
        return (
            [(f.number, f.hypothesis, f.score, f.gain, f.reason, f.rule) for f in history],
            sorted(places),
            branch,
            attempts,
            sorted(notes),
            workspace.notes()["scratchpad.md"],
            (asked.status, asked.experiment),
        )
