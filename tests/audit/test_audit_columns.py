"""Every column of every table that the audit vouches for: one value edited, the chain made to fit.

Whoever can write the journal can also link it anew. Then the event log and the repository still
know better, each of the two alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from fakes import TAG
from planting import BRANCH, Copy

from runner.audit.findings import CannotCheckError
from runner.journal import projections
from runner.journal.reader import NoRunError
from runner.workspace import NOTES_REF

COVERED = ("runs", "experiments", "trials")
"""Of a run that asked no model and that nobody steered; the others are empty in it."""
LINKS = {
    *(("experiments", name) for name in ("proposed", "reviewed", "decided", "settled")),
    *(("experiments", name) for name in ("parent", "isolation")),
    ("trials", "seq"),
    *((table, "run") for table in ("experiments", "trials")),
}
"""What an entry's own run, place and link make, and what repeats its origin: made to fit again,
nothing is changed."""
ROWS = {
    "runs": "1",
    "experiments": "number = (SELECT max(number) FROM experiments WHERE status = 'kept')",
    "trials": "experiment = 5 AND purpose = 'audit'",
}
"""What is edited: of the last keep, its audit and the last experiment, which nothing follows."""
OTHER = {"INTEGER": 12345, "REAL": 12345.5, "TEXT": "12345"}


def columns(*tables: str) -> Iterator[tuple[str, str]]:
    with closing(projections.made_again(())) as database:
        for table in tables:
            for row in database.execute(f"PRAGMA table_info({table})"):
                yield table, row[1]


EDITS = [place for place in columns(*COVERED) if place not in LINKS]


def edit(copy: Copy, table: str, column: str) -> None:
    kinds = {row[1]: row[2] for row in copy.rows(f"PRAGMA table_info({table})")}
    other, where = OTHER[kinds[column]], ROWS[table]
    before = copy.rows(f'SELECT "{column}" FROM {table} WHERE {where}')  # noqa: S608
    assert before
    assert (other,) not in before
    copy.sql(f'UPDATE {table} SET "{column}" = ? WHERE {where}', other)  # noqa: S608


def is_found(copy: Copy) -> bool:
    """A run whose name is gone, or whose policy cannot be read, does not pass for clean either."""
    try:
        return not copy.audit().clean
    except (CannotCheckError, NoRunError):
        return True


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), EDITS)
def test_an_edit_shows_whatever_was_made_to_fit(copy: Copy, table: str, column: str) -> None:
    edit(copy, table, column)
    assert is_found(copy), "the chain as it was"
    if (table, column) == ("runs", "tag"):
        return  # there is nothing left to make fit
    copy.relink()
    assert is_found(copy), "the chain linked anew"
    copy.forge_log()
    assert is_found(copy), "the event log made to fit, too"


SAID = {
    "a score": lambda c: c.score(7, mean_rank=12345.5),
    "another metric": lambda c: c.score(7, extra=12345.5),
    "a metric less": lambda c: c.score(7, extra=None),
    "a metric more": lambda c: c.score(7, more=1.0),
    "a score of the audit": lambda c: c.score(5, "audit", mean_rank=12345.5),
    "a bit of a score of the audit": lambda c: c.score(5, "audit", mean_rank=81.0 + 1e-13),
    "no score of the audit": lambda c: c.score(5, "audit", mean_rank=None, extra=None),
    "changes": lambda c: c.set(7, changes=[]),
    "no origin": lambda c: c.set(7, origin=None),
    "a digest of the policy": lambda c: c.set(7, policy_digest="12345"),
    "a digest of the harness": lambda c: c.set(7, harness_digest="12345"),
    "an image": lambda c: c.set(7, image_id="12345"),
    "an image of the scorer": lambda c: c.set(7, scorer_image_id="12345"),
    "a crash": lambda c: c.edit_entry(c.ended(3)[0], crash=None),
    "a curve": lambda c: c.edit_entry(c.ended(7)[0], curves=[{"name": "x", "points": [[0, 1]]}]),
}
"""What only entries say."""


@pytest.mark.slow
@pytest.mark.parametrize("plant", SAID.values(), ids=SAID)
def test_an_edit_of_what_only_an_entry_says_shows_whatever_was_made_to_fit(
    copy: Copy, plant: Callable[[Copy], None]
) -> None:
    plant(copy)
    assert is_found(copy), "the chain as it was"
    copy.relink()
    assert is_found(copy), "the chain linked anew"
    copy.forge_log()
    assert is_found(copy), "the event log made to fit, too"


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column"), [("trials", "ended_at"), ("experiments", "reason")])
def test_an_edit_shows_in_the_event_log_when_the_notes_were_taken_back(
    copy: Copy, table: str, column: str
) -> None:
    edit(copy, table, column)
    copy.relink()
    copy.move(NOTES_REF, f"{NOTES_REF}~3")
    assert "event-log" in {found.rule for found in copy.audit().findings}


ROW_EDITS = [
    "DELETE FROM trials WHERE experiment = 5 AND purpose = 'audit'",
    "DELETE FROM trials WHERE seq = (SELECT max(seq) FROM trials WHERE experiment = 7)",
    "DELETE FROM experiments WHERE number = 7",
]
STRAYS = [
    "INSERT INTO trials SELECT run, experiment, purpose, split, 5, seed, asked_by, seq, status,"
    " reason, stage, failed_limit, self_modified, wall_seconds, overhead_seconds,"
    " peak_memory_bytes, peak_gpu_memory_bytes, cpu_seconds, processor_share, ended_at FROM trials"
    " LIMIT 1",
]
"""Of no trial: no entry can make them."""


@pytest.mark.parametrize("statement", ROW_EDITS)
def test_a_row_more_or_less_shows_although_the_chain_fits(copy: Copy, statement: str) -> None:
    copy.sql(statement)
    copy.relink()
    assert not copy.audit().clean


@pytest.mark.parametrize("statement", [*ROW_EDITS, *STRAYS])
def test_a_row_more_or_less_shows(copy: Copy, statement: str) -> None:
    copy.sql(statement)
    assert not copy.audit().clean


def test_the_audit_of_the_last_keep_cannot_be_taken_away_with_its_scores(copy: Copy) -> None:
    copy.sql("DELETE FROM trials WHERE experiment = 5 AND purpose = 'audit'")
    copy.relink()
    copy.forge_log()
    assert {found.rule for found in copy.audit().findings} >= {"audit", "notes"}


def test_the_words_of_the_last_keep_are_compared_with_its_commit(copy: Copy) -> None:
    copy.set(5, hypothesis="mine", reason="because")
    copy.relink()
    copy.forge_log()
    found = {(each.rule, each.experiment) for each in copy.audit().findings}
    assert {("kept-message", 5), ("attempt-message", 5)} <= found


def test_a_kept_commit_with_other_words_shows(copy: Copy) -> None:
    """Git alone is changed: the same tree and parents under another subject."""
    tree, parent = copy.git("rev-parse", f"{BRANCH}^{{tree}}"), copy.git("rev-parse", f"{BRANCH}~1")
    body = copy.git("log", "-1", "--format=%B", BRANCH).partition("\n")[2]
    forged = copy.git("commit-tree", "-p", parent, tree, given=f"mine\n{body}\n".encode())
    copy.sql('UPDATE experiments SET "commit" = ? WHERE number = 5', forged)
    copy.move(BRANCH, forged)
    assert "kept-message" in {found.rule for found in copy.audit().findings}


NOTES = {
    "taken back": lambda c: c.move(NOTES_REF, f"{NOTES_REF}~1"),
    "taken back to before the last keep": lambda c: c.move(NOTES_REF, f"{NOTES_REF}~6"),
    "deleted": lambda c: c.git("update-ref", "-d", NOTES_REF),
    "written again": lambda c: c.move(NOTES_REF, rewritten(c)),
    "one more": lambda c: c.extend_notes({"scratchpad.md": ("100644", "I never said that\n")}),
}


def rewritten(copy: Copy) -> str:
    """The newest notes with another content under the same message."""
    message = copy.git("log", "-1", "--format=%B", NOTES_REF)
    other = copy.commit((f"{NOTES_REF}~1",), {"scratchpad.md": ("100644", "other\n")})
    tree, parent = copy.git("rev-parse", f"{other}^{{tree}}"), copy.git("rev-parse", f"{other}^")
    return copy.git("commit-tree", "-p", parent, tree, given=f"{message}\n".encode())


@pytest.mark.parametrize("plant", NOTES.values(), ids=NOTES)
def test_notes_that_were_changed_show(copy: Copy, plant) -> None:
    plant(copy)
    assert {found.rule for found in copy.audit().findings} == {"notes"}


def test_older_notes_that_were_changed_show_in_the_journal_if_the_log_was_made_to_fit(
    copy: Copy,
) -> None:
    copy.move(NOTES_REF, f"{NOTES_REF}~6")
    events = copy.events.read_text().splitlines(keepends=True)
    copy.events.write_text("".join(line for line in events if '"notes.' not in line))
    gone = [found for found in copy.audit().findings if "is gone" in found.message]
    assert len(gone) > 0
    assert TAG in copy.audit().subject
