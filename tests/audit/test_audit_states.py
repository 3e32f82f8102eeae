"""Runs at work, cut off, moved or away from their engine: what is a violation, and what is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fakes import TAG, FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored
from planting import BRANCH, Copy

from runner.audit.run import audit_run
from runner.errors import RunStoppedError, SandboxError
from runner.journal.reader import Reader
from runner.journal.store import Journal, open_journal
from runner.locks import tag_lock
from runner.policy.review import Examination
from runner.records import Change, Proposal
from runner.scheduler import run_loop

OTHER = "f" * 64


def frozen_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything through the review."""
    passed = Examination(violations=(), fingerprint=None)
    monkeypatch.setattr("runner.proposals.reviewing.review", lambda *_args, **_options: passed)


@pytest.mark.parametrize(
    ("value", "status"), [(50.0, "kept"), (150.0, "reverted")], ids=["kept", "reverted"]
)
def test_a_frozen_change_that_the_review_let_through_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float, status: str
) -> None:
    frozen_change(monkeypatch)
    sandbox = FakeSandbox(lambda spec: scored(100.0 if spec.experiment == 0 else value))
    change = Change(path="run.sh", content=b"echo 0\n", mode=0o100755)
    with make_session(tmp_path, sandbox) as session:
        agent = ScriptedAgent([Proposal(hypothesis="x", changes=(change,))])
        run_loop(session, agent, experiments=None)
        assert session.read(1).status == status
    report = Copy(tmp_path / "state").audit()
    assert {(found.rule, found.file) for found in report.findings} == {("frozen-file", "run.sh")}


def test_a_hypothesis_cannot_speak_as_a_trailer(tmp_path: Path) -> None:
    sandbox = FakeSandbox(lambda spec: scored(100.0 - 10 * spec.experiment))
    forged = "x\n\nExperiment: other/9\nJournal-Chain: 0\r\nMetric: mean_rank 9 -> 0"
    with make_session(tmp_path, sandbox) as session:
        agent = ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64", hypothesis=forged)])
        run_loop(session, agent, experiments=None)
    assert Copy(tmp_path / "state").audit().clean


class Killed(BaseException):
    """Stands for a supervisor that dies."""


@pytest.mark.parametrize("step", ["attempt_stored", "trial_ended", "settled"])
def test_a_run_that_was_cut_off_is_clean_and_said_to_be_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    original = getattr(Journal, step)

    def dies(self: Journal, tag: str, number: int, *args: object, **options: object) -> object:
        if number == 1:
            raise Killed
        return original(self, tag, number, *args, **options)

    monkeypatch.setattr(Journal, step, dies)
    sandbox = FakeSandbox(lambda spec: scored(100.0 - 10 * spec.experiment))
    with make_session(tmp_path, sandbox) as session, pytest.raises(Killed):
        run_loop(session, ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")]), experiments=None)
    report = Copy(tmp_path / "state").audit()
    assert report.clean, report.lines
    assert report.unchecked == (f"experiment 1: it is unfinished; run: runner run --resume {TAG}",)


@pytest.mark.parametrize("step", ["propose", "attempt_stored", "trial_ended"])
def test_a_run_that_was_cut_off_in_its_baseline_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def dies(*_args: object, **_options: object) -> None:
        raise Killed

    monkeypatch.setattr(Journal, step, dies)
    sandbox = FakeSandbox(lambda _: scored(100.0))
    with make_session(tmp_path, sandbox) as session, pytest.raises(Killed):
        run_loop(session, ScriptedAgent([]), experiments=None)
    report = Copy(tmp_path / "state").audit()
    assert report.clean, report.lines


def test_a_baseline_that_failed_is_no_violation(tmp_path: Path) -> None:
    sandbox = FakeSandbox(lambda _: crashed())
    with make_session(tmp_path, sandbox) as session, pytest.raises(RunStoppedError):
        run_loop(session, ScriptedAgent([]), experiments=None)
    report = Copy(tmp_path / "state").audit()
    assert report.clean, report.lines


def test_what_is_left_on_the_engine_is_a_violation(copy: Copy) -> None:
    report = copy.audit(leftovers=["container runner-1-t1--0", "volume runner-1-t1--0"])
    assert {found.rule for found in report.findings} == {"leftover"}
    assert len(report.findings) == 2


def test_an_engine_that_is_away_is_said_and_no_violation(copy: Copy) -> None:
    def away(_tag: str) -> list[str]:
        raise SandboxError("there is no engine")

    report = audit_run(copy.state, TAG, away)
    assert report.clean
    assert report.unchecked == ("leftover containers and volumes: there is no engine",)


def test_the_containers_of_a_run_at_work_are_not_leftovers(copy: Copy) -> None:
    with tag_lock(copy.state.run(TAG), TAG):
        report = copy.audit(leftovers=["container runner-1-t1--0"])
    assert report.clean
    [said] = report.unchecked
    assert re.match(r"leftover containers and volumes: t1 is in use by run t1", said)


def test_missing_data_are_said_and_no_violation(copy: Copy) -> None:
    copy.manifest.unlink()
    report = copy.audit()
    assert report.clean
    assert report.unchecked == ("data of eclip: it is not prepared here",)


@pytest.mark.parametrize("kept", [0, 1, -1], ids=["empty", "its head", "without its last line"])
def test_an_event_log_that_lost_lines_shows(copy: Copy, kept: int) -> None:
    lines = copy.events.read_text().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if '"chain"' in line]
    cut = {0: 0, 1: ends[0] + 1, -1: ends[-1]}[kept]
    copy.events.write_text("".join(lines[:cut]))
    assert "event-log" in {found.rule for found in copy.audit().findings}


def test_a_missing_event_log_shows(copy: Copy) -> None:
    copy.events.unlink()
    assert "event-log" in {found.rule for found in copy.audit().findings}


def test_any_line_that_is_cut_out_of_the_event_log_shows(copy: Copy) -> None:
    """Each line that carries the chain, but for the first, which only says that a run began."""
    lines = copy.events.read_text().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if '"chain"' in line][1:]
    assert len(ends) == 11  # eight experiments, three audits
    for end in ends:
        copy.events.write_text("".join(lines[:end] + lines[end + 1 :]))
        assert "event-log" in {found.rule for found in copy.audit().findings}


def test_a_torn_line_of_the_event_log_is_no_violation(copy: Copy) -> None:
    with copy.events.open("a") as file:
        file.write('{"event": "experiment.decided", "exper')
    assert copy.audit().clean


@pytest.mark.parametrize("said", [{"score": 1.0}, {"status": "kept"}, {"reason": "better"}])
def test_what_the_event_log_says_of_a_decision_is_what_the_journal_says(copy: Copy, said) -> None:
    events = [json.loads(line) for line in copy.events.read_text().splitlines()]
    for event in events:
        if event["event"] == "experiment.decided" and event["experiment"] == 7:
            event.update(said)
    copy.events.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert {(found.rule, found.experiment) for found in copy.audit().findings} == {("event-log", 7)}


def test_a_changed_event_log_shows(copy: Copy) -> None:
    events = [json.loads(line) for line in copy.events.read_text().splitlines()]
    for event in events:
        if event["event"] == "experiment.decided" and event["experiment"] == 7:
            event["chain"] = OTHER
    copy.events.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert {(found.rule, found.experiment) for found in copy.audit().findings} == {("event-log", 7)}


def test_a_finding_names_rule_file_and_commit_and_shows_no_control_characters(copy: Copy) -> None:
    copy.extend_branch({"a\x1b[31m": ("100644", "x")})
    commit = copy.git("rev-parse", BRANCH)[:12]
    [line] = [line for line in copy.audit().lines if line.startswith("path-not-mutable")]
    assert line == (
        f"path-not-mutable  a\\x1b[31m  {commit}  was added; allowed: plain changes of train.py"
    )


def test_what_is_written_while_an_audit_reads_is_no_violation(
    copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person's hypothesis takes no lock: it may come between the rows and the entries."""
    with open_journal(copy.state.journal) as journal:
        journal.add_hypothesis(TAG, "the log is in use")
        original = Reader.entries

        def meanwhile(reader: Reader, tag: str) -> object:
            if len(journal.hypotheses(TAG)) < 3:
                journal.add_hypothesis(TAG, "what about this")
            return original(reader, tag)

        monkeypatch.setattr(Reader, "entries", meanwhile)
        report = copy.audit()
    assert report.clean, report.lines


def test_entries_that_nothing_but_the_journal_knows_of_are_said(copy: Copy) -> None:
    """They may be a person's; they may also be anybody's who can write to the journal."""
    assert copy.audit().unchecked == ()
    with open_journal(copy.state.journal) as journal:
        journal.add_hypothesis(TAG, "a person's, or so it says")
        journal.event(TAG, "run.asked", what="stop")
        head = journal.event(TAG, "whatever")
    report = copy.audit()
    assert report.clean
    [said] = report.unchecked
    assert "only the journal knows of these (1 hypothesis-added, 2 noted)" in said
    with copy.events.open("a") as file:  # as the next start does, which vouches for them
        file.write(json.dumps({"event": "loop.begun", "seq": head.seq, "chain": head.chain}) + "\n")
    assert copy.audit().unchecked == ()
