"""A copy of a finished run, and ways to damage it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes import TAG

from runner import paths
from runner.audit.findings import Report
from runner.audit.objects import git
from runner.audit.run import audit_run
from runner.journal import projections
from runner.journal.entries import Entry, Head, Kind, as_row, following, of_row
from runner.workspace import NOTES_REF, Workspace

BRANCH = f"refs/heads/autoresearch/{TAG}"
WITNESSES = {"attempt-message", "kept-message", "notes", "event-log"}
"""The rules by which git and the event log speak against a chain that was forged."""
SAID = ("changes", "origin", "policy_digest", "harness_digest", "image_id", "scorer_image_id")
"""What only the entry of a proposal says."""
Entries = dict[str, tuple[str, str]]
"""Path → mode as git prints it, and content (for a submodule, a commit)."""


@dataclass(frozen=True)
class Copy:
    """The state folder of a run that may be damaged."""

    root: Path

    @property
    def state(self) -> paths.State:
        return paths.State(self.root)

    def audit(self, leftovers: Sequence[str] = ()) -> Report:
        return audit_run(self.state, TAG, lambda _tag: leftovers)

    # -- the journal -----------------------------------------------------------------------

    def sql(self, query: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.state.journal, isolation_level=None)) as database:
            database.execute(query, values)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.state.journal, isolation_level=None)) as database:
            return database.execute(query, values).fetchall()

    def set(self, number: int, **columns: Any) -> None:
        """Change an experiment: its row, and what only its proposal says."""
        said = {name: columns.pop(name) for name in SAID if name in columns}
        if said:
            [(seq,)] = self.rows("SELECT proposed FROM experiments WHERE number = ?", number)
            self.edit_entry(seq, **said)
        if columns:
            names = ", ".join(f'"{name}" = ?' for name in columns)
            self.sql(f"UPDATE experiments SET {names} WHERE number = ?", *columns.values(), number)  # noqa: S608

    def ended(self, number: int, purpose: str = "decision") -> list[int]:
        """Return the places of the entries of an experiment's trials."""
        query = "SELECT seq FROM trials WHERE experiment = ? AND purpose = ? ORDER BY seq"
        return [seq for (seq,) in self.rows(query, number, purpose)]

    def score(self, number: int, purpose: str = "decision", **metrics: Any) -> None:
        """Change what an experiment's trials scored; `None` takes a metric away."""
        for seq in self.ended(number, purpose):
            found = self.said(seq)["metrics"] | metrics
            self.edit_entry(seq, metrics={name: v for name, v in found.items() if v is not None})

    def set_run(self, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.sql(f"UPDATE runs SET {names}", *columns.values())  # noqa: S608

    @property
    def policy_text(self) -> str:
        [(text,)] = self.rows("SELECT policy_text FROM runs")
        return str(text)

    def relink(self) -> None:
        """Make journal and chain fit the tables as they are now; repository and event log stay."""
        with closing(sqlite3.connect(self.state.journal, isolation_level=None)) as database:
            database.row_factory = sqlite3.Row
            self.forged.write_text(json.dumps(forge(database)))

    def forge_log(self) -> None:
        """Make the event log fit the journal that was linked anew; the repository stays."""
        chains = {int(old): new for old, new in json.loads(self.forged.read_text()).items()}
        self.events.write_text("".join(_told(chains, line) for line in _lines(self.events)))

    @property
    def forged(self) -> Path:
        """Old place of each entry, and its new place and chain."""
        return self.root / "forged.json"

    def edit_entry(self, seq: int, **said: Any) -> None:
        """Change what one entry says, and nothing else."""
        body = json.dumps(self.said(seq) | said)
        self.sql("UPDATE entries SET body = ? WHERE seq = ?", body, seq)

    def said(self, seq: int) -> dict[str, Any]:
        with closing(sqlite3.connect(self.state.journal)) as database:
            database.row_factory = sqlite3.Row
            query = "SELECT * FROM entries WHERE seq = ?"
            return of_row(database.execute(query, [seq]).fetchone()).document

    def entries(self, kind: str) -> list[int]:
        """Return the places of all entries of a kind."""
        query = "SELECT seq FROM entries WHERE kind = ? ORDER BY seq"
        return [seq for (seq,) in self.rows(query, kind)]

    @property
    def events(self) -> Path:
        return self.state.events(TAG)

    @property
    def manifest(self) -> Path:
        return self.state.data("eclip") / "manifest.json"

    # -- the repository -------------------------------------------------------------------

    @property
    def repository(self) -> Path:
        return self.state.repository(TAG)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.repository, TAG)

    @property
    def train(self) -> str:
        return self.workspace.files(BRANCH)["train.py"].content.decode()

    def git(self, *args: str, given: bytes = b"") -> str:
        return git((f"--git-dir={self.repository}",), *args, given=given).decode().strip()

    def move(self, ref: str, commit: str) -> None:
        self.git("update-ref", ref, commit)

    def commit(
        self, parents: Sequence[str], entries: Entries, *, without: Sequence[str] = ()
    ) -> str:
        """Commit the first parent's files with these entries in place or added."""
        lines = {
            entry.path: f"{entry.mode:06o} {entry.kind} {entry.blob}\t{entry.path}"
            for entry in self.workspace.entries(parents[0])
        }
        for path, (mode, content) in entries.items():
            kind, name = ("commit", content) if mode == "160000" else ("blob", self.blob(content))
            lines[path] = f"{mode} {kind} {name}\t{path}"
        kept = "".join(f"{line}\n" for path, line in lines.items() if path not in without)
        tree = self.git("mktree", "--missing", given=kept.encode())
        behind = [argument for parent in parents for argument in ("-p", parent)]
        return self.git("commit-tree", *behind, tree, given=b"planted\n")

    def blob(self, content: str) -> str:
        return self.git("hash-object", "-w", "--no-filters", "--stdin", given=content.encode())

    def extend(self, ref: str, entries: Entries, *, without: Sequence[str] = ()) -> None:
        self.move(ref, self.commit((self.git("rev-parse", ref),), entries, without=without))

    def extend_branch(self, entries: Entries, *, without: Sequence[str] = ()) -> None:
        self.extend(BRANCH, entries, without=without)

    def extend_notes(self, entries: Entries) -> None:
        self.extend(NOTES_REF, entries)

    def loose_object(self, revision: str) -> Path:
        name = self.git("rev-parse", revision)
        return self.repository / "objects" / name[:2] / name[2:]


def forge(database: sqlite3.Connection) -> dict[int, tuple[int, str]]:
    """Write the journal anew from the tables; return old place → new place and chain."""
    stored = list(map(of_row, database.execute("SELECT * FROM entries ORDER BY seq").fetchall()))
    again, head, chains = [], Head(), {}
    for entry in stored:
        document = _as_the_tables_say(database, entry)
        if document is not None:
            kind = Kind(entry.kind)
            at = _moment(database, entry)
            made = following(head, run=TAG, at=at, kind=kind, document=document)
            head = Head(seq=made.seq, chain=made.chain)
            again.append(made)
            chains[entry.seq] = (made.seq, made.chain)
    for table in ("entries", *reversed(projections.KEYS)):
        database.execute(f"DELETE FROM {table}")  # noqa: S608
    for made in again:
        values = list(as_row(made).values())
        database.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", values)
        projections.apply(database, made)
    return chains


def _as_the_tables_say(database: sqlite3.Connection, entry: Entry) -> dict[str, Any] | None:
    """Return the entry's document with what the tables hold now; `None` where its row is gone."""
    said = entry.document
    if entry.kind == Kind.RUN_CREATED:
        return said | dict(database.execute("SELECT * FROM runs").fetchone())
    if entry.kind in (Kind.TRIAL_ENDED, Kind.AUDITED):
        place = [said[name] for name in ("experiment", "split", "index")]
        where = 'experiment = ? AND split = ? AND "index" = ?'
        query = f"SELECT * FROM trials WHERE purpose = ? AND {where}"  # noqa: S608
        return _updated(said, database.execute(query, [said["purpose"], *place]).fetchone())
    if "number" in said:
        query = "SELECT * FROM experiments WHERE number = ?"
        return _updated(said, database.execute(query, [said["number"]]).fetchone())
    return said


TRIAL_ENDED = (
    "SELECT ended_at FROM trials"
    ' WHERE purpose = ? AND experiment = ? AND split = ? AND "index" = ?',
    ("purpose", "experiment", "split", "index"),
)
MOMENTS = {
    Kind.DECIDED: ("SELECT decided_at FROM experiments WHERE number = ?", ("number",)),
    Kind.SETTLED: ("SELECT ended_at FROM experiments WHERE number = ?", ("number",)),
    Kind.TRIAL_ENDED: TRIAL_ENDED,
    Kind.AUDITED: TRIAL_ENDED,
}


def _moment(database: sqlite3.Connection, entry: Entry) -> str:
    """Return when an entry was made, as the tables have it now."""
    if entry.kind not in MOMENTS:
        return entry.at
    query, names = MOMENTS[Kind(entry.kind)]
    row = database.execute(query, [entry.document[name] for name in names]).fetchone()
    return row[0] if row and row[0] else entry.at


def _updated(said: dict[str, Any], row: sqlite3.Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    found = dict(row)
    return {name: _as_said(value, found.get(name, value)) for name, value in said.items()}


def _as_said(before: Any, found: Any) -> Any:
    """Return a column's value as entries have it: lists and documents are no text."""
    is_json = isinstance(before, list | dict) and isinstance(found, str)
    return json.loads(found) if is_json else found


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _told(chains: dict[int, tuple[int, str]], line: str) -> str:
    """Return a line of the event log as it would have been with other entries."""
    event = json.loads(line)
    if "seq" in event:
        if event["seq"] not in chains:
            return ""
        event["seq"], event["chain"] = chains[event["seq"]]
    return f"{json.dumps(event)}\n"
