"""A ledger from before the first release is refused by what it is, and left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from runner.errors import LedgerError
from runner.ledger.schema import MIGRATIONS, OLDEST
from runner.ledger.store import open_ledger


@pytest.mark.parametrize("version", range(1, OLDEST))
def test_an_older_ledger_is_refused_with_what_to_do(tmp_path, version):
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as database:
        for migration in MIGRATIONS[:version]:
            database.executescript(migration)
        database.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with (
        pytest.raises(LedgerError, match=f"version {version}, from before the first release") as no,
        open_ledger(path),
    ):
        pass
    assert "move it" in no.value.hint
    assert path.read_bytes() == before
