"""The journal is opened once, and what is written later shows all the same."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
from contextlib import closing, suppress
from dataclasses import asdict

import pytest
from test_access import RUN

from runner.dashboard import door as doors
from runner.dashboard.door import Door
from runner.dashboard.watching import ENTRY, PROGRESS, RESULT, Watch, events
from runner.journal.reader import open_reader
from runner.journal.store import open_journal
from runner.paths import State
from runner.progress import Progress, _started


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """How often the journal was opened."""
    found: list[str] = []

    def counted(path):
        found.append(path.name)
        return open_reader(path)

    monkeypatch.setattr(doors, "open_reader", counted)
    return found


@pytest.fixture
def path(tmp_path):
    with open_journal(tmp_path / "journal.sqlite") as journal:
        journal.create_run(RUN)
    return tmp_path / "journal.sqlite"


def asked(door: Door) -> list[str]:
    with door.reader() as reader:
        return [each.text for each in reader.hypotheses("t1")]


def test_a_journal_that_nobody_wrote_to_is_opened_once_and_shows_what_somebody_writes(path, opened):
    door = Door(path)
    assert [asked(door), asked(door)] == [[], []]
    assert len(opened) == 1
    with open_journal(path) as journal:
        journal.add_hypothesis("t1", "one")
        assert asked(door) == ["one"]
        journal.add_hypothesis("t1", "two")
        assert asked(door) == ["one", "two"]
        assert len(opened) == 2
    with open_journal(path) as journal:
        journal.add_hypothesis("t1", "three")
    assert asked(door) == ["one", "two", "three"]
    door.close()


def test_the_tables_of_an_older_journal_are_made_once_and_again_after_an_entry(path, opened):
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 103")
    door = Door(path)
    assert [asked(door), asked(door)] == [[], []]
    assert len(opened) == 1
    with open_journal(path) as journal:
        journal.add_hypothesis("t1", "one")
        assert asked(door) == ["one"]
    door.close()


def test_a_journal_that_was_moved_away_is_another_one(path, opened):
    door = Door(path)
    assert asked(door) == []
    path.rename(path.with_name("old.sqlite"))
    with open_journal(path) as journal:
        journal.create_run(RUN)
        journal.add_hypothesis("t1", "of the new one")
        assert asked(door) == ["of the new one"]
    door.close()


def test_what_is_new_is_named_once(path, tmp_path):
    state = State(tmp_path)
    watch = Watch(Door(path), state, "t1")
    assert watch.look() == {ENTRY, RESULT}
    assert watch.look() == set()
    with open_journal(path) as journal:
        journal.add_hypothesis("t1", "one")
        assert watch.look() == {ENTRY}
    assert not watch.is_due
    state.progress("t1").parent.mkdir(parents=True)
    state.progress("t1").write_text("{}")
    assert watch.is_due
    assert watch.look() == {PROGRESS}
    assert watch.look() == set()


def told(door: Door, tmp_path, seq: int, seconds: float = 3.0) -> str:
    """Return what a page hears that shows the entries up to `seq`, until it hears of an entry."""

    async def listen() -> str:
        said = ""
        watch = Watch(door, State(tmp_path), "t1")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for part in events(watch, lambda: {"hero": "<p>\none</p>"}, seq):
                    said += part.decode()
                    if "event: entry" in said:
                        break
        return said

    return asyncio.run(listen())


def test_what_came_between_a_page_and_its_connection_is_not_lost(path, tmp_path):
    door = Door(path)
    with open_journal(path) as journal:
        journal.add_hypothesis("t1", "while the page was on its way")
        said = told(door, tmp_path, seq=1)
        assert "event: hero\ndata: <p>\ndata: one</p>\n\n" in said
        assert "event: entry\ndata: entry\n\n" in said
        assert "event:" not in told(door, tmp_path, seq=2, seconds=1.0)


def test_a_run_whose_process_was_killed_is_news(path, tmp_path):
    state = State(tmp_path)
    state.progress("t1").parent.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as process:
        said = Progress(activities={}, pid=process.pid, started=_started(process.pid))
        state.progress("t1").write_text(json.dumps(asdict(said)))
        watch = Watch(Door(path), state, "t1")
        watch.look()
        assert watch.look() == set()
        process.kill()
    assert watch.look() == {PROGRESS}
