"""Reads the journal: never changes the file, never keeps the writer waiting.

Every view, every `--json` and the loop itself read here, from the projections.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.errors import LedgerError
from runner.journal import projections, rows
from runner.journal.entries import GENESIS, RESULTS, Entry, Head
from runner.records import (
    Analysis,
    Experiment,
    GuardRecord,
    Hypothesis,
    ModelCall,
    Purpose,
    Run,
    TrialRecord,
)

VERSION = 100
"""`PRAGMA user_version` of the first released form; smaller ones were never released."""

MARKS = ", ".join("?" for _ in RESULTS)
ODD = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a value comes to that no supervisor writes."""
BUSY = ("locked", "full", "readonly", "disk I/O")
"""Words of the database about a file that is whole."""


class ChangedFormError(LedgerError):
    """The file has other tables, columns or triggers than the runner makes."""


class UnreadableError(LedgerError):
    """A row holds what no supervisor writes."""


class Reader:
    """One connection to the journal, which threads take turns at. Made by `open_reader`."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, still: tuple[int, ...] | None = None
    ) -> None:
        self._db, self._path, self._still = connection, path, still
        self._turn = threading.RLock()

    # -- runs and experiments -------------------------------------------------------------

    def run(self, tag: str) -> Run | None:
        found = self._one("SELECT * FROM runs WHERE tag = ?", tag)
        return Run(**found) if found else None

    def damage(self) -> tuple[str, ...]:
        """Return what the database's own check of every page, index and type complains of."""
        found = [str(*row.values()) for row in self._all("PRAGMA integrity_check")]
        return () if found == ["ok"] else tuple(found)

    def changed(self) -> bool:
        """Say whether somebody wrote to a file that was opened as one that nobody writes to."""
        return self._still is not None and (
            self._still != _stamp(self._path) or _at_work(self._path)
        )

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Let all that is read inside be of the same moment, whoever writes meanwhile."""
        with self._turn:
            self._do("BEGIN")
            try:
                yield
            finally:
                self._do("COMMIT")

    def runs(self) -> tuple[Run, ...]:
        """Return all runs, the newest last, whatever the clock said when they were made."""
        return tuple(Run(**row) for row in self._all("SELECT * FROM runs ORDER BY rowid"))

    def experiments(self, tag: str) -> tuple[Experiment, ...]:
        return tuple(self._read(tag, 0))

    def experiment(self, tag: str, number: int) -> Experiment | None:
        return next(iter(self._read(tag, number, number)), None)

    def stored(self, tag: str) -> tuple[dict[str, Any], ...]:
        """Return the experiments' rows as they are, for whoever does not trust them."""
        query = "SELECT * FROM experiments WHERE run = ? ORDER BY number"
        return tuple(self._all(query, tag))

    def rows(self, table: str, tag: str) -> list[dict[str, Any]]:
        """Return a run's rows of one of the tables, as they are."""
        with self._turn, our_fault():
            return projections.rows(self._db, table, tag)

    # -- entries --------------------------------------------------------------------------

    def entries(self, tag: str, *, after: int = 0) -> Iterator[Entry]:
        """Yield a run's entries in their order, a thousand at a time."""
        query = "SELECT * FROM entries WHERE run = ? AND seq > ? ORDER BY seq LIMIT 1000"
        while found := self._all(query, tag, after):
            yield from (Entry(**row) for row in found)
            after = found[-1]["seq"]

    def head(self, tag: str) -> Head:
        """Return where a run's chain ends."""
        query = "SELECT seq, chain FROM entries WHERE run = ? ORDER BY seq DESC LIMIT 1"
        row = self._one(query, tag)
        return Head(**row) if row else Head()

    def result_chain(self, tag: str) -> str:
        """Return the chain at the newest result, settled or audited, of which git is a witness.

        What else is an entry (a call, a person's hypothesis) moves the head at any time.
        """
        query = f"""SELECT chain FROM entries WHERE run = ? AND kind IN ({MARKS})
            ORDER BY seq DESC LIMIT 1"""  # noqa: S608
        row = self._one(query, tag, *RESULTS)
        return row["chain"] if row else GENESIS

    # -- what stands beside experiments ---------------------------------------------------

    def calls(self, tag: str) -> tuple[ModelCall, ...]:
        query = "SELECT * FROM calls WHERE run = ? ORDER BY seq"
        with readable("a call"):
            return tuple(rows.read_call(row) for row in self._all(query, tag))

    def spent(self, tag: str) -> float:
        """Return what a run's model calls cost so far, in US dollars."""
        row = self._one("SELECT total(usd) AS usd FROM calls WHERE run = ?", tag)
        return float(row["usd"]) if row else 0.0

    def hypotheses(self, tag: str) -> tuple[Hypothesis, ...]:
        query = "SELECT * FROM hypotheses WHERE run = ? ORDER BY id"
        with readable("a hypothesis"):
            return tuple(rows.read_hypothesis(row) for row in self._all(query, tag))

    def analyses(self, tag: str) -> tuple[Analysis, ...]:
        query = "SELECT * FROM analyses WHERE run = ? ORDER BY seq"
        with readable("an analysis"):
            return tuple(rows.read_analysis(row) for row in self._all(query, tag))

    def events(self, tag: str) -> tuple[dict[str, Any], ...]:
        query = "SELECT at, name, detail FROM notes WHERE run = ? ORDER BY seq"
        with readable("a note"):
            return tuple(
                row | {"detail": rows.load(row["detail"])} for row in self._all(query, tag)
            )

    # -- plumbing -------------------------------------------------------------------------

    def _read(self, tag: str, first: int, last: int = 2**62) -> list[Experiment]:
        """Read experiments with their trials: four queries, however many they are."""
        place = (tag, first, last)
        query = "SELECT * FROM {} WHERE run = ? AND {} BETWEEN ? AND ? ORDER BY {}"
        scores: dict[Any, dict[str, float]] = defaultdict(dict)
        for purpose in Purpose:
            table = projections.scores_of(purpose)
            for row in self._all(query.format(table, "experiment", "rowid"), *place):
                key = (row["experiment"], purpose, row["split"], row["index"])
                scores[key][row["metric"]] = row["value"]
        trials: dict[int, list[TrialRecord]] = defaultdict(list)
        for row in self._all(query.format("trials", "experiment", "seq"), *place):
            key = (row["experiment"], row["purpose"], row["split"], row["index"])
            with readable(f"a trial of experiment {row['experiment']}"):
                said = rows.trial_row(row, scores.get(key, {}))
                trials[row["experiment"]].append(rows.read_trial(said))
        guards: dict[int, list[GuardRecord]] = defaultdict(list)
        for row in self._all(query.format("guards", "experiment", "seq"), *place):
            guards[row["experiment"]].append(rows.read_guard(row))
        return [
            _experiment(row, tuple(trials[row["number"]]), tuple(guards[row["number"]]))
            for row in self._all(query.format("experiments", "number", "number"), *place)
        ]

    def _do(self, query: str, *values: Any) -> sqlite3.Cursor:
        with self._turn, our_fault():
            return self._db.execute(query, values)

    def _all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with self._turn:
            return [dict(row) for row in self._do(query, *values).fetchall()]

    def _one(self, query: str, *values: Any) -> dict[str, Any] | None:
        found = self._all(query, *values)
        return found[0] if found else None


def _experiment(
    row: dict[str, Any], trials: tuple[TrialRecord, ...], guards: tuple[GuardRecord, ...]
) -> Experiment:
    with readable(f"experiment {row['number']}"):
        return rows.read_experiment(row, trials, guards)


@contextmanager
def open_reader(path: Path) -> Iterator[Reader]:
    """Yield a reader of the journal at `path`; no file is made or changed.

    Without a write-ahead log nobody is at work, and everything is in the one file: then it is read
    as it lies, from a folder that cannot be written to as well.

    Raises:
        LedgerError: it is not there, damaged, or of another version.
    """
    refuse_unreleased(path)
    still = None if _at_work(path) else _stamp(path)
    options = "mode=ro" if still is None else "mode=ro&immutable=1"
    with our_fault():
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{options}", uri=True, isolation_level=None,
            check_same_thread=False,
        )  # fmt: skip
    try:
        with our_fault():
            connection.row_factory = sqlite3.Row
            connection.text_factory = _text
            require_form(connection)
        yield Reader(connection, path, still)
    finally:
        connection.close()


def _text(stored: bytes) -> str:
    """Return a text that somebody else may have written."""
    return stored.decode("utf-8", errors="backslashreplace")


def _at_work(path: Path) -> bool:
    """Say whether somebody is, or was killed: then the newest is in the write-ahead log."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what tells that a file was written to; `None` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def require_form(connection: sqlite3.Connection) -> None:
    """Raise `LedgerError` where the file is not a journal of this version."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise LedgerError("the journal was written by a newer version", hint="update this checkout")
    if found != VERSION:
        raise LedgerError("this file is no journal of this version", hint="move it elsewhere")
    if strange := projections.form(connection) ^ projections.own_form():
        names = ", ".join(sorted({name for _, name, *_ in strange}))
        message = f"the journal was changed by hand: its tables are not the runner's: {names}"
        raise ChangedFormError(message, hint="move it elsewhere, and start anew")


def refuse_unreleased(path: Path) -> None:
    """Raise `LedgerError` where runs of a version that was never released lie beside it."""
    older = path.with_name("ledger.sqlite")
    if older.exists() and not path.exists():
        raise LedgerError(
            f"{older} holds runs of a version that was never released; this one cannot read them",
            hint=f"keep them elsewhere, and start anew: mv {path.parent} {path.parent}.old",
        )


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Raise `UnreadableError` where a row is none that a supervisor writes."""
    try:
        yield
    except ODD as error:
        hint = "it was changed by hand, see: runner audit"
        message = f"the journal: {what} cannot be read: {type(error).__name__}: {error}"
        raise UnreadableError(message, hint=hint) from error


@contextmanager
def our_fault() -> Iterator[None]:
    """Turn what the database refuses into one `LedgerError` with a hint."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a bug of ours: it keeps its traceback
    except sqlite3.Error as error:
        hint = "free the disk or end whoever holds the journal, then: runner run --resume TAG"
        if not any(word in str(error) for word in BUSY):
            hint = "the file is damaged, or was changed by hand"
        raise LedgerError(f"the journal: {error}", hint=hint) from error
