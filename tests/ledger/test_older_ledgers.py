"""A ledger of an older version is migrated, and its chain still holds, link by link."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from test_store import RUN, chain_holds, complete

from runner.ledger.schema import MIGRATIONS
from runner.ledger.store import open_ledger

COLUMNS = (
    "run", "number", "parent_commit", "hypothesis", "category", "changes", "seeds", "fingerprint",
    "status", "rule", "reason", "score", "gain", "attempt_commit", "commit", "started_at",
    "decided_at", "ended_at", "wall_seconds", "policy_digest", "harness_digest", "image_id",
)  # fmt: skip
"""What a link of version 1 covered of an experiment, written out."""


def version_1_row(number: int) -> dict[str, object]:
    values: dict[str, object] = dict.fromkeys(COLUMNS, f"x{number}") | {
        "run": "t1", "number": number, "changes": "[]", "seeds": "[7]", "status": "reverted",
        "rule": None, "score": 40.0, "gain": -1.0, "commit": None, "wall_seconds": 1.5,
        "ended_at": "2025-11-21T04:00:02",
    }  # fmt: skip
    return values


def version_1_link(previous: str, row: dict[str, object]) -> str:
    """Return the link as version 1 made it; these experiments had no trials."""
    document = {"previous": previous, "row": row, "trials": []}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def insert(database: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608


@pytest.fixture
def version_1(tmp_path) -> tuple[Path, list[str]]:
    """A ledger as version 1 wrote it, and its links."""
    path, previous, links = tmp_path / "ledger.sqlite", "0" * 64, []
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(MIGRATIONS[0])
        insert(database, "runs", asdict(RUN))
        for number in range(3):
            row = version_1_row(number)
            previous = version_1_link(previous, row)
            links.append(previous)
            insert(database, "experiments", row | {"chain": previous})
        database.execute("PRAGMA user_version = 1")
    return path, links


def test_the_links_of_an_older_ledger_still_hold(version_1):
    path, links = version_1
    with open_ledger(path) as ledger:
        assert [found.chain for found in ledger.experiments("t1")] == links
        assert all(found.origin is None for found in ledger.experiments("t1"))
        assert chain_holds(ledger)


def test_an_older_run_goes_on_with_its_chain(version_1):
    path, links = version_1
    with open_ledger(path) as ledger:
        head = complete(ledger, 3)
        assert chain_holds(ledger)
        assert ledger.head("t1") == head != links[-1]


def test_an_origin_that_is_planted_in_an_older_row_breaks_its_link(version_1):
    path, _ = version_1
    with open_ledger(path) as ledger:
        assert chain_holds(ledger)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE experiments SET origin = '{}' WHERE number = 1")
    with open_ledger(path) as ledger:
        stored = [row["chain"] for row in ledger.stored("t1")]
        assert ledger.compute_link("t1", 1, stored[0]) != stored[1]


def test_an_older_ledger_has_room_for_calls_and_hypotheses(version_1):
    path, _ = version_1
    with open_ledger(path) as ledger:
        assert (ledger.calls("t1"), ledger.hypotheses("t1")) == ((), ())
        ledger.add_hypothesis("t1", "wider")
        assert len(ledger.hypotheses("t1")) == 1
