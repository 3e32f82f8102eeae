"""Journals of other versions: what a release wrote stays readable, and the writer renews it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from test_store import CALL, RUN, complete, rows, tamper

from runner.errors import JournalError
from runner.journal import projections, reader, store
from runner.journal.entries import Head, Kind, broken, following, now
from runner.journal.reader import RELEASED, VERSION, open_reader
from runner.journal.store import open_journal
from runner.records import HypothesisStatus

NEWER = "CREATE TABLE added (x INTEGER NOT NULL) STRICT;"


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "journal.sqlite"
    with open_journal(path) as journal:
        journal.create_run(RUN)
        for number in range(3):
            complete(journal, number)
        journal.add_call("t1", CALL)
        hypothesis = journal.add_hypothesis("t1", "wider")
        journal.end_hypothesis(hypothesis, HypothesisStatus.ANSWERED, experiment=1)
    return path


@pytest.fixture
def update(monkeypatch) -> Iterator[Callable[[], None]]:
    """Make this a version whose tables are others."""

    def updated() -> None:
        for module in (reader, store):
            monkeypatch.setattr(module, "VERSION", VERSION + 1)
        monkeypatch.setattr(projections, "TABLES", projections.TABLES + NEWER)
        projections.own_form.cache_clear()

    yield updated
    monkeypatch.undo()
    projections.own_form.cache_clear()


def test_what_an_older_release_wrote_is_read_and_left_as_it_is(path, update):
    with open_reader(path) as before:
        known = (before.runs(), before.experiments("t1"), before.calls("t1"))
        hypotheses = before.hypotheses("t1")
    update()
    content, names = path.read_bytes(), sorted(path.parent.iterdir())
    with open_reader(path) as older:
        assert (older.runs(), older.experiments("t1"), older.calls("t1")) == known
        assert older.hypotheses("t1") == hypotheses
        assert not list(broken(older.entries("t1")))
        assert list(older.rows("notes", "t1")) == []
        assert older.damage() == ()
    assert path.read_bytes() == content
    assert sorted(path.parent.iterdir()) == names


def test_the_writer_makes_an_older_release_s_tables_anew_and_goes_on(path, update):
    with open_reader(path) as before:
        known = before.experiments("t1")
    update()
    with open_journal(path) as journal:
        assert journal.experiments("t1") == known
        complete(journal, 3)
        assert not list(broken(journal.entries("t1")))
    assert rows(path, "PRAGMA user_version") == [(VERSION + 1,)]
    with open_reader(path) as again:
        assert len(again.experiments("t1")) == 4


def test_an_older_journal_whose_entries_cannot_be_read_is_left_as_it_is(path, update):
    tamper(path, "UPDATE entries SET body = '[' WHERE seq = 3")
    update()
    for opened in (open_reader, open_journal):
        with pytest.raises(JournalError, match="older version's entry"), opened(path):
            pass
    assert rows(path, "PRAGMA user_version") == [(VERSION,)]
    assert len(rows(path, "SELECT * FROM experiments")) == 3


def test_other_entries_than_the_runner_s_are_refused_in_an_older_journal_too(path, update):
    tamper(path, "ALTER TABLE entries ADD COLUMN more TEXT")
    update()
    with pytest.raises(JournalError, match="changed by hand"), open_reader(path):
        pass


def test_scorers_of_a_run_before_103_had_the_image_of_its_agents():
    said = asdict(RUN)
    del said["scorer_image_id"]
    created = following(Head(), run="t1", at=now(), kind=Kind.RUN_CREATED, document=said)
    with closing(projections.made_again([created])) as tables:
        (row,) = projections.rows(tables, "runs", "t1")
    assert row == said | {"scorer_image_id": RUN.image_id}


@pytest.mark.parametrize("version", [0, 1, RELEASED - 1])
def test_a_form_that_was_never_released_is_refused_by_what_it_is(path, version):
    tamper(path, f"PRAGMA user_version = {version}")
    for opened in (open_reader, open_journal):
        with pytest.raises(JournalError, match="never released") as refused, opened(path):
            pass
        assert refused.value.hint
    assert rows(path, "PRAGMA user_version") == [(version,)]
