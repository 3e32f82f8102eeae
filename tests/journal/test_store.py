from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import crashed, scored

from runner.errors import JournalError
from runner.experiment.fold import folded
from runner.journal import projections
from runner.journal.entries import Entry, Head, Kind, broken
from runner.journal.reader import open_reader
from runner.journal.store import Journal, open_journal
from runner.records import (
    REGULAR,
    SYMLINK,
    Analysis,
    AskedBy,
    ChangedFile,
    Crash,
    Curve,
    Experiment,
    ExperimentStatus,
    GuardRecord,
    HypothesisStatus,
    ModelCall,
    Purpose,
    Review,
    Run,
    Score,
    TrialRecord,
    TrialResult,
    TrialStatus,
    Usage,
)

RUN = Run(
    tag="t1",
    task="eclip",
    agent="tune",
    agent_isolation="api",
    metric="mean_rank",
    direction="minimize",
    round_to=0.5,
    policy_text="task: eclip",
    policy_digest="p",
    harness_digest="h",
    template_digest="t",
    image_id="sha256:1",
    scorer_image_id="sha256:2",
    data_digest="d",
    device="cpu",
    base_commit="b",
    created_at="2025-11-21T04:00:00",
    draws_digest="s",
    runner_version="0.1.0",
    rules_digest="r",
)
CALL = ModelCall(
    experiment=1, agent="claude", model="m", usage=Usage(output_tokens=5), usd=0.0, seconds=1.0,
    outcome="end_turn",
)  # fmt: skip
ANALYSIS = Analysis(
    experiment=1, asked_by=AskedBy.AGENT, script_digest=None, at="2026-01-01T00:00:00+00:00"
)


def intent(number: int, **more: object) -> Experiment:
    return Experiment(
        run="t1",
        number=number,
        parent_commit="b",
        hypothesis="wider",
        category="architecture",
        changes=(
            ChangedFile(path="train.py", mode=REGULAR, blob="1" * 40),
            ChangedFile(path="old.py", mode=REGULAR, blob=None),
            ChangedFile(path="link", mode=SYMLINK, blob="2" * 40),
        ),
        started_at="2025-11-21T04:00:01",
        **more,
    )


def trial(purpose: Purpose, index: int, result: TrialResult) -> TrialRecord:
    return TrialRecord(
        purpose=purpose, split="train", index=index, seed=index + 1, asked_by=0, result=result
    )


def complete(journal: Journal, number: int) -> None:
    """Write an experiment from intent to its audit, as the loop does."""
    journal.propose(intent(number), RUN)
    journal.attempt_stored("t1", number, "a" * 40)
    journal.reviewed("t1", number, Review(fingerprint=f"f{number}"))
    for seed in (7, 8):
        found = trial(Purpose.DECISION, seed, scored(40.0 - number, recall_at_1=0.25))
        journal.trial_ended("t1", number, found)
    status = ExperimentStatus.KEPT
    journal.decided("t1", number, status=status, reason="gain", score=40.0, gain=1.0)
    journal.settled("t1", number, commit="c" * 40, wall_seconds=1.5)
    journal.trial_ended("t1", number, trial(Purpose.AUDIT, 7, scored(44.0 - number)))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


@pytest.fixture
def journal(path) -> Iterator[Journal]:
    with open_journal(path) as opened:
        opened.create_run(RUN)
        yield opened


# -- what goes in comes out -------------------------------------------------------------------


def test_a_run_comes_back_as_it_was(journal):
    assert journal.run("t1") == RUN
    assert journal.runs() == (RUN,)
    assert journal.run("t2") is None


def test_an_intent_comes_back_as_it_was_modes_included(journal):
    journal.propose(intent(0), RUN)
    [_, proposed] = journal.entries("t1")
    assert journal.experiment("t1", 0) == intent(0, proposed_chain=proposed.chain)


def test_a_trial_comes_back_as_it_was(journal):
    journal.propose(intent(0), RUN)
    result = TrialResult(
        status=TrialStatus.CRASHED,
        reason="train: out of memory",
        stage="train",
        limit="memory",
        crash=Crash(exception="MemoryError", file="train.py", line=3, message="no"),
        curves=(Curve(name="loss", points=((0.0, 2.5), (10.0, 1.25))),),
        self_modified=("train.py",),
        wall_seconds=3.5,
        overhead_seconds=0.5,
        peak_memory_bytes=2**33,
        peak_gpu_memory_bytes=2**34,
        cpu_seconds=None,
    )
    journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, result))
    [found] = journal.experiments("t1")[0].trials
    assert found == trial(Purpose.DECISION, 7, result)


def test_what_engine_and_scorer_gave_beside_a_score_comes_back_as_it_was(journal):
    journal.propose(intent(0), RUN)
    score = Score(metrics={"mean_rank": 1.0}, samples=(0.1 + 0.2, None, 1e-9))
    result = replace(scored(1.0), score=score, artifact_bytes=2**33, processor_share=0.41)
    journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, result))
    assert journal.experiments("t1")[0].trials[0].result == result
    [outline] = journal.outlines("t1")
    assert outline.trials[0].result.processor_share == 0.41
    assert outline.trials[0].result.score is None


def test_a_score_keeps_every_metric_and_every_digit(journal):
    journal.propose(intent(0), RUN)
    journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, scored(0.1 + 0.2, recall_at_1=1e-300)))
    [found] = journal.experiments("t1")[0].trials
    assert found.result.score is not None
    assert dict(found.result.score.metrics) == {"mean_rank": 0.1 + 0.2, "recall_at_1": 1e-300}


def test_decision_and_audit_scores_of_the_same_seed_do_not_meet(journal):
    complete(journal, 0)
    found = {
        (each.purpose, each.index): each.result.score
        for each in journal.experiments("t1")[0].trials
    }
    assert dict(found[Purpose.DECISION, 7].metrics) == {"mean_rank": 40.0, "recall_at_1": 0.25}
    assert dict(found[Purpose.AUDIT, 7].metrics) == {"mean_rank": 44.0}
    assert journal.experiments("t1")[0].score == 40.0


def test_a_crash_has_no_score_at_all_and_never_zero(journal, path):
    journal.propose(intent(0), RUN)
    journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, crashed()))
    journal.decided("t1", 0, status=ExperimentStatus.CRASHED, reason="no", score=None, gain=None)
    journal.settled("t1", 0, commit=None, wall_seconds=1.0)
    found = journal.experiments("t1")[0]
    assert (found.score, found.gain, found.trials[0].result.score) == (None, None, None)
    assert rows(path, "SELECT score, gain FROM experiments") == [(None, None)]
    [ended] = [each for each in journal.entries("t1") if each.kind == Kind.TRIAL_ENDED]
    assert ended.document["metrics"] == {}


def test_not_a_number_never_becomes_a_score(journal):
    journal.propose(intent(0), RUN)
    with pytest.raises(ValueError, match="JSON compliant"):
        journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, scored(float("nan"))))
    assert journal.experiments("t1")[0].trials == ()


def test_an_entry_and_its_rows_are_written_together_or_not_at_all(journal, path, monkeypatch):
    journal.propose(intent(0), RUN)
    before = rows(path, "SELECT seq FROM entries")
    project = projections.apply

    def cut_off(database: sqlite3.Connection, entry: Entry) -> None:
        project(database, entry)
        raise KeyboardInterrupt

    monkeypatch.setattr(projections, "apply", cut_off)
    with pytest.raises(KeyboardInterrupt):
        journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, scored(40.0)))
    assert journal.experiments("t1")[0].trials == ()
    assert rows(path, "SELECT seq FROM entries") == before


def test_the_same_trial_cannot_be_recorded_twice(journal):
    journal.propose(intent(0), RUN)
    journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, scored(40.0)))
    with pytest.raises(sqlite3.IntegrityError):
        journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, scored(39.0)))


def test_what_was_left_open_is_found(journal):
    complete(journal, 0)
    assert not folded(journal.entries("t1")).open
    journal.propose(intent(1), RUN)
    journal.decided("t1", 1, status=ExperimentStatus.KEPT, reason="", score=1.0)
    [found] = folded(journal.entries("t1")).open.values()
    assert (found.number, found.status, found.ended_at) == (1, ExperimentStatus.KEPT, None)


def test_events_keep_their_order_and_their_detail(journal):
    journal.event("t1", "run.paused", message="disk \u00fc full")
    journal.event("t1", "run.resumed")
    names = [(event["name"], event["detail"]) for event in journal.events("t1")]
    assert names == [("run.paused", {"message": "disk \u00fc full"}), ("run.resumed", {})]


def test_runs_do_not_see_each_other_s_experiments(journal):
    other = replace(RUN, tag="t2")
    journal.create_run(other)
    complete(journal, 0)
    journal.propose(replace(intent(0), run="t2"), other)
    assert [entry.kind for entry in journal.entries("t2")] == ["run-created", "proposed"]
    assert len(journal.experiments("t1")) == len(journal.experiments("t2")) == 1


# -- the chain and the tables -----------------------------------------------------------------


def test_every_fact_is_an_entry_in_one_chain(journal):
    for number in range(2):
        complete(journal, number)
    journal.add_hypothesis("t1", "wider")
    journal.event("t1", "run.paused", message="no")
    entries = list(journal.entries("t1"))
    assert not list(broken(entries))
    assert [entry.seq for entry in entries] == list(range(1, 20))
    assert journal.head("t1") == Head(seq=entries[-1].seq, chain=entries[-1].chain)
    assert [found.chain for found in journal.experiments("t1")] == [
        entry.chain for entry in entries if entry.kind == Kind.SETTLED
    ]


def test_the_tables_can_be_made_again_from_the_entries(journal):
    complete(journal, 0)
    journal.propose(intent(1), RUN)
    hypothesis = journal.add_hypothesis("t1", "wider\ud800")
    journal.end_hypothesis(hypothesis, HypothesisStatus.ANSWERED, experiment=0)
    journal.reserve("t1", 0.5)
    reservation = journal.reserve("t1", 0.25)
    journal.release("t1", reservation)
    journal.add_call("t1", CALL)
    journal.event("t1", "run.paused", message="no")
    journal.event("t1", "strategy.changed", to="topk")
    journal.guard_ended("t1", 0, GuardRecord(name="fast", failed=None, wall_seconds=1.0))
    begun = journal.analysis_begun("t1", ANALYSIS)
    journal.analysis_ended("t1", begun.seq, seconds=1.5, exit_code=0, failure=None)
    with closing(projections.made_again(journal.entries("t1"))) as again:
        for table in projections.KEYS:
            made = list(projections.rows(again, table, "t1"))
            assert made == list(journal.rows(table, "t1"))
            assert made


def test_what_is_long_is_in_an_entry_alone(journal, path):
    curve = Curve(name="loss", points=tuple((float(step), 0.5) for step in range(100)))
    many = tuple(ChangedFile(path=f"{n}.py", mode=REGULAR, blob=f"{n:040}") for n in range(200))
    journal.propose(replace(intent(0), changes=many), RUN)
    crash = Crash(exception="E", file=None, line=None, message="no" * 200)
    result = replace(crashed(), curves=(curve,), crash=crash)
    journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, result))
    [found] = journal.experiments("t1")
    assert (found.trials[0].result.curves, found.trials[0].result.crash) == ((curve,), crash)
    for table in ("experiments", "trials"):
        [row] = journal.rows(table, "t1")
        assert sum(len(str(value)) for value in row.values()) < 600


def test_writers_in_several_processes_make_one_chain(journal, path):
    def add(number: int) -> None:
        with open_journal(path) as other:
            for _ in range(5):
                other.event("t1", "x", by=number)

    with ThreadPoolExecutor(4) as together:
        list(together.map(add, range(4)))
    assert not list(broken(journal.entries("t1")))
    assert journal.head("t1").seq == 21


def test_what_was_set_aside_becomes_calls_and_is_set_aside_no_more(journal):
    journal.reserve("t1", 0.5)
    journal.reserve("t1", 0.25)
    assert journal.charge_reservations("t1", CALL) == 0.75
    assert [call.usd for call in journal.calls("t1")] == [0.5, 0.25]
    assert journal.charge_reservations("t1", CALL) == 0.0


def tamper(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


# -- the file ---------------------------------------------------------------------------------


def test_a_journal_that_is_opened_again_keeps_what_it_holds(journal, path):
    with open_journal(path) as again:
        assert again.runs() == (RUN,)


def test_an_unreleased_version_s_journal_is_refused_by_what_it_is(path):
    path.parent.mkdir()
    path.with_name("ledger.sqlite").write_bytes(b"")
    for opened in (open_journal, open_reader):
        with pytest.raises(JournalError, match="never released") as refused, opened(path):
            pass
        assert refused.value.hint
    assert not path.exists()


def test_a_reader_cannot_write_and_makes_nothing(journal, path, tmp_path):
    complete(journal, 0)
    with open_reader(path) as reader:
        assert len(reader.experiments("t1")) == 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._db.execute("DELETE FROM runs")
    with pytest.raises(JournalError), open_reader(tmp_path / "no" / "journal.sqlite"):
        pass
    assert not (tmp_path / "no").exists()


def test_a_newer_version_s_journal_is_refused_and_left_alone(journal, path):
    tamper(path, "PRAGMA user_version = 999")
    with pytest.raises(JournalError, match="newer version") as refused, open_journal(path):
        pass
    assert refused.value.hint
    assert rows(path, "PRAGMA user_version") == [(999,)]


def test_a_locked_journal_is_our_failure_with_a_hint(journal, path, monkeypatch):
    journal._db.execute("PRAGMA busy_timeout = 50")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked") as failed:
        journal.propose(intent(0), RUN)
    assert "--resume" in failed.value.hint
    with pytest.raises(JournalError, match="locked"):
        journal.trial_ended("t1", 0, trial(Purpose.DECISION, 7, scored(40.0)))
    holder.execute("ROLLBACK")
    holder.close()
    journal.propose(intent(0), RUN)


def test_a_file_that_is_no_journal_is_our_failure(path):
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be taken for a header" * 100)
    with pytest.raises(JournalError), open_journal(path):
        pass


def test_a_folder_in_its_place_is_our_failure(path):
    path.mkdir(parents=True)
    with pytest.raises(JournalError), open_journal(path):
        pass


def test_supervisors_that_start_together_make_one_journal(path):
    barrier = threading.Barrier(8)

    def start(_: int) -> tuple[Run, ...]:
        barrier.wait()
        with open_journal(path) as journal:
            return journal.runs()

    with ThreadPoolExecutor(8) as together:
        assert list(together.map(start, range(8))) == [()] * 8


def test_reading_goes_on_while_somebody_writes(journal, path):
    complete(journal, 0)
    with open_reader(path) as reader:
        journal._db.execute("BEGIN IMMEDIATE")
        assert len(reader.experiments("t1")) == 1
        journal._db.execute("ROLLBACK")
