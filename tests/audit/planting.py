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

from runner import rooms
from runner.audit.findings import Report
from runner.audit.objects import git
from runner.audit.run import audit_run
from runner.ledger.store import open_ledger
from runner.workspace import NOTES_REF, Workspace

BRANCH = f"refs/heads/autoresearch/{TAG}"
WITNESSES = {"attempt-message", "kept-message", "notes", "event-log"}
"""The rules by which git and the event log speak against a chain that was forged."""
Entries = dict[str, tuple[str, str]]
"""Path → mode as git prints it, and content (for a submodule, a commit)."""


@dataclass(frozen=True)
class Copy:
    """The state folder of a run that may be damaged."""

    root: Path

    @property
    def state(self) -> rooms.State:
        return rooms.State(self.root)

    def audit(self, leftovers: Sequence[str] = ()) -> Report:
        return audit_run(self.state, TAG, lambda _tag: leftovers)

    # -- the ledger -----------------------------------------------------------------------

    def sql(self, query: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.state.ledger, isolation_level=None)) as database:
            database.execute(query, values)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.state.ledger, isolation_level=None)) as database:
            return database.execute(query, values).fetchall()

    def set(self, number: int, **columns: Any) -> None:
        names = ", ".join(f'"{name}" = ?' for name in columns)
        self.sql(f"UPDATE experiments SET {names} WHERE number = ?", *columns.values(), number)  # noqa: S608

    def set_run(self, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.sql(f"UPDATE runs SET {names}", *columns.values())  # noqa: S608

    @property
    def policy_text(self) -> str:
        with open_ledger(self.state.ledger) as ledger:
            [run] = ledger.runs()
        return run.policy_text

    def relink(self) -> None:
        """Make the chain fit the rows as they are now; repository and event log stay."""
        with open_ledger(self.state.ledger) as ledger:
            while broken := [one for one in ledger.links(TAG) if one.stored != one.again]:
                found = broken[0]
                if found.audited is None:
                    self.set(found.experiment, chain=found.again)
                else:
                    where = "purpose = 'audit' AND experiment = ? AND split = ?"
                    query = f"UPDATE trials SET chain = ? WHERE {where}"  # noqa: S608
                    self.sql(query, found.again, found.experiment, found.audited)

    def forge_log(self) -> None:
        """Make the event log fit the ledger's chain as it is now; the repository stays."""
        with open_ledger(self.state.ledger) as ledger:
            heads = {(one.experiment, one.audited): one.stored for one in ledger.links(TAG)}
            first = ledger.first_link(TAG)
        events = [json.loads(line) for line in self.events.read_text().splitlines()]
        for event in events:
            if "chain" in event:
                key = (event.get("experiment"), event.get("split"))
                event["chain"] = first if key == (None, None) else heads.get(key)
        events = [event for event in events if event.get("chain", "") is not None]
        self.events.write_text("".join(json.dumps(event) + "\n" for event in events))

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
