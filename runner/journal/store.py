"""The journal's one writer: every fact is appended, and nothing is ever changed.

Write-ahead: a proposal is an entry before its first container starts, each trial is one as it
ends, the decision is one before git moves, and that git has moved is one after. The tables for
reading change in the same transaction, so whoever reads sees both or neither.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from runner.journal import projections, rows
from runner.journal.entries import ENTRIES, Entry, Kind, as_row, following, now, of_row
from runner.journal.reader import (
    VERSION,
    Reader,
    our_fault,
    readable,
    refuse_unreleased,
    require_form,
)
from runner.records import (
    Analysis,
    Experiment,
    ExperimentStatus,
    GuardRecord,
    HypothesisStatus,
    ModelCall,
    Review,
    Run,
    TrialRecord,
)

BUSY_SECONDS = 10.0


class Journal(Reader):
    """The writer, which reads too. Made by `open_journal`."""

    # -- facts ----------------------------------------------------------------------------

    def create_run(self, run: Run) -> Entry:
        return self._append(run.tag, Kind.RUN_CREATED, asdict(run))

    def propose(self, experiment: Experiment, run: Run) -> Entry:
        """Record the intent: from here on a restart knows of it."""
        ran_under = {
            "policy_digest": run.policy_digest,
            "harness_digest": run.harness_digest,
            "image_id": run.image_id,
            "scorer_image_id": run.scorer_image_id,
        }
        return self._append(run.tag, Kind.PROPOSED, rows.proposal_document(experiment) | ran_under)

    def attempt_stored(self, tag: str, number: int, commit: str) -> Entry:
        said = {"number": number, "attempt_commit": commit}
        return self._append(tag, Kind.ATTEMPT_STORED, said)

    def reviewed(self, tag: str, number: int, review: Review) -> Entry:
        """Record what the review found, which is asked for only once."""
        return self._append(tag, Kind.REVIEWED, rows.review_document(number, review))

    def trial_ended(self, tag: str, number: int, trial: TrialRecord) -> Entry:
        """Record an ended trial together with its scores."""
        kind = Kind.TRIAL_ENDED if trial.purpose.decides else Kind.AUDITED
        return self._append(tag, kind, rows.trial_document(number, trial))

    def guard_ended(self, tag: str, number: int, guard: GuardRecord) -> Entry:
        return self._append(tag, Kind.GUARD_ENDED, rows.guard_document(number, guard))

    def decided(self, tag: str, number: int, *, status: ExperimentStatus, **columns: Any) -> Entry:
        """Record the answer; git moves next, and a kept commit carries this entry's chain."""
        said = {"number": number, "status": str(status), **columns}
        return self._append(tag, Kind.DECIDED, said)

    def settled(
        self,
        tag: str,
        number: int,
        *,
        commit: str | None,
        wall_seconds: float,
        notes_commit: str | None = None,
    ) -> Entry:
        """Record that git is where the decision wants it, and where the notes stood."""
        said = {"number": number, "commit": commit, "wall_seconds": wall_seconds}
        said |= {"notes_commit": notes_commit}
        return self._append(tag, Kind.SETTLED, said)

    def add_call(self, tag: str, call: ModelCall) -> Entry:
        return self._append(tag, Kind.CALL_MADE, rows.call_document(call))

    def reserve(self, tag: str, usd: float) -> int:
        """Write down that a call may cost so much, before it is made; return the entry's place."""
        return self._append(tag, Kind.CALL_RESERVED, {"usd": usd}).seq

    def release(self, tag: str, reservation: int) -> Entry:
        return self._append(tag, Kind.CALL_RELEASED, {"reservation": reservation})

    def charge_reservations(self, tag: str, call: ModelCall) -> float:
        """Turn what is set aside into calls like this one; return the US dollars."""
        with self._transaction():
            found = self._all("SELECT seq, usd FROM reservations WHERE run = ?", tag)
            for row in found:
                self.add_call(tag, replace(call, usd=row["usd"]))
                self.release(tag, row["seq"])
        return float(sum(row["usd"] for row in found))

    def add_hypothesis(self, tag: str, text: str) -> int:
        """Queue it behind the open ones and return its id."""
        with self._transaction():
            row = self._one("SELECT coalesce(max(id), 0) + 1 AS id FROM hypotheses")
            said = {"id": row and row["id"], "text": text, "status": HypothesisStatus.OPEN.value}
            self._append(tag, Kind.HYPOTHESIS_ADDED, said | {"experiment": None})
        return int(said["id"] or 0)

    def end_hypothesis(
        self, hypothesis: int, status: HypothesisStatus, *, experiment: int | None = None
    ) -> bool:
        """Mark an open hypothesis as answered or dropped; say whether it was open."""
        query = "SELECT run FROM hypotheses WHERE id = ? AND status = 'open'"
        with self._transaction():
            row = self._one(query, hypothesis)
            if row is None:
                return False
            said = {"id": hypothesis, "status": str(status), "experiment": experiment}
            self._append(row["run"], Kind.HYPOTHESIS_ENDED, said)
        return True

    def analysis_begun(self, tag: str, analysis: Analysis) -> Entry:
        """Record that somebody looks at rows; one that never ends counts for nothing."""
        return self._append(tag, Kind.ANALYSIS_BEGUN, asdict(analysis))

    def analysis_ended(
        self, tag: str, begun: int, *, seconds: float, exit_code: int | None, failure: str | None
    ) -> Entry:
        """Record the end of the analysis whose begin has this place."""
        said = {"analysis": begun, "seconds": seconds, "exit_code": exit_code, "failure": failure}
        return self._append(tag, Kind.ANALYSIS_ENDED, said)

    def event(self, tag: str, name: str, **detail: Any) -> Entry:
        """Record something that no table of its own is about."""
        for kind, known in rows.NAMED.items():
            if name == known:
                return self._append(tag, kind, detail)
        return self._append(tag, Kind.NOTED, {"name": name, "detail": detail})

    # -- plumbing -------------------------------------------------------------------------

    def _append(self, tag: str, kind: Kind, document: Mapping[str, Any]) -> Entry:
        """Append one entry, and change the tables as it says."""
        with self._transaction():
            entry = following(self.head(tag), run=tag, at=now(), kind=kind, document=document)
            values = as_row(entry)
            marks = ", ".join("?" for _ in values)
            self._db.execute(f"INSERT INTO entries VALUES ({marks})", list(values.values()))  # noqa: S608
            projections.apply(self._db, entry)
        return entry

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all of it or nothing; one inside of another is part of it."""
        with self._turn, our_fault():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Yield the journal at `path`, made where there is none.

    Raises:
        JournalError: it is locked, damaged, or of another version.
    """
    refuse_unreleased(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with our_fault():
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    try:
        with our_fault():
            connection.row_factory = sqlite3.Row
            if _is_new(connection):
                _make(connection, path)
            if require_form(connection) < VERSION:
                _renew(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        yield Journal(connection, path)
    finally:
        connection.close()


def _is_new(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _make(connection: sqlite3.Connection, path: Path) -> None:
    from filelock import FileLock  # not needed where there is a journal

    with FileLock(f"{path}.making"):
        connection.execute("PRAGMA journal_mode = WAL")
        if _is_new(connection):  # whoever held the lock before us may have made it
            tables = f"{ENTRIES} {projections.TABLES} PRAGMA user_version = {VERSION};"
            connection.executescript(f"BEGIN IMMEDIATE; {tables} COMMIT;")


def _renew(connection: sqlite3.Connection) -> None:
    """Make the tables of an older form anew from its entries, all or nothing."""
    old = "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'entries'"
    dropped = "".join(f'DROP TABLE "{name}";' for (name,) in connection.execute(old).fetchall())
    connection.executescript(f"BEGIN IMMEDIATE; {dropped} {projections.TABLES}")
    entries = connection.execute("SELECT * FROM entries ORDER BY run, seq")
    with readable("an older version's entry"):
        for entry in map(of_row, entries):
            projections.apply(connection, entry)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
