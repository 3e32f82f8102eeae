"""Reads the journal: never changes the file, never keeps the writer waiting.

Every view, every `--json` and the loop itself read here, from the projections.
"""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.errors import ConfigError, JournalError
from runner.journal import projections, rows
from runner.journal.entries import GENESIS, RESULTS, Entry, Head, of_row
from runner.journal.finding import Wanted
from runner.records import (
    BOX_ENDED,
    PLANTED,
    TO_PLANT,
    Analysis,
    Beside,
    Box,
    Boxes,
    Descent,
    Experiment,
    ExperimentStatus,
    GuardRecord,
    Hypothesis,
    Keep,
    ModelCall,
    Run,
    Spent,
    TrialRecord,
    Usage,
)

VERSION = 104
"""`PRAGMA user_version` of this form of the file."""
RELEASED = 101
"""The first form that a release wrote; from it on, what an older version wrote can be read."""

MARKS = ", ".join("?" for _ in RESULTS)
LAST = 2**63 - 1
"""The largest number that SQLite holds."""
ENTRY = "e.run, e.seq, e.at, e.kind, e.body, e.chain"
NAMED = (
    ("trials", "seq", "experiment"),
    *(("experiments", name, "number") for name in ("proposed", "reviewed", "decided", "settled")),
)
"""Table → a column that names an entry, and the one that names the experiment."""
AT_ONCE = 500
"""Experiments that are read together."""
KEPT_LINE = """
    WITH RECURSIVE line (number) AS (
        SELECT number FROM experiments WHERE run = :run AND status = 'kept'
        UNION
        SELECT parent FROM experiments JOIN line USING (number)
            WHERE run = :run AND parent IS NOT NULL
    )
    SELECT number, parent, isolation, status = 'kept' AS kept
    FROM experiments WHERE run = :run AND number IN line ORDER BY number
"""
ODD = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a value comes to that no supervisor writes."""
BUSY = ("locked", "full", "readonly", "disk I/O")
"""Words of the database about a file that is whole."""
SPENT = f"""
    SELECT {{by}}, count(*) AS calls, total(usd) AS usd, total(seconds) AS seconds,
        {", ".join(f"sum({name}) AS {name}" for name in Usage.__dataclass_fields__)}
    FROM calls WHERE run = ? AND experiment BETWEEN ? AND ? GROUP BY {{by}} ORDER BY {{order}}
"""  # noqa: S608


class ChangedFormError(JournalError):
    """The file has other tables, columns or triggers than the runner makes."""


class UnreadableError(JournalError):
    """A row holds what no supervisor writes."""


class NoRunError(ConfigError):
    """A person asks for a run, and there is none at all, or none of this tag."""


class Reader:
    """One connection to the journal, which threads take turns at. Made by `open_reader`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        still: tuple[int, ...] | None = None,
        *,
        is_copy: bool = False,
    ) -> None:
        self._db, self._path, self._still = connection, path, still
        self.is_live = still is None and not is_copy
        """Whether it shows what is written after it was opened."""
        self._turn = threading.RLock()

    # -- runs and experiments -------------------------------------------------------------

    def run(self, tag: str) -> Run | None:
        found = self._one("SELECT * FROM runs WHERE tag = ?", tag)
        with readable(f"the run {tag}"):
            return rows.read_run(found) if found else None

    def find_run(self, tag: str | None) -> Run:
        """Return the run with this tag, or the newest one; raise `NoRunError` for none."""
        runs = self.runs()
        found = [run for run in runs if tag in (None, run.tag)]
        if not runs:
            raise no_runs()
        if not found:
            known = ", ".join(run.tag for run in runs)
            raise NoRunError(f"there is no run {tag}", hint=f"runs: {known}")
        return found[-1]

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
            if self._db.in_transaction:  # one inside of another is part of it
                yield
                return
            self._rows("BEGIN")
            try:
                yield
            finally:
                self._rows("COMMIT")

    def runs(self) -> tuple[Run, ...]:
        """Return all runs, the newest last, whatever the clock said when they were made."""
        with readable("a run"):
            return tuple(map(rows.read_run, self._all("SELECT * FROM runs ORDER BY rowid")))

    def experiments(self, tag: str) -> tuple[Experiment, ...]:
        """Return all of them whole, for whoever keeps them; views take `outlines` or `whole`."""
        return tuple(self.whole(tag))

    def experiment(self, tag: str, number: int) -> Experiment | None:
        return next(iter(self._read(tag, number, number, whole=True)), None)

    def outlines(self, tag: str, first: int = 0, last: int = LAST) -> Iterator[Experiment]:
        """Yield experiments as the tables have them, without their changes and their origin.

        Of a trial there are its status, its seed and what it took; no scores, curves or crash.
        """
        return self._stream(tag, first, last, whole=False)

    def whole(self, tag: str, first: int = 0, last: int = LAST) -> Iterator[Experiment]:
        """Yield experiments with everything, some at a time."""
        return self._stream(tag, first, last, whole=True)

    def newest(self, tag: str) -> int | None:
        """Return the number of the newest experiment."""
        row = self._one("SELECT max(number) AS number FROM experiments WHERE run = ?", tag)
        return row["number"] if row else None

    def best(self, tag: str) -> int | None:
        """Return the number of the last kept one: the best, or a shorter program that ties."""
        query = "SELECT max(number) AS number FROM experiments WHERE run = ? AND status = 'kept'"
        row = self._one(query, tag)
        return row["number"] if row else None

    def kept_before(self, tag: str, number: int) -> int | None:
        """Return the number of the best when an experiment was decided on."""
        query = """SELECT max(number) AS number FROM experiments
            WHERE run = ? AND status = 'kept' AND number < ?"""
        row = self._one(query, tag, number)
        return row["number"] if row else None

    def counts(self, tag: str) -> dict[ExperimentStatus | None, int]:
        """Return how many ended in which way after the baseline; under `None` those still open."""
        query = """SELECT status, count(*) AS count FROM experiments
            WHERE run = ? AND number > 0 GROUP BY status"""
        found = {row["status"]: row["count"] for row in self._all(query, tag)}
        with readable("a status"):
            return {
                None if name is None else ExperimentStatus(name): count
                for name, count in found.items()
            }

    def wanted(self, tag: str, wanted: Wanted, first: int, count: int) -> tuple[list[int], int]:
        """Return the numbers of `count` such experiments, from the `first` on, and how many are."""
        where, values = wanted.where()
        query = f"SELECT count(*) AS count FROM experiments WHERE {where}"  # noqa: S608
        row = self._one(query, tag, *values)
        query = f"""SELECT number FROM experiments WHERE {where}
            ORDER BY {wanted.order()} LIMIT ? OFFSET ?"""  # noqa: S608
        found = self._all(query, tag, *values, count, first)
        return [each["number"] for each in found], row["count"] if row else 0

    def sampled(
        self, tag: str, first: int, last: int, every: int, also: Sequence[int] = ()
    ) -> tuple[dict[str, Any], ...]:
        """Return what a mark in a picture shows, of every n-th of these experiments and of some."""
        marks = ", ".join("?" for _ in also)
        query = f"""SELECT number, status, reason, score, hypothesis FROM experiments
            WHERE run = ? AND number BETWEEN ? AND ? AND (number % ? = 0 OR number IN ({marks}))
            ORDER BY number"""  # noqa: S608
        return tuple(self._all(query, tag, first, last, every, *also))

    def outcomes(self, tag: str) -> tuple[dict[str, Any], ...]:
        """Return how many experiments after the baseline ended in which way, by their category.

        Each is a `count` beside `category`, `status`, `rule` and `undecided`.
        """
        query = """SELECT category, status, rule, reason LIKE 'undecided: %' AS undecided,
                count(*) AS count
            FROM experiments WHERE run = ? AND number > 0 GROUP BY 1, 2, 3, 4"""
        return tuple(self._all(query, tag))

    def children(self, tag: str, parents: Sequence[int]) -> tuple[dict[str, Any], ...]:
        """Return what a line of descent shows of the experiments that started from these."""
        marks = ", ".join("?" for _ in parents)
        query = f"""SELECT number, parent, status, reason, score, gain, category, hypothesis
            FROM experiments WHERE run = ? AND parent IN ({marks}) ORDER BY number"""  # noqa: S608
        return tuple(self._all(query, tag, *parents))

    def scores(self, tag: str) -> Iterator[float]:
        """Yield every score, in no order."""
        query = "SELECT DISTINCT score FROM experiments WHERE run = ? AND score IS NOT NULL"
        return (row["score"] for row in self._all(query, tag))

    def kept_line(self, tag: str) -> tuple[Descent, ...]:
        """Return what was kept and all that it came from, oldest first."""
        found = self._all(KEPT_LINE, {"run": tag})
        return tuple(Descent(**row | {"kept": bool(row["kept"])}) for row in found)

    def keeps(self, tag: str) -> tuple[Keep, ...]:
        """Return what was kept, the baseline first, with how sure each decision was."""
        query = f"""SELECT number, score, gain, ended_at, {ENTRY} FROM experiments AS x
            JOIN entries AS e ON e.run = x.run AND e.seq = x.decided
            WHERE x.run = ? AND x.status = 'kept' ORDER BY x.number"""  # noqa: S608
        beside = ("number", "score", "gain", "ended_at")
        with readable("a decision"):
            return tuple(
                rows.read_keep({name: row.pop(name) for name in beside}, of_row(row))
                for row in self._all(query, tag)
            )

    def audits(
        self, tag: str, first: int = 0, among: Sequence[int] | None = None
    ) -> dict[int, tuple[TrialRecord, ...]]:
        """Return the audit's trials of what was kept, from `first` on, or of these among it."""
        marks = ", ".join("?" for _ in among or ())
        some = "" if among is None else f" AND x.number IN ({marks})"
        query = f"""SELECT t.experiment, {ENTRY} FROM experiments AS x
            JOIN trials AS t ON t.run = x.run AND t.experiment = x.number AND purpose = 'audit'
            JOIN entries AS e ON e.run = t.run AND e.seq = t.seq
            WHERE x.run = ? AND x.status = 'kept' AND x.number >= ?{some}
            ORDER BY t.experiment, t.seq"""  # noqa: S608
        found: dict[int, tuple[TrialRecord, ...]] = defaultdict(tuple)
        with readable("an audit's trial"):
            for row in self._all(query, tag, first, *(among or ())):
                number = row.pop("experiment")
                found[number] += (rows.read_trial(of_row(row).document),)
        return found

    def planted(self, tag: str) -> tuple[ExperimentStatus, ...]:
        """Return how each experiment ended that changes nothing, but for what was refused."""
        if self.last_event(tag, TO_PLANT) is None:
            return ()
        query = """SELECT x.status, e.* FROM experiments AS x
            JOIN entries AS e ON e.run = x.run AND e.seq = x.proposed
            WHERE x.run = ? AND x.category = 'planted' AND x.ended_at IS NOT NULL
                AND x.status != 'refused'
            ORDER BY x.number"""
        with readable("a proposal"):
            found = [(ExperimentStatus(row.pop("status")), row) for row in self._all(query, tag)]
            origins = ((status, of_row(row).document["origin"] or {}) for status, row in found)
            return tuple(status for status, origin in origins if origin.get("mode") == PLANTED)

    def crowded(self, tag: str, below: float) -> tuple[int, int]:
        """Return how many trials had a smaller share of their processors, and of how many."""
        query = """SELECT count(*) FILTER (WHERE processor_share < ?) AS few,
            count(processor_share) AS known FROM trials WHERE run = ?"""
        row = self._one(query, below, tag)
        return (row["few"], row["known"]) if row else (0, 0)

    def still_open(self, tag: str) -> tuple[int, ...]:
        """Return the experiments that have not ended, oldest first."""
        query = "SELECT number FROM experiments WHERE run = ? AND ended_at IS NULL ORDER BY number"
        return tuple(row["number"] for row in self._all(query, tag))

    def stored(self, tag: str) -> tuple[dict[str, Any], ...]:
        """Return of the experiments' rows what an audit compares, as it is."""
        query = """SELECT number, status, ended_at, settled, proposed, notes_commit
            FROM experiments WHERE run = ? ORDER BY number"""
        return tuple(map(dict, self._rows(query, tag)))

    def rows(self, table: str, tag: str) -> Iterator[dict[str, Any]]:
        """Yield a run's rows of one of the tables, as they are, in the order of their keys."""
        with self._turn, our_fault():
            yield from projections.rows(self._db, table, tag)

    # -- entries --------------------------------------------------------------------------

    def entries(self, tag: str, *, after: int = 0) -> Iterator[Entry]:
        """Yield a run's entries in their order, a thousand at a time."""
        query = "SELECT * FROM entries WHERE run = ? AND seq > ? ORDER BY seq LIMIT 1000"
        while found := self._rows(query, tag, after):
            yield from map(of_row, map(dict, found))
            after = found[-1]["seq"]

    def latest(self, tag: str, last: int, count: int) -> tuple[Entry, ...]:
        """Return so many entries of a run up to this place, the newest first."""
        query = "SELECT * FROM entries WHERE run = ? AND seq <= ? ORDER BY seq DESC LIMIT ?"
        return tuple(of_row(dict(row)) for row in self._rows(query, tag, last, count))

    def head(self, tag: str) -> Head:
        """Return where a run's chain ends."""
        query = "SELECT seq, chain FROM entries WHERE run = ? ORDER BY seq DESC LIMIT 1"
        row = self._one(query, tag)
        return Head(seq=row["seq"], chain=row["chain"].hex()) if row else Head()

    def result_chain(self, tag: str) -> str:
        """Return the chain at the newest result, settled or audited, of which git is a witness.

        What else is an entry (a call, a person's hypothesis) moves the head at any time.
        """
        query = f"""SELECT chain FROM entries WHERE run = ? AND kind IN ({MARKS})
            ORDER BY seq DESC LIMIT 1"""  # noqa: S608
        row = self._one(query, tag, *RESULTS)
        return str(row["chain"].hex()) if row else GENESIS

    # -- what stands beside experiments ---------------------------------------------------

    def calls(self, tag: str, first: int = 0, last: int = LAST) -> tuple[ModelCall, ...]:
        """Return the calls that were made for these experiments, in their order."""
        query = "SELECT * FROM calls WHERE run = ? AND experiment BETWEEN ? AND ? ORDER BY seq"
        with readable("a call"):
            return tuple(rows.read_call(row) for row in self._all(query, tag, first, last))

    def spent_by_model(self, tag: str) -> dict[str, Spent]:
        """Return what each model took, the dearest first."""
        with readable("a call"):
            found = self._all(SPENT.format(by="model", order="usd DESC"), tag, 0, LAST)
            return {row["model"]: rows.read_spent(row) for row in found}

    def spent_by_experiment(self, tag: str, first: int = 0, last: int = LAST) -> dict[int, Spent]:
        """Return what each experiment took that a call was made for, in their order."""
        with readable("a call"):
            found = self._all(SPENT.format(by="experiment", order="experiment"), tag, first, last)
            return {row["experiment"]: rows.read_spent(row) for row in found}

    def spent_along(self, tag: str, every: int) -> tuple[tuple[int, float], ...]:
        """Return what was spent up to every n-th experiment: (number, US dollars so far)."""
        query = """SELECT max(experiment) AS number, total(usd) AS usd FROM calls
            WHERE run = ? GROUP BY experiment / ? ORDER BY number"""
        found, so_far = [], 0.0
        for row in self._all(query, tag, every):
            so_far += row["usd"]
            found.append((row["number"], so_far))
        return tuple(found)

    def asked_models(self, tag: str) -> bool:
        """Say whether any call to a model was recorded."""
        return self._one("SELECT 1 FROM calls WHERE run = ? LIMIT 1", tag) is not None

    def spent(self, tag: str) -> float:
        """Return what a run's model calls cost so far, in US dollars."""
        row = self._one("SELECT total(usd) AS usd FROM calls WHERE run = ?", tag)
        return float(row["usd"]) if row else 0.0

    def hypotheses(self, tag: str, *ids: int) -> tuple[Hypothesis, ...]:
        """Return all hypotheses of a run, or those with these ids."""
        some = f" AND id IN ({', '.join('?' for _ in ids)})" if ids else ""
        query = f"SELECT * FROM hypotheses WHERE run = ?{some} ORDER BY id"  # noqa: S608
        with readable("a hypothesis"):
            return tuple(rows.read_hypothesis(row) for row in self._all(query, tag, *ids))

    def open_hypotheses(self, tag: str) -> tuple[Hypothesis, ...]:
        """Return the hypotheses of a person's that nobody tested yet, in their order."""
        query = "SELECT * FROM hypotheses WHERE run = ? AND status = 'open' ORDER BY id"
        with readable("a hypothesis"):
            return tuple(map(rows.read_hypothesis, self._all(query, tag)))

    def analyses(self, tag: str, first: int = 0, last: int = LAST) -> tuple[Analysis, ...]:
        """Return the analyses before these experiments, and the policy's after them."""
        query = "SELECT * FROM analyses WHERE run = ? AND experiment BETWEEN ? AND ? ORDER BY seq"
        with readable("an analysis"):
            return tuple(rows.read_analysis(row) for row in self._all(query, tag, first, last))

    def analysed(self, tag: str) -> tuple[int, float]:
        """Return how many analyses there were, and their seconds."""
        query = "SELECT count(*) AS count, total(seconds) AS seconds FROM analyses WHERE run = ?"
        row = self._one(query, tag)
        return (row["count"], row["seconds"]) if row else (0, 0.0)

    def boxes(self, tag: str, first: int = 0, last: int = LAST) -> tuple[Box, ...]:
        """Return what agents' containers took for these experiments."""
        query = """SELECT detail FROM notes WHERE run = ? AND name = ?
            AND json_extract(detail, '$.experiment') BETWEEN ? AND ? ORDER BY seq"""
        with readable("what a box took"):
            found = self._all(query, tag, BOX_ENDED, first, last)
            return tuple(Box(**json.loads(row["detail"])) for row in found)

    def boxed(self, tag: str) -> Boxes | None:
        """Return what all agents' containers of a run took; `None` where there were none."""
        query = """SELECT count(*) AS count, total(json_extract(detail, '$.seconds')) AS seconds,
            total(json_extract(detail, '$.cpu_seconds')) AS cpu_seconds
            FROM notes WHERE run = ? AND name = ?"""
        row = self._one(query, tag, BOX_ENDED)
        return Boxes(**dict(row)) if row and row["count"] else None

    def beside(self, tag: str, first: int = 0, last: int = LAST) -> Mapping[int, Beside]:
        """Return what was done for each of these experiments, for any that is asked for."""
        found: dict[int, Beside] = defaultdict(Beside)
        for number, spent in self.spent_by_experiment(tag, first, last).items():
            found[number] = replace(found[number], spent=spent)
        for ran in self.analyses(tag, first, last):
            known = found[ran.experiment]
            found[ran.experiment] = replace(known, analyses=(*known.analyses, ran))
        for box in self.boxes(tag, first, last):
            known = found[box.experiment]
            found[box.experiment] = replace(known, boxes=(*known.boxes, box))
        return found

    def events(self, tag: str) -> tuple[dict[str, Any], ...]:
        query = "SELECT at, name, detail FROM notes WHERE run = ? ORDER BY seq"
        return tuple(map(_event, self._all(query, tag)))

    def last_event(self, tag: str, *names: str) -> dict[str, Any] | None:
        """Return the newest event of one of these names."""
        query = """SELECT seq, at, name, detail FROM notes WHERE run = ? AND name = ?
            ORDER BY seq DESC LIMIT 1"""
        found = [row for name in names for row in self._all(query, tag, name)]
        last = max(found, key=lambda row: row.pop("seq"), default=None)
        return None if last is None else _event(last)

    # -- plumbing -------------------------------------------------------------------------

    def _stream(self, tag: str, first: int, last: int, *, whole: bool) -> Iterator[Experiment]:
        query = f"""SELECT number FROM experiments WHERE run = ? AND number BETWEEN ? AND ?
            ORDER BY number LIMIT {AT_ONCE}"""  # noqa: S608
        while first <= last and (found := self._all(query, tag, first, last)):
            yield from self._read(tag, found[0]["number"], found[-1]["number"], whole=whole)
            first = found[-1]["number"] + 1

    def _read(self, tag: str, first: int, last: int, *, whole: bool) -> list[Experiment]:
        """Read experiments with their trials: a few queries, however many they are."""
        with self.at_one_moment():  # no entry comes between the tables and what they name
            place = tag, first, last
            named = self._named(*place) if whole else None
            trials: dict[int, list[TrialRecord]] = defaultdict(list)
            query = "SELECT * FROM trials WHERE run = ? AND experiment BETWEEN ? AND ? ORDER BY seq"
            for row in self._all(query, *place):
                with readable(f"a trial of experiment {row['experiment']}"):
                    entry = None if named is None else named[row["seq"]]
                    trials[row["experiment"]].append(rows.read_trial_row(row, entry))
            guards: dict[int, list[GuardRecord]] = defaultdict(list)
            query = "SELECT * FROM guards WHERE run = ? AND experiment BETWEEN ? AND ? ORDER BY seq"
            for row in self._all(query, *place):
                guards[row["experiment"]].append(rows.read_guard(row))
            found = []
            query = (
                "SELECT * FROM experiments WHERE run = ? AND number BETWEEN ? AND ? ORDER BY number"
            )
            for row in self._all(query, *place):
                with readable(f"experiment {row['number']}"):
                    beside = tuple(trials[row["number"]]), tuple(guards[row["number"]])
                    found.append(rows.read_experiment(row, *beside, named))
            return found

    def _named(self, tag: str, first: int, last: int) -> dict[int, Entry]:
        """Return the entries that the rows of these experiments name."""
        found: dict[int, Entry] = {}
        for table, seq, number in NAMED:
            query = f"""SELECT e.* FROM {table} AS t
                JOIN entries AS e ON e.run = t.run AND e.seq = t.{seq}
                WHERE t.run = ? AND t.{number} BETWEEN ? AND ?"""  # noqa: S608
            found |= {row["seq"]: of_row(row) for row in self._all(query, tag, first, last)}
        return found

    def _rows(self, query: str, *values: Any) -> list[Any]:
        """Return what a query finds; its values are in their order, or one mapping of names."""
        named = values[0] if values and isinstance(values[0], dict) else values
        try:
            with self._turn, our_fault():
                return self._db.execute(query, named).fetchall()
        except OverflowError:
            return []  # no row has a number that the file cannot hold

    def _all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        found = [dict(row) for row in self._rows(query, *values)]
        for row in found:
            with readable("a row"):
                rows.require_sound(row)
        return found

    def _one(self, query: str, *values: Any) -> dict[str, Any] | None:
        found = self._all(query, *values)
        return found[0] if found else None


def no_runs() -> NoRunError:
    return NoRunError("there are no runs yet", hint="run: make sandbox-run TASK=eclip")


def _event(row: dict[str, Any]) -> dict[str, Any]:
    with readable("a note"):
        return row | {"detail": json.loads(row["detail"])}


@contextmanager
def open_reader(path: Path) -> Iterator[Reader]:
    """Yield a reader of the journal at `path`; no file is made or changed.

    Without a write-ahead log nobody is at work, and everything is in the one file: then it is read
    as it lies, from a folder that cannot be written to as well.

    Raises:
        JournalError: it is not there, damaged, or of another version.
    """
    refuse_unreleased(path)
    if path.exists() and not os.access(path, os.R_OK):
        raise JournalError(f"you may not read {path}", hint="ask its owner for: chmod +r")
    still = None if _at_work(path) else _stamp(path)
    place = f"{path.absolute().as_uri()}?mode=ro{'' if still is None else '&immutable=1'}"
    with our_fault():
        connection = sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)
    try:
        with our_fault():
            connection.row_factory = sqlite3.Row
            connection.text_factory = _text
            is_older = require_form(connection) < VERSION
            if is_older:
                older, connection = connection, _made_anew(connection, place)
                older.close()
        yield Reader(connection, path, still, is_copy=is_older)
    finally:
        connection.close()


def _made_anew(older: sqlite3.Connection, place: str) -> sqlite3.Connection:
    """Return this form's tables, made from the entries of an older journal, with those beside."""
    entries = older.execute("SELECT * FROM entries ORDER BY run, seq")
    with readable("an older version's entry"):
        made = projections.made_again(map(of_row, entries))
    made.text_factory = _text
    made.execute("ATTACH ? AS journal", [place])
    return made


def _text(stored: bytes) -> str:
    """Return a text that somebody else may have written."""
    return stored.decode("utf-8", errors="backslashreplace")


def _at_work(path: Path) -> bool:
    """Say whether somebody is, or was killed: then the newest is in the write-ahead log."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def last_written(path: Path) -> tuple[tuple[int, ...] | None, ...]:
    """Return what differs once anybody has written to the journal at `path`."""
    return _stamp(path), _stamp(path.with_name(f"{path.name}-wal"))


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return what tells that a file was written to; `None` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def require_form(connection: sqlite3.Connection) -> int:
    """Return the version of a journal's form, this one's or an older one's.

    Raises:
        JournalError: the file is no journal, or none that this version reads.
    """
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise JournalError(
            "the journal was written by a newer version", hint="update this checkout"
        )
    if found < RELEASED:
        message = "the journal was written by a version that was never released, or is none"
        raise JournalError(message, hint="keep it elsewhere, and start anew")
    strange = projections.form(connection) ^ projections.own_form()
    if found < VERSION:  # its tables are made anew from its entries, whose own form stays
        strange = frozenset(each for each in strange if "entries" in each)
    if strange:
        names = ", ".join(sorted({name for _, name, *_ in strange}))
        message = f"the journal was changed by hand: its tables are not the runner's: {names}"
        raise ChangedFormError(message, hint="move it elsewhere, and start anew")
    return found


def refuse_unreleased(path: Path) -> None:
    """Raise `JournalError` where runs of a version that was never released lie beside it."""
    older = path.with_name("ledger.sqlite")
    if older.exists() and not path.exists():
        raise JournalError(
            f"{older} holds runs of a version that was never released; this one cannot read them",
            hint="keep them elsewhere, and start anew: "
            + shlex.join(["mv", str(path.parent), f"{path.parent}.old"]),
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
    """Turn what the database refuses into one `JournalError` with a hint."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a bug of ours: it keeps its traceback
    except sqlite3.Error as error:
        hint = "free the disk or end whoever holds the journal, then: runner run --resume TAG"
        if "readonly" in str(error):
            hint = "it is not yours to write to: RUNNER_HOME names a folder of your own"
        if not any(word in str(error) for word in BUSY):
            hint = "the file is damaged, or was changed by hand"
        raise JournalError(f"the journal: {error}", hint=hint) from error
