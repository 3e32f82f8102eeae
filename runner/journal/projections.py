"""Tables for reading, made from the journal's entries alone: they can be made again at any time.

Each entry says which rows it adds or changes (`writes`, pure). The writer does that in the
transaction that appends the entry; `made_again` does it anew in memory, so that an audit can
compare.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from runner.journal.entries import ENTRIES, Entry, Kind
from runner.journal.rows import IN_ENTRIES, note

TABLES = """
    CREATE TABLE runs (
        tag TEXT PRIMARY KEY,
        task TEXT NOT NULL,
        agent TEXT NOT NULL,
        agent_isolation TEXT NOT NULL,
        metric TEXT NOT NULL,
        direction TEXT NOT NULL,
        round_to REAL NOT NULL,
        policy_text TEXT NOT NULL,
        policy_digest TEXT NOT NULL,
        harness_digest TEXT NOT NULL,
        template_digest TEXT NOT NULL,
        image_id TEXT NOT NULL,
        scorer_image_id TEXT NOT NULL,
        data_digest TEXT NOT NULL,
        device TEXT NOT NULL,
        base_commit TEXT NOT NULL,
        created_at TEXT NOT NULL,
        runner_version TEXT NOT NULL,
        rules_digest TEXT NOT NULL,
        draws_digest TEXT NOT NULL,
        self_reported INTEGER NOT NULL DEFAULT FALSE
    ) STRICT;

    CREATE TABLE experiments (
        run TEXT NOT NULL REFERENCES runs (tag),
        number INTEGER NOT NULL,
        parent_commit TEXT NOT NULL,
        hypothesis TEXT NOT NULL,
        category TEXT NOT NULL,
        parent INTEGER,                 -- the experiment that it started from, with an origin
        isolation TEXT,                 -- of whoever proposed it
        status TEXT,                    -- null until it is decided
        rule TEXT,
        reason TEXT NOT NULL DEFAULT '',
        score REAL,
        gain REAL,
        planned INTEGER,                -- how many trials of it the rule would have asked for
        attempt_commit TEXT,
        "commit" TEXT,
        started_at TEXT NOT NULL,
        decided_at TEXT,
        proposed INTEGER NOT NULL,      -- the entry with its changes and its origin
        reviewed INTEGER,               -- the entry of its review
        decided INTEGER,                -- the entry of its decision
        settled INTEGER,                -- the entry that says that git has moved
        ended_at TEXT,                  -- null until git has moved and it is settled
        wall_seconds REAL,
        notes_commit TEXT,              -- where the notes stood when it was settled
        PRIMARY KEY (run, number)
    ) STRICT;
    CREATE INDEX experiments_by_status ON experiments (run, status, number);
    CREATE INDEX experiments_open ON experiments (run, number) WHERE ended_at IS NULL;

    -- Scores, curves and crashes stay in the entry: no query meets them, of an audit or another.
    CREATE TABLE trials (
        run TEXT NOT NULL,
        experiment INTEGER NOT NULL,
        purpose TEXT NOT NULL,
        split TEXT NOT NULL,
        "index" INTEGER NOT NULL,       -- the number of its draw
        seed INTEGER NOT NULL,          -- the draw
        asked_by INTEGER NOT NULL,      -- the experiment whose decision asked for it
        seq INTEGER NOT NULL,           -- of the entry, in which order they ended
        status TEXT NOT NULL,
        reason TEXT NOT NULL,
        stage TEXT,
        failed_limit TEXT,
        self_modified TEXT NOT NULL,    -- JSON list of paths
        wall_seconds REAL NOT NULL,
        overhead_seconds REAL NOT NULL,
        peak_memory_bytes INTEGER,
        peak_gpu_memory_bytes INTEGER,
        cpu_seconds REAL,
        processor_share REAL,           -- of what training was allowed
        ended_at TEXT NOT NULL,
        PRIMARY KEY (run, experiment, purpose, split, "index"),
        FOREIGN KEY (run, experiment) REFERENCES experiments (run, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE guards (
        run TEXT NOT NULL,
        experiment INTEGER NOT NULL,
        name TEXT NOT NULL,
        seq INTEGER NOT NULL,
        failed TEXT,                    -- why; null where it passed
        wall_seconds REAL NOT NULL,
        ended_at TEXT NOT NULL,
        PRIMARY KEY (run, experiment, name),
        FOREIGN KEY (run, experiment) REFERENCES experiments (run, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE calls (
        run TEXT NOT NULL REFERENCES runs (tag),
        seq INTEGER NOT NULL,
        experiment INTEGER NOT NULL,    -- that it was made for; it may never have been proposed
        at TEXT NOT NULL,
        agent TEXT NOT NULL,
        model TEXT NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_write_5m_tokens INTEGER NOT NULL,
        cache_write_1h_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL,
        web_searches INTEGER NOT NULL,
        usd REAL NOT NULL,
        seconds REAL NOT NULL,
        outcome TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    ) STRICT;
    CREATE INDEX calls_of_experiment ON calls (run, experiment, seq);

    -- Money set aside for calls that are under way; what a killed supervisor leaves is charged.
    CREATE TABLE reservations (
        run TEXT NOT NULL REFERENCES runs (tag),
        seq INTEGER NOT NULL,
        usd REAL NOT NULL,
        PRIMARY KEY (run, seq)
    ) STRICT;

    CREATE TABLE hypotheses (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (tag),
        text TEXT NOT NULL,
        added_at TEXT NOT NULL,
        status TEXT NOT NULL,
        experiment INTEGER
    ) STRICT;
    CREATE INDEX hypotheses_of_run ON hypotheses (run, id);

    -- What was looked at between experiments.
    CREATE TABLE analyses (
        run TEXT NOT NULL REFERENCES runs (tag),
        seq INTEGER NOT NULL,
        experiment INTEGER NOT NULL,    -- that it came before; it may never have been proposed
        asked_by TEXT NOT NULL,
        script_digest TEXT,
        at TEXT NOT NULL,
        seconds REAL,                   -- null until it has ended
        exit_code INTEGER,
        failure TEXT,
        PRIMARY KEY (run, seq)
    ) STRICT;
    CREATE INDEX analyses_of_experiment ON analyses (run, experiment, seq);

    CREATE TABLE notes (
        run TEXT NOT NULL REFERENCES runs (tag),
        seq INTEGER NOT NULL,
        at TEXT NOT NULL,
        name TEXT NOT NULL,
        detail TEXT NOT NULL,           -- JSON
        PRIMARY KEY (run, seq)
    ) STRICT;
    CREATE INDEX notes_by_name ON notes (run, name, seq);
"""
RUN_COLUMN = {"runs": "tag"}
"""Table → the column that names the run, where it is not `run`."""
KEYS = {
    "runs": ("tag",),
    "experiments": ("number",),
    "trials": ("experiment", "purpose", "split", "index"),
    "guards": ("experiment", "name"),
    "calls": ("seq",),
    "reservations": ("seq",),
    "hypotheses": ("id",),
    "analyses": ("seq",),
    "notes": ("seq",),
}
"""Table → what tells its rows from others of the same run."""


@dataclass(frozen=True, kw_only=True)
class Write:
    """One row to add, or the row under `key` to change; without values it is removed."""

    table: str
    values: Mapping[str, Any] = field(default_factory=dict)
    key: Mapping[str, Any] | None = None


def writes(entry: Entry) -> Iterator[Write]:  # noqa: C901 - one case for each kind
    """Say which rows an entry adds or changes.

    Raises:
        ValueError: no entry is of this kind.
    """
    said, here = entry.document, {"run": entry.run, "seq": entry.seq}
    match entry.kind:
        case Kind.RUN_CREATED:
            # Before 103 there was one image, for scorers too.
            before = {"scorer_image_id": said["image_id"]}
            yield Write(table="runs", values=before | said)
        case Kind.PROPOSED:
            origin = said["origin"] or {}
            beside = {name: origin.get(name) for name in ("parent", "isolation")}
            named = {"run": entry.run, "proposed": entry.seq}
            values = {name: said[name] for name in PROPOSED} | beside | named
            yield Write(table="experiments", values=values)
        case Kind.REVIEWED:
            key = {"run": entry.run, "number": said["number"]}
            yield Write(table="experiments", key=key, values={"reviewed": entry.seq})
        case Kind.ATTEMPT_STORED | Kind.DECIDED | Kind.SETTLED:
            yield _experiment(entry, said)
        case Kind.TRIAL_ENDED | Kind.AUDITED:
            said = {name: value for name, value in said.items() if name not in IN_ENTRIES}
            ended = {"run": entry.run, "seq": entry.seq, "ended_at": entry.at}
            yield Write(table="trials", values=ended | said)
        case Kind.GUARD_ENDED:
            yield Write(table="guards", values=here | {"ended_at": entry.at} | said)
        case Kind.CALL_RESERVED:
            yield Write(table="reservations", values=here | said)
        case Kind.CALL_RELEASED:
            yield Write(table="reservations", key=here | {"seq": said["reservation"]})
        case Kind.CALL_MADE:
            yield Write(table="calls", values=here | {"at": entry.at} | said)
        case Kind.HYPOTHESIS_ADDED:
            yield Write(table="hypotheses", values={"run": entry.run, "added_at": entry.at} | said)
        case Kind.HYPOTHESIS_ENDED:
            key = {"run": entry.run, "id": said.pop("id")}
            yield Write(table="hypotheses", key=key, values=said)
        case Kind.ANALYSIS_BEGUN:
            yield Write(table="analyses", values=here | said)
        case Kind.ANALYSIS_ENDED:
            yield Write(table="analyses", key=here | {"seq": said.pop("analysis")}, values=said)
        case Kind.NOTED | Kind.DRAFT_VIOLATED | Kind.PAUSED | Kind.ENDED:
            name, detail = note(Kind(entry.kind), said)
            values = here | {"at": entry.at, "name": name, "detail": detail}
            yield Write(table="notes", values=values)
        case unknown:
            raise ValueError(f"no journal entry is of the kind {unknown}")


PROPOSED = ("number", "parent_commit", "hypothesis", "category", "started_at")
"""What a row repeats of a proposal."""
IN_DECISIONS = ("sure", "weight")
"""What a row leaves out of a decision."""
MOMENTS = {
    Kind.DECIDED: ("decided_at", "decided"),
    Kind.SETTLED: ("ended_at", "settled"),
}
"""Kind of an entry → where an experiment's row keeps when it was made, and its place."""


def _experiment(entry: Entry, said: dict[str, Any]) -> Write:
    key = {"run": entry.run, "number": said.pop("number")}
    moment = dict(zip(MOMENTS.get(Kind(entry.kind), ()), (entry.at, entry.seq), strict=False))
    values = {name: value for name, value in said.items() if name not in IN_DECISIONS}
    return Write(table="experiments", key=key, values=values | moment)


def apply(database: sqlite3.Connection, entry: Entry) -> None:
    """Write what an entry says into the tables."""
    for write in writes(entry):
        if write.key is None:
            names, marks = _quoted(write.values, ", "), ", ".join("?" for _ in write.values)
            query, values = f"INSERT INTO {write.table} ({names}) VALUES ({marks})", write.values  # noqa: S608
        elif write.values:
            where = _quoted(write.key, " = ? AND ")
            query = (
                f"UPDATE {write.table} SET {_quoted(write.values, ' = ?, ')} = ? WHERE {where} = ?"  # noqa: S608
            )
            values = {**write.values, **{f"key {name}": v for name, v in write.key.items()}}
        else:
            query = f"DELETE FROM {write.table} WHERE {_quoted(write.key, ' = ? AND ')} = ?"  # noqa: S608
            values = write.key
        database.execute(query, [storable(value) for value in values.values()])


def _quoted(names: Iterable[str], between: str) -> str:
    return between.join(f'"{name}"' for name in names)


def storable(value: Any) -> Any:
    """Return a value as a column holds it: lists and documents as JSON.

    What UTF-8 cannot hold is escaped: text may come from an agent.
    """
    if isinstance(value, list | dict):
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", errors="backslashreplace").decode()


def made_again(entries: Iterable[Entry]) -> sqlite3.Connection:
    """Return the tables as these entries make them, in a file that is gone when it is closed.

    Raises:
        ValueError, KeyError, TypeError, sqlite3.Error: an entry is none that a supervisor writes.
    """
    # Without a name it is on disk, as far as it is long.
    database = sqlite3.connect("", uri=True, isolation_level=None, check_same_thread=False)
    try:
        database.row_factory = sqlite3.Row
        database.executescript(f"{TABLES} BEGIN;")
        for entry in entries:
            apply(database, entry)
        database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


FORM = """
    SELECT m.type, m.name, t.wr, t.strict, c.name, c.type, c."notnull", c.pk
    FROM sqlite_master AS m JOIN pragma_table_list(m.name) AS t, pragma_table_xinfo(m.name) AS c
    WHERE m.name NOT LIKE 'sqlite^_%' ESCAPE '^'
    UNION ALL SELECT type, name, 0, 0, '', '', 0, 0 FROM sqlite_master WHERE type = 'trigger'
"""


def form(database: sqlite3.Connection) -> frozenset[tuple[Any, ...]]:
    """Return which tables, views and triggers a database has, with each column as declared."""
    return frozenset(tuple(row) for row in database.execute(FORM))


@cache
def own_form() -> frozenset[tuple[Any, ...]]:
    """Return the form of a journal of this version."""
    with closing(made_again(())) as database:
        database.executescript(ENTRIES)
        return form(database)


def rows(database: sqlite3.Connection, table: str, run: str) -> Iterator[dict[str, Any]]:
    """Yield a run's rows of a table, in the order of their keys."""
    order = _quoted(KEYS[table], ", ")
    query = f"SELECT * FROM {table} WHERE {RUN_COLUMN.get(table, 'run')} = ? ORDER BY {order}"  # noqa: S608
    yield from (dict(row) for row in database.execute(query, [run]))
