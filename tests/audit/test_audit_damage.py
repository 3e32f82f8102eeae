"""A journal that somebody opened with other tools: other tables, other types, odd bytes, links."""

from __future__ import annotations

import os
import sqlite3
from contextlib import chdir, closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from planting import Copy

from runner.cli import cli
from runner.errors import FAULT
from runner.journal import projections
from runner.journal.entries import ENTRIES

FORMS = {
    "a column more": "ALTER TABLE runs ADD COLUMN more TEXT",
    "a column less": "ALTER TABLE experiments DROP COLUMN reason",
    "a table less": "DROP TABLE entries",
    "a table more": "CREATE TABLE more (x)",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM notes; END",
    "a table without its key": "CREATE TABLE s AS SELECT * FROM trials; DROP TABLE trials;"
    "ALTER TABLE s RENAME TO trials; INSERT INTO trials SELECT * FROM trials",
    "a view": "ALTER TABLE trials RENAME TO t; CREATE VIEW trials AS SELECT * FROM t",
}
TYPES = {
    "a score of text": "UPDATE experiments SET score = 'NaN' WHERE number = 5",
    "a score of bytes": "UPDATE experiments SET score = x'00ff' WHERE number = 5",
    "no time": "UPDATE trials SET wall_seconds = NULL WHERE experiment = 5",
    "a number of text": "UPDATE experiments SET number = 'five' WHERE number = 5",
    "a link of text": "UPDATE entries SET chain = 'ff' WHERE seq = 7",
    "no entry": "UPDATE entries SET body = NULL WHERE seq = 7",
    "no policy": "UPDATE runs SET policy_text = x'ff'",
    "no parent": "UPDATE experiments SET parent_commit = NULL WHERE number = 5",
}
VALUES = {
    "an endless score": "UPDATE experiments SET score = 9e999 WHERE number = 5",
    "no step to round to": "UPDATE runs SET round_to = 0",
    "an endless step": "UPDATE runs SET round_to = 9e999",
    "neither way is better": "UPDATE runs SET direction = 'sideways'",
    "an empty status": "UPDATE experiments SET status = '' WHERE number = 5",
    "no moment for a run": "UPDATE runs SET created_at = 'then'",
    "no moment for an end": "UPDATE experiments SET ended_at = 'then' WHERE number = 5",
    "endless money": "INSERT INTO calls SELECT tag, 1, 1, created_at, 'a', 'm', 0, 0, 0, 0, 0, 0,"
    " 9e999, 0, 'x' FROM runs",
    "a negative number": "UPDATE experiments SET number = -1 WHERE number = 7",
    "a huge number": "UPDATE experiments SET number = 9223372036854775807 WHERE number = 7",
    "an entry that is no UTF-8": "UPDATE entries SET body = CAST(x'ff80' AS TEXT) WHERE seq = 7",
    "words that are no UTF-8": "UPDATE experiments SET reason = CAST(x'ff' AS TEXT)",
    "an entry of bytes": "UPDATE entries SET body = x'00ff' WHERE seq = 7",
    "an entry that is a number": "UPDATE entries SET body = 7 WHERE seq = 7",
    "a deep entry": "UPDATE entries SET body = replace(hex(zeroblob(50000)), '0', '[')",
}
READING = (
    ("status",), ("status", "--json"), ("list", "t1"), ("list", "t1", "--json"), ("show", "5"),
    ("show", "5", "--json"), ("export", "--output", "-"), ("export", "--json"), ("cost",),
    ("hypothesis", "list"), ("log", "--json"), ("watch", "--plain"),
)  # fmt: skip


def loosely(copy: Copy, statement: str) -> None:
    """Change a value in a file that holds no value to its type, and write the types in again."""
    with closing(projections.made_again(())) as made:
        made.executescript(ENTRIES)
        told = made.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    loose = [(n, s.replace("STRICT, W", "W").replace("STRICT", "")) for n, s in told]
    with closing(sqlite3.connect(copy.state.journal, isolation_level=None)) as database:
        declare(database, [(name, said.replace(" NOT NULL", "")) for name, said in loose])
    copy.sql(statement)
    with closing(sqlite3.connect(copy.state.journal, isolation_level=None)) as database:
        declare(database, told)


def declare(database: sqlite3.Connection, tables: list[tuple[str, str]]) -> None:
    database.execute("PRAGMA writable_schema = ON")
    for name, said in tables:
        database.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (said, name))
    [version] = database.execute("PRAGMA schema_version").fetchone()
    database.execute(f"PRAGMA schema_version = {version + 1}")


def read(copy: Copy, *arguments: str) -> tuple[int, str]:
    with chdir(copy.root):
        done = CliRunner().invoke(cli, list(arguments), env={"RUNNER_HOME": str(copy.root)})
    return done.exit_code, done.output


def test_the_tables_written_in_again_are_as_they_were(copy: Copy) -> None:
    loosely(copy, "SELECT 1")
    assert copy.audit().clean


@pytest.mark.parametrize("script", FORMS.values(), ids=FORMS)
def test_other_tables_than_the_runner_s_are_a_violation_and_are_not_read(
    copy: Copy, script: str
) -> None:
    with closing(sqlite3.connect(copy.state.journal, isolation_level=None)) as database:
        database.executescript(script)
    assert {found.rule for found in copy.audit().findings} == {"journal-form"}
    code, output = read(copy, "status")
    assert (code, "changed by hand" in output) == (4, True)


@pytest.mark.parametrize("statement", TYPES.values(), ids=TYPES)
def test_a_value_of_another_type_than_its_column_s_is_a_violation(
    copy: Copy, statement: str
) -> None:
    loosely(copy, statement)
    assert {found.rule for found in copy.audit().findings} == {"journal-damage"}


@pytest.mark.slow
@pytest.mark.parametrize("statement", VALUES.values(), ids=VALUES)
def test_a_value_that_no_supervisor_writes_is_a_violation_and_ends_no_reader(
    copy: Copy, statement: str
) -> None:
    loosely(copy, statement)
    assert not copy.audit().clean
    for arguments in (*READING, ("report", "-o", "x.md")):
        code, output = read(copy, *arguments)
        assert code != FAULT, (arguments, output)


def test_lines_of_the_event_log_in_another_order_show(copy: Copy) -> None:
    lines = copy.events.read_text().splitlines(keepends=True)
    told = [number for number, line in enumerate(lines) if '"chain"' in line]
    for changed in (lines[::-1], [*lines, lines[told[2]]]):
        copy.events.write_text("".join(changed))
        assert {found.rule for found in copy.audit().findings} == {"event-log"}


def everything(root: Path) -> dict[Path, tuple[int, int, bytes]]:
    found = {path: path.stat() for path in root.rglob("*") if path.is_file()}
    return {p: (s.st_mtime_ns, s.st_mode, p.read_bytes()) for p, s in found.items()}


def test_reading_makes_and_changes_no_file(copy: Copy) -> None:
    before = everything(copy.root)
    for arguments in READING:
        code, output = read(copy, *arguments)
        assert code == 0, output
    assert everything(copy.root) == before


def test_reading_needs_no_folder_that_can_be_written_to(copy: Copy, monkeypatch) -> None:
    """As root may write everywhere, whoever creates a file here is refused by hand."""
    copy.state.journal.chmod(0o400)
    copy.root.chmod(0o500)
    original = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, *more, **o: original(path, flags & ~os.O_CREAT, *more, **o)
    )
    try:
        for arguments in READING:
            code, output = read(copy, *arguments)
            assert code == 0, output
    finally:
        copy.root.chmod(0o700)


def test_an_audit_during_which_somebody_writes_is_no_verdict(copy: Copy, monkeypatch) -> None:
    from runner.audit import run
    from runner.audit.findings import CannotCheckError

    original = run.read_journal

    def meanwhile(subject):
        written = original(subject)
        copy.sql("PRAGMA application_id = 5")
        return written

    monkeypatch.setattr(run, "read_journal", meanwhile)
    with pytest.raises(CannotCheckError, match="meanwhile"):
        copy.audit()
