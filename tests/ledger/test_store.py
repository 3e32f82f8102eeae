from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import crashed, scored

from runner.errors import LedgerError
from runner.ledger import schema, store
from runner.ledger.store import Ledger, open_ledger
from runner.records import (
    SYMLINK,
    Change,
    Crash,
    Curve,
    Experiment,
    ExperimentStatus,
    Purpose,
    Run,
    TrialRecord,
    TrialResult,
    TrialStatus,
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
    data_digest="d",
    device="cpu",
    base_commit="b",
    created_at="2025-11-21T04:00:00",
)


def intent(number: int, **more: object) -> Experiment:
    return Experiment(
        run="t1",
        number=number,
        parent_commit="b",
        hypothesis="wider",
        category="architecture",
        changes=(
            Change(path="train.py", content=b"\0\xff"),
            Change(path="old.py", content=None),
            Change(path="link", content=b"/etc", mode=SYMLINK),
        ),
        seeds=(7, 2**31 - 1),
        started_at="2025-11-21T04:00:01",
        **more,
    )


def trial(purpose: Purpose, seed: int, result: TrialResult) -> TrialRecord:
    return TrialRecord(purpose=purpose, split="train", seed=seed, result=result)


def complete(ledger: Ledger, number: int) -> str:
    """Write an experiment from intent to its audit, as the loop does."""
    ledger.open_experiment(intent(number), RUN)
    ledger.record_attempt("t1", number, "a" * 40)
    ledger.record_fingerprint("t1", number, f"f{number}")
    for seed in (7, 8):
        found = trial(Purpose.DECISION, seed, scored(40.0 - number, recall_at_1=0.25))
        ledger.add_trial("t1", number, found)
    status = ExperimentStatus.KEPT
    ledger.record_decision("t1", number, status=status, reason="gain", score=40.0, gain=1.0)
    head = ledger.close_experiment("t1", number, commit="c" * 40, wall_seconds=1.5)
    ledger.add_trial("t1", number, trial(Purpose.AUDIT, 7, scored(44.0 - number)))
    return head


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path) -> Iterator[Ledger]:
    with open_ledger(path) as opened:
        opened.create_run(RUN)
        yield opened


# -- what goes in comes out -------------------------------------------------------------------


def test_a_run_comes_back_as_it_was(ledger):
    assert ledger.run("t1") == RUN
    assert ledger.runs() == (RUN,)
    assert ledger.run("t2") is None


def test_an_intent_comes_back_as_it_was_bytes_and_modes_included(ledger):
    ledger.open_experiment(intent(0), RUN)
    assert ledger.experiment("t1", 0) == intent(0)


def test_a_trial_comes_back_as_it_was(ledger):
    ledger.open_experiment(intent(0), RUN)
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
    ledger.add_trial("t1", 0, trial(Purpose.DECISION, 7, result))
    [found] = ledger.experiments("t1")[0].trials
    assert found == trial(Purpose.DECISION, 7, result)


def test_a_score_keeps_every_metric_and_every_digit(ledger):
    ledger.open_experiment(intent(0), RUN)
    ledger.add_trial("t1", 0, trial(Purpose.DECISION, 7, scored(0.1 + 0.2, recall_at_1=1e-300)))
    [found] = ledger.experiments("t1")[0].trials
    assert found.result.score is not None
    assert dict(found.result.score.metrics) == {"mean_rank": 0.1 + 0.2, "recall_at_1": 1e-300}


def test_decision_and_audit_scores_of_the_same_seed_do_not_meet(ledger, path):
    complete(ledger, 0)
    found = {
        (each.purpose, each.seed): each.result.score for each in ledger.experiments("t1")[0].trials
    }
    assert dict(found[Purpose.DECISION, 7].metrics) == {"mean_rank": 40.0, "recall_at_1": 0.25}
    assert dict(found[Purpose.AUDIT, 7].metrics) == {"mean_rank": 44.0}
    values = {value for (value,) in rows(path, "SELECT value FROM scores")}
    assert 44.0 not in values


def test_a_crash_has_no_score_at_all_and_never_zero(ledger, path):
    ledger.open_experiment(intent(0), RUN)
    ledger.add_trial("t1", 0, trial(Purpose.DECISION, 7, crashed()))
    ledger.record_decision(
        "t1", 0, status=ExperimentStatus.CRASHED, reason="no", score=None, gain=None
    )
    ledger.close_experiment("t1", 0, commit=None, wall_seconds=1.0)
    found = ledger.experiments("t1")[0]
    assert (found.score, found.gain, found.trials[0].result.score) == (None, None, None)
    assert rows(path, "SELECT score, gain FROM experiments") == [(None, None)]
    assert rows(path, "SELECT * FROM scores") == []


def test_not_a_number_never_becomes_a_score(ledger):
    ledger.open_experiment(intent(0), RUN)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.add_trial("t1", 0, trial(Purpose.DECISION, 7, scored(float("nan"))))
    assert ledger.experiments("t1")[0].trials == ()


def test_a_trial_and_its_scores_are_written_together_or_not_at_all(ledger, monkeypatch):
    ledger.open_experiment(intent(0), RUN)
    insert = Ledger._insert

    def cut_off(self: Ledger, table: str, values: dict[str, object]) -> sqlite3.Cursor:
        if table == "scores":
            raise KeyboardInterrupt
        return insert(self, table, values)

    monkeypatch.setattr(Ledger, "_insert", cut_off)
    with pytest.raises(KeyboardInterrupt):
        ledger.add_trial("t1", 0, trial(Purpose.DECISION, 7, scored(40.0)))
    assert ledger.experiments("t1")[0].trials == ()


def test_the_same_trial_cannot_be_recorded_twice(ledger):
    ledger.open_experiment(intent(0), RUN)
    ledger.add_trial("t1", 0, trial(Purpose.DECISION, 7, scored(40.0)))
    with pytest.raises(sqlite3.IntegrityError):
        ledger.add_trial("t1", 0, trial(Purpose.DECISION, 7, scored(39.0)))


def test_what_was_left_open_is_found(ledger):
    complete(ledger, 0)
    assert ledger.unfinished("t1") is None
    ledger.open_experiment(intent(1), RUN)
    ledger.record_decision("t1", 1, status=ExperimentStatus.KEPT, reason="", score=1.0)
    found = ledger.unfinished("t1")
    assert found is not None
    assert (found.number, found.status, found.ended_at) == (1, ExperimentStatus.KEPT, None)


def test_events_keep_their_order_and_their_detail(ledger):
    ledger.event("t1", "run.paused", message="disk \u00fc full")
    ledger.event("t1", "run.resumed")
    names = [(event["name"], event["detail"]) for event in ledger.events("t1")]
    assert names == [("run.paused", {"message": "disk \u00fc full"}), ("run.resumed", {})]


def test_runs_do_not_see_each_other_s_experiments(ledger):
    other = replace(RUN, tag="t2")
    ledger.create_run(other)
    complete(ledger, 0)
    ledger.open_experiment(replace(intent(0), run="t2"), other)
    assert ledger.head("t2") == ledger.first_link("t2") != ledger.first_link("t1")
    assert len(ledger.experiments("t1")) == len(ledger.experiments("t2")) == 1


# -- the chain --------------------------------------------------------------------------------


def chain_holds(ledger: Ledger) -> bool:
    links = ledger.links("t1")
    fits = all(link.stored == link.again for link in links)
    return fits and not ledger.strays("t1") and links[-1].stored == ledger.head("t1")


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Path:
    """A ledger with three experiments, written once: every test below changes a copy."""
    path = tmp_path_factory.mktemp("written") / "ledger.sqlite"
    with open_ledger(path) as ledger:
        ledger.create_run(RUN)
        for number in range(3):
            complete(ledger, number)
    return path


@pytest.fixture
def three(written, path) -> Iterator[Ledger]:
    path.parent.mkdir()
    shutil.copy(written, path)
    with open_ledger(path) as opened:
        yield opened


def test_an_untouched_ledger_s_chain_holds(three):
    assert chain_holds(three)
    assert len({experiment.chain for experiment in three.experiments("t1")}) == 3


def columns(table: str) -> list[str]:
    with sqlite3.connect(":memory:") as connection:
        for migration in schema.MIGRATIONS:
            connection.executescript(migration)
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


OTHER = {"INTEGER": 12345, "REAL": 12345.5, "TEXT": "12345"}
KEYS = {"run", "number", "experiment", "chain"}


@pytest.mark.parametrize("column", [name for name in columns("experiments") if name not in KEYS])
def test_a_changed_column_of_an_experiment_breaks_the_chain(three, path, column):
    change(path, "experiments", column, where="number = 1")
    assert broken_before_reading_or_in_the_chain(three)


@pytest.mark.parametrize("column", [name for name in columns("trials") if name not in KEYS])
@pytest.mark.parametrize("purpose", ["decision", "audit"])
def test_a_changed_column_of_a_trial_breaks_the_chain(three, path, column, purpose):
    change(path, "trials", column, where=f"experiment = 1 AND seed = 7 AND purpose = '{purpose}'")
    assert broken_before_reading_or_in_the_chain(three)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scores SET value = 0 WHERE experiment = 1 AND metric = 'mean_rank' AND seed = 7",
        "UPDATE scores SET metric = 'x' WHERE experiment = 1 AND metric = 'mean_rank' AND seed = 7",
        "DELETE FROM scores WHERE experiment = 1 AND metric = 'recall_at_1' AND seed = 8",
        "INSERT INTO scores VALUES ('t1', 1, 'train', 7, 'loss', 1)",
        "UPDATE audit_scores SET value = 0 WHERE experiment = 1",
        "DELETE FROM audit_scores WHERE experiment = 0",
        "INSERT INTO audit_scores VALUES ('t1', 1, 'train', 7, 'loss', 1)",
        "DELETE FROM trials WHERE experiment = 1 AND purpose = 'audit'",
        "DELETE FROM trials WHERE experiment = 1 AND purpose = 'decision' AND seed = 8",
        "UPDATE experiments SET chain = NULL WHERE number = 2",
        "DELETE FROM experiments WHERE number = 1",
    ],
)
def test_a_changed_row_breaks_the_chain(three, path, statement):
    tamper(path, statement)
    assert broken_before_reading_or_in_the_chain(three)


def test_the_audit_of_the_last_experiment_is_a_link_of_its_own(three, path):
    tamper(path, "UPDATE audit_scores SET value = 0 WHERE experiment = 2")
    assert not chain_holds(three)


def test_a_score_is_bound_to_its_last_digit(three, path):
    tamper(path, "UPDATE scores SET value = 38.000000000000007 WHERE experiment = 2")
    assert not chain_holds(three)


@pytest.mark.parametrize("column", [name for name in columns("runs") if name != "tag"])
def test_a_changed_column_of_the_run_breaks_the_chain(three, path, column):
    change(path, "runs", column, where="tag = 't1'")
    assert broken_before_reading_or_in_the_chain(three)


def broken_before_reading_or_in_the_chain(ledger: Ledger) -> bool:
    """A row so odd that it cannot even be read does not pass for an honest one either."""
    try:
        return not chain_holds(ledger)
    except (ValueError, TypeError, AttributeError):
        return True


def change(path: Path, table: str, column: str, *, where: str) -> None:
    """Give one column another value of its own type."""
    kinds = {row[1]: row[2] for row in rows(path, f"PRAGMA table_info({table})")}
    value = repr(OTHER[kinds[column]])
    tamper(path, f'UPDATE {table} SET "{column}" = {value} WHERE {where}')  # noqa: S608


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


def test_a_fresh_ledger_is_migrated_and_opening_it_again_keeps_what_it_holds(ledger, path):
    assert rows(path, "PRAGMA user_version") == [(len(schema.MIGRATIONS),)]
    with open_ledger(path) as again:
        assert again.runs() == (RUN,)


def test_a_later_migration_meets_the_rows_that_are_there(ledger, path, monkeypatch):
    complete(ledger, 0)
    later = "ALTER TABLE events ADD COLUMN level TEXT; CREATE INDEX e ON events (run)"
    monkeypatch.setattr(store, "MIGRATIONS", (*schema.MIGRATIONS, later))
    with open_ledger(path) as again:
        again.event("t1", "x")
        assert len(again.experiments("t1")) == 1
    assert rows(path, "SELECT level FROM events") == [(None,)]


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(ledger, path, monkeypatch):
    broken = "CREATE TABLE extra (x INTEGER); CREATE TABLE runs (x INTEGER);"
    monkeypatch.setattr(store, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(LedgerError), open_ledger(path):
        pass
    assert rows(path, "PRAGMA user_version") == [(len(schema.MIGRATIONS),)]
    assert rows(path, "SELECT * FROM sqlite_master WHERE name = 'extra'") == []


def test_a_newer_version_s_ledger_is_refused_and_left_alone(ledger, path):
    tamper(path, "PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="newer version") as refused, open_ledger(path):
        pass
    assert refused.value.hint
    assert rows(path, "PRAGMA user_version") == [(99,)]


def test_a_locked_ledger_is_our_failure_with_a_hint(ledger, path, monkeypatch):
    ledger._db.execute("PRAGMA busy_timeout = 50")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked") as failed:
        ledger.open_experiment(intent(0), RUN)
    assert "--resume" in failed.value.hint
    with pytest.raises(LedgerError, match="locked"):
        ledger.add_trial("t1", 0, trial(Purpose.DECISION, 7, scored(40.0)))
    holder.execute("ROLLBACK")
    holder.close()
    ledger.open_experiment(intent(0), RUN)


def test_a_file_that_is_no_ledger_is_our_failure(path):
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be taken for a header" * 100)
    with pytest.raises(LedgerError), open_ledger(path):
        pass


def test_a_folder_in_its_place_is_our_failure(path):
    path.mkdir(parents=True)
    with pytest.raises(LedgerError), open_ledger(path):
        pass


def test_supervisors_that_start_together_make_one_ledger(path):
    barrier = threading.Barrier(8)

    def start(_: int) -> tuple[Run, ...]:
        barrier.wait()
        with open_ledger(path) as ledger:
            return ledger.runs()

    with ThreadPoolExecutor(8) as together:
        assert list(together.map(start, range(8))) == [()] * 8


def test_reading_goes_on_while_somebody_writes(ledger, path):
    complete(ledger, 0)
    with open_ledger(path) as reader:
        ledger._db.execute("BEGIN IMMEDIATE")
        assert len(reader.experiments("t1")) == 1
        ledger._db.execute("ROLLBACK")
