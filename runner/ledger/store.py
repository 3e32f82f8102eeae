"""The SQLite ledger: every experiment stays, kept or not.

Write-ahead: an experiment's intent is a row before its first container starts, each trial is a
row as it ends, the decision is a row before git moves, and the row is closed after.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.errors import LedgerError
from runner.ledger import chain, rows
from runner.ledger.schema import MIGRATIONS, OLDEST
from runner.records import (
    Analysis,
    Experiment,
    ExperimentStatus,
    Hypothesis,
    HypothesisStatus,
    ModelCall,
    Purpose,
    Run,
    TrialRecord,
)

BUSY_SECONDS = 10.0


def now() -> str:
    """Return this moment, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Ledger:
    """One connection to the ledger, which threads take turns at. Made by `open_ledger`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._turn = threading.RLock()
        self._ended: dict[str, tuple[Experiment, ...]] = {}
        """Tag → its first experiments, up to one that has not ended: they are asked for often."""

    # -- runs -----------------------------------------------------------------------------

    def create_run(self, run: Run) -> None:
        self._insert("runs", asdict(run))

    def run(self, tag: str) -> Run | None:
        found = self._one("SELECT * FROM runs WHERE tag = ?", tag)
        return Run(**found) if found else None

    def runs(self) -> tuple[Run, ...]:
        """Return all runs, the newest last, whatever the clock said when they were made."""
        return tuple(Run(**row) for row in self._all("SELECT * FROM runs ORDER BY rowid"))

    # -- one experiment, step by step -----------------------------------------------------

    def open_experiment(self, experiment: Experiment, run: Run) -> None:
        """Record the intent: from here on a restart knows of it."""
        ran_under = {
            "policy_digest": run.policy_digest,
            "harness_digest": run.harness_digest,
            "image_id": run.image_id,
        }
        self._insert("experiments", rows.experiment_row(experiment) | ran_under)

    def record_attempt(self, tag: str, number: int, commit: str) -> None:
        self._update(tag, number, attempt_commit=commit)

    def record_fingerprint(self, tag: str, number: int, fingerprint: str | None) -> None:
        self._update(tag, number, fingerprint=fingerprint)

    def add_trial(self, tag: str, number: int, trial: TrialRecord) -> str | None:
        """Record an ended trial together with its scores; return the link of an audit trial.

        An audit trial is one of the newest experiment, which is closed by then.
        """
        audit = trial.purpose is Purpose.AUDIT
        table = "audit_scores" if audit else "scores"
        key = {"run": tag, "experiment": number, "split": trial.split, "seed": trial.seed}
        with self._transaction():
            self._forget(tag, number)
            row = key | {"purpose": trial.purpose.value, "ended_at": now()}
            entry = self._insert("trials", row | rows.trial_row(trial.result)).lastrowid
            for metric, value in (trial.result.score.metrics if trial.result.score else {}).items():
                self._insert(table, key | {"metric": metric, "value": value})
            if not audit:
                return None
            link = chain.link(
                self.head(tag), rows.linked_row(self._trials(tag, number, audit=True)[-1])
            )
            self._do("UPDATE trials SET chain = ? WHERE rowid = ?", link, entry)
        return link

    def record_decision(
        self, tag: str, number: int, *, status: ExperimentStatus, **columns: Any
    ) -> str:
        """Record the answer; git moves next. Return the moment, which the commit carries."""
        at = now()
        self._update(tag, number, status=status.value, decided_at=at, **columns)
        return at

    def close_experiment(
        self,
        tag: str,
        number: int,
        *,
        commit: str | None,
        wall_seconds: float,
        notes_commit: str | None = None,
    ) -> str:
        """Close the row and return the chain's new head."""
        ended = {"commit": commit, "wall_seconds": wall_seconds, "notes_commit": notes_commit}
        with self._transaction():
            head = self.head(tag)
            self._update(tag, number, ended_at=now(), **ended)
            link = self._closing_link(tag, number, head)
            self._update(tag, number, chain=link)
        return link

    # -- reading --------------------------------------------------------------------------

    def experiments(self, tag: str) -> tuple[Experiment, ...]:
        query = "SELECT * FROM experiments WHERE run = ? AND number >= ? ORDER BY number"
        with self._turn:  # a trial that another thread adds meanwhile would be missing for good
            ended = self._ended.get(tag, ())
            others = [self._with_trials(row) for row in self._all(query, tag, len(ended))]
            self._ended[tag] = (*ended, *_ended_in_order(others, len(ended)))
        return (*ended, *others)

    def experiment(self, tag: str, number: int) -> Experiment | None:
        ended = self._ended.get(tag, ())
        if number < len(ended):
            return ended[number]
        query = "SELECT * FROM experiments WHERE run = ? AND number = ?"
        with self._turn:
            row = self._one(query, tag, number)
            return self._with_trials(row) if row else None

    def stored(self, tag: str) -> tuple[dict[str, Any], ...]:
        """Return the experiments' rows as they are, for whoever does not trust them."""
        query = "SELECT * FROM experiments WHERE run = ? ORDER BY number"
        return tuple(self._all(query, tag))

    def unfinished(self, tag: str) -> Experiment | None:
        """Return the experiment that an earlier supervisor left open, if there is one."""
        query = "SELECT * FROM experiments WHERE run = ? AND ended_at IS NULL"
        row = self._one(query, tag)
        return self._with_trials(row) if row else None

    def column(self, tag: str, number: int, name: str) -> Any:
        """Return a bookkeeping column that is no part of an `Experiment`."""
        row = self._one("SELECT * FROM experiments WHERE run = ? AND number = ?", tag, number)
        return row[name] if row else None

    # -- the chain ------------------------------------------------------------------------

    def first_link(self, tag: str) -> str:
        """Return the beginning of the chain: the run's own row."""
        row = self._one("SELECT * FROM runs WHERE tag = ?", tag)
        if row is None:
            raise LedgerError(f"there is no run {tag}")
        return chain.first(row)

    def head(self, tag: str) -> str:
        """Return the newest link of the chain."""
        query = "SELECT number, chain FROM experiments WHERE run = ? AND chain IS NOT NULL"
        row = self._one(f"{query} ORDER BY number DESC LIMIT 1", tag)
        if row is None:
            return self.first_link(tag)
        query = "SELECT chain FROM trials WHERE run = ? AND experiment = ? AND chain IS NOT NULL"
        audit = self._one(f"{query} ORDER BY rowid DESC LIMIT 1", tag, row["number"])
        return str((audit or row)["chain"])

    def links(self, tag: str) -> tuple[chain.Link, ...]:
        """Return every link, made again from the rows as they are now."""
        return tuple(self._links(tag))

    def _links(self, tag: str) -> Iterator[chain.Link]:
        previous = self.first_link(tag)
        for row in self.stored(tag):
            number, stored = row["number"], row["chain"]
            if stored is not None:
                again = self._closing_link(tag, number, previous)
                yield chain.Link(experiment=number, audited=None, stored=stored, again=again)
                previous = stored
            for trial in self._trials(tag, number, audit=True):
                stored, split = trial["chain"], trial["split"]
                again = chain.link(previous, rows.linked_row(trial))
                yield chain.Link(experiment=number, audited=split, stored=stored, again=again)
                previous = stored or previous

    def strays(self, tag: str) -> tuple[str, ...]:
        """Describe trials without an experiment and scores without a trial: no link covers them."""
        key = "run = ? AND NOT EXISTS (SELECT * FROM {} WHERE run = {}.run AND {})"
        place = "experiment = {0}.experiment AND split = {0}.split AND seed = {0}.seed"
        owners = {
            "trials": ("experiments", "number = trials.experiment"),
            "scores": ("trials", f"{place.format('scores')} AND purpose <> 'audit'"),
            "audit_scores": ("trials", f"{place.format('audit_scores')} AND purpose = 'audit'"),
        }
        found = []
        for table, (owner, where) in owners.items():
            query = f"SELECT * FROM {table} WHERE {key.format(owner, table, where)}"  # noqa: S608
            found += [f"{table}: {rows.dump(row)}" for row in self._all(query, tag)]
        return tuple(found)

    # -- model calls ----------------------------------------------------------------------

    def add_call(self, tag: str, call: ModelCall) -> None:
        self._insert("calls", rows.call_row(tag, replace(call, at=now())))

    def calls(self, tag: str) -> tuple[ModelCall, ...]:
        query = "SELECT * FROM calls WHERE run = ? ORDER BY id"
        return tuple(rows.read_call(row) for row in self._all(query, tag))

    def spent(self, tag: str) -> float:
        """Return what a run's model calls cost so far, in US dollars."""
        row = self._one("SELECT total(usd) AS usd FROM calls WHERE run = ?", tag)
        return float(row["usd"]) if row else 0.0

    def reserve(self, tag: str, usd: float) -> int:
        """Write down that a call may cost so much, before it is made; return the entry's id."""
        return int(self._insert("reservations", {"run": tag, "usd": usd}).lastrowid or 0)

    def release(self, reservation: int) -> None:
        self._do("DELETE FROM reservations WHERE id = ?", reservation)

    def charge_reservations(self, tag: str, call: ModelCall) -> float:
        """Turn what is set aside into calls like this one; return the US dollars."""
        with self._transaction():
            found = self._all("SELECT id, usd FROM reservations WHERE run = ?", tag)
            for row in found:
                self.add_call(tag, replace(call, usd=row["usd"]))
                self.release(row["id"])
        return float(sum(row["usd"] for row in found))

    # -- a person's hypotheses ------------------------------------------------------------

    def add_hypothesis(self, tag: str, text: str) -> int:
        """Queue it behind the open ones and return its id."""
        row = {"run": tag, "text": text, "added_at": now(), "status": HypothesisStatus.OPEN.value}
        return int(self._insert("hypotheses", row).lastrowid or 0)

    def hypotheses(self, tag: str) -> tuple[Hypothesis, ...]:
        query = "SELECT * FROM hypotheses WHERE run = ? ORDER BY id"
        return tuple(rows.read_hypothesis(row) for row in self._all(query, tag))

    def end_hypothesis(
        self, hypothesis: int, status: HypothesisStatus, *, experiment: int | None = None
    ) -> bool:
        """Mark an open hypothesis as answered or dropped; say whether it was open."""
        query = "UPDATE hypotheses SET status = ?, experiment = ? WHERE id = ? AND status = 'open'"
        return self._do(query, status.value, experiment, hypothesis).rowcount == 1

    # -- analyses -------------------------------------------------------------------------

    def begin_analysis(self, tag: str, analysis: Analysis) -> int:
        """Write down that one begins; return the entry's id."""
        return int(self._insert("analyses", {"run": tag, **asdict(analysis)}).lastrowid or 0)

    def end_analysis(
        self, entry: int, *, seconds: float, exit_code: int | None, failure: str | None
    ) -> None:
        query = "UPDATE analyses SET seconds = ?, exit_code = ?, failure = ? WHERE id = ?"
        self._do(query, seconds, exit_code, failure, entry)

    def analyses(self, tag: str) -> tuple[Analysis, ...]:
        query = "SELECT * FROM analyses WHERE run = ? ORDER BY id"
        return tuple(rows.read_analysis(row) for row in self._all(query, tag))

    # -- events ---------------------------------------------------------------------------

    def event(self, tag: str, name: str, **detail: Any) -> None:
        self._insert("events", {"run": tag, "at": now(), "name": name, "detail": rows.dump(detail)})

    def events(self, tag: str) -> tuple[dict[str, Any], ...]:
        query = "SELECT at, name, detail FROM events WHERE run = ? ORDER BY id"
        return tuple(row | {"detail": rows.load(row["detail"])} for row in self._all(query, tag))

    # -- plumbing -------------------------------------------------------------------------

    def _closing_link(self, tag: str, number: int, previous: str) -> str:
        query = "SELECT * FROM experiments WHERE run = ? AND number = ?"
        row = self._one(query, tag, number)
        if row is None:
            raise LedgerError(f"run {tag} has no experiment {number}")
        trials = self._trials(tag, number, audit=False)
        return chain.link(previous, rows.linked_row(row), [rows.linked_row(one) for one in trials])

    def _trials(self, tag: str, number: int, *, audit: bool) -> list[dict[str, Any]]:
        """Return an experiment's audit trials, or its others, as they ended, with their scores.

        In the order of their rows, for a clock may step back.
        """
        query = f"""SELECT rowid, * FROM trials
            WHERE run = ? AND experiment = ? AND purpose {"=" if audit else "<>"} 'audit'
            ORDER BY rowid"""  # noqa: S608
        found = self._all(query, tag, number)
        return [row | {"metrics": self._metrics(row)} for row in found]

    def _with_trials(self, row: dict[str, Any]) -> Experiment:
        key = (row["run"], row["number"])
        query = "SELECT * FROM trials WHERE run = ? AND experiment = ? ORDER BY rowid"
        trials = tuple(
            rows.read_trial(found, self._metrics(found)) for found in self._all(query, *key)
        )
        return rows.read_experiment(row, trials)

    def _metrics(self, trial: dict[str, Any]) -> dict[str, float]:
        table = "scores" if trial["purpose"] == Purpose.DECISION else "audit_scores"
        query = f"""SELECT metric, value FROM {table}
            WHERE run = ? AND experiment = ? AND split = ? AND seed = ?"""  # noqa: S608
        key = (trial["run"], trial["experiment"], trial["split"], trial["seed"])
        return {row["metric"]: row["value"] for row in self._all(query, *key)}

    def _insert(self, table: str, values: dict[str, Any]) -> sqlite3.Cursor:
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" for _ in values)
        query = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
        return self._do(query, *values.values())

    def _update(self, tag: str, number: int, **columns: Any) -> None:
        names = ", ".join(f'"{name}" = ?' for name in columns)
        query = f"UPDATE experiments SET {names} WHERE run = ? AND number = ?"  # noqa: S608
        with self._turn:
            self._forget(tag, number)
            self._do(query, *columns.values(), tag, number)

    def _forget(self, tag: str, number: int) -> None:
        self._ended[tag] = self._ended.get(tag, ())[:number]

    def _do(self, query: str, *values: Any) -> sqlite3.Cursor:
        with self._turn, _our_fault():
            return self._db.execute(query, [_storable(value) for value in values])

    def _all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with self._turn:
            return [dict(row) for row in self._do(query, *values).fetchall()]

    def _one(self, query: str, *values: Any) -> dict[str, Any] | None:
        found = self._all(query, *values)
        return found[0] if found else None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._turn, _our_fault():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _ended_in_order(experiments: Iterable[Experiment], first: int) -> Iterator[Experiment]:
    """Yield those that ended, up to one that has not or a number that is missing."""
    for number, experiment in enumerate(experiments, start=first):
        if experiment.number != number or not experiment.ended_at:
            return
        yield experiment


def _storable(value: Any) -> Any:
    """Escape what UTF-8 cannot hold: text may come from an agent."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", errors="backslashreplace").decode()


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """Yield the ledger at `path`, made or migrated as needed.

    Raises:
        LedgerError: it is locked, damaged, or from a newer version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _our_fault():
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    try:
        with _our_fault():
            connection.row_factory = sqlite3.Row
            if _version(connection, path) != len(MIGRATIONS):
                _migrate(connection, path)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        yield Ledger(connection)
    finally:
        connection.close()


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise LedgerError("the ledger was written by a newer version", hint="update this checkout")
    if 0 < version < OLDEST:
        raise LedgerError(
            f"{path} is a ledger of version {version}, from before the first release: "
            "less of it is in its chain, so this version cannot vouch for it",
            hint="move it and `runs` beside it elsewhere; the code that wrote it can read it",
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    from filelock import FileLock  # not needed where there is nothing to migrate

    with FileLock(f"{path}.migrating"):
        connection.execute("PRAGMA journal_mode = WAL")
        # Read again: whoever held the lock before us may have done it.
        steps = ";".join(MIGRATIONS[_version(connection, path) :])
        version = f"PRAGMA user_version = {len(MIGRATIONS)};"
        connection.executescript(f"BEGIN IMMEDIATE; {steps}; {version} COMMIT;")


@contextmanager
def _our_fault() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a bug of ours: it keeps its traceback
    except sqlite3.Error as error:
        hint = "free the disk or end whoever holds the ledger, then: runner run --resume TAG"
        raise LedgerError(f"the ledger: {error}", hint=hint) from error
