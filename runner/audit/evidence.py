"""Everything that an audit looks at, read once; the checks are pure functions over it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from runner import draws, given
from runner.audit.objects import GITLINK, Listing, Objects, git, refs
from runner.errors import BusyError, ConfigError, DataError, SandboxError
from runner.journal import projections
from runner.journal.entries import Entry, Kind, broken
from runner.journal.reader import ODD, Reader, UnreadableError
from runner.locks import tag_lock
from runner.paths import State
from runner.policy.additions import SCRIPTS, Around
from runner.policy.case import around
from runner.policy.lines import count_lines
from runner.policy.load import digest, parse_policy
from runner.policy.schema import Policy
from runner.records import Experiment, ExperimentStatus, File, Run
from runner.workspace import HARNESS_REF, NOTES_REF, Commit, tree_digest

VOUCHING = ("loop.begun", "run.paused")
DECIDED = "experiment.decided"
ODDITIES = (
    *("info/grafts", "shallow", "commondir", "config.worktree", "info/attributes", "hooks"),
    *("objects/info/alternates", "objects/info/http-alternates"),
)
"""By these a repository shows other commits than it holds, or runs something."""
SETTINGS = ("repositoryformatversion", "bare", "filemode", "ignorecase", "precomposeunicode")
"""What git itself writes down of `core` when it makes a repository, and a run adds nothing."""
RAN_UNDER = {
    "policy_digest": "policy-digest",
    "harness_digest": "harness-digest",
    "image_id": "image-id",
    "scorer_image_id": "scorer-image-id",
}
"""What every proposal shares with its run → the rule that says so."""
Row = Mapping[str, Any]
Leftovers = Callable[[str], Sequence[str]]
"""Names a tag's containers and volumes; raises `SandboxError` where the engine is away."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The run to audit, and where its records are."""

    state: State
    journal: Reader
    run: Run
    leftovers: Leftovers

    @property
    def repository(self) -> Path:
        return self.state.repository(self.run.tag)

    @property
    def at(self) -> tuple[str, ...]:
        """The options by which git finds it."""
        return (f"--git-dir={self.repository}",)


@dataclass(frozen=True, slots=True)
class Noted:
    """An entry, without what tables say of it: there may be a million."""

    kind: str
    chain: str
    about: int | None
    """The experiment that it is about."""
    ran_under: Mapping[str, Any]
    """What a proposal shares with its run, for each of `RAN_UNDER`; empty for others."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the journal holds of a run."""

    run: Run
    rows: tuple[Row, ...]
    """The experiments' rows as they are, without what is read from `experiments`."""
    experiments: Mapping[int, Experiment]
    """Those rows that can be read, by number, in order; without curves."""
    unreadable: Mapping[int, str]
    entries: Mapping[int, Noted]
    """Place in the journal → entry."""
    broken: tuple[Entry, ...]
    """Those that are not what their links were made of."""
    differences: tuple[tuple[int | None, str], ...]
    """Experiment, and where the tables for reading are not what the entries make of them."""
    policy: Policy | None
    """The run's policy, unless its text was changed into something else."""

    @cached_property
    def kept(self) -> tuple[Experiment, ...]:
        return tuple(
            found for found in self.experiments.values() if found.status is ExperimentStatus.KEPT
        )

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The chain at an entry → the entry's place."""
        return {entry.chain: seq for seq, entry in self.entries.items()}

    def head_at(self, experiment: Experiment) -> str | None:
        """Return where the branch stood when an experiment was proposed."""
        when = self.places.get(experiment.proposed_chain or "", 0)
        settled = [found for found in self.kept if self.places.get(found.chain or "", when) < when]
        return settled[-1].commit if settled else self.run.base_commit

    def ran(self, experiment: Experiment) -> bool:
        """Say whether the attempt got as far as a container."""
        return bool(experiment.trials) or experiment.status is ExperimentStatus.KEPT


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the run's repository holds."""

    branch_ref: str
    refs: Mapping[str, str]
    branch: tuple[Commit, ...]
    """Oldest first, by way of first parents; empty if there is no branch."""
    notes: tuple[Commit, ...]
    commits: Mapping[str, Commit]
    """Those above, and whatever the journal speaks of that exists."""
    listings: Mapping[str, Listing]
    """The tree of each of these commits."""
    template_digest: str | None
    """Of the commit that the run was created with."""
    harness_digest: str | None
    lines: Mapping[str, int]
    """Commit → how long its program is, where the policy lets a shorter one keep."""
    oddities: tuple[str, ...]
    around: Around = field(default_factory=Around)
    """What the template runs with."""

    def listing(self, commit: str) -> Listing | None:
        found = self.commits.get(commit)
        return self.listings[found.tree] if found else None


@dataclass(frozen=True, kw_only=True)
class Logged:
    """What the event log remembers of the journal's chain and of the notes."""

    heads: tuple[tuple[int, str], ...] = ()
    """Places in the journal, and the chain there."""
    vouching: frozenset[int] = frozenset()
    """Those of them that a start or a pause wrote, for what a kill or a fault kept from being
    logged."""
    decided: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    """Experiments, and what the line about their decision says."""
    notes_moving: frozenset[str] = frozenset()
    """Where the notes were about to be."""
    notes_moved: tuple[str, ...] = ()
    """Where they have been."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What lies beside journal and repository; `None` where it could not be looked at."""

    data_digest: str | None
    secret: bytes | None
    """What the draws are made from."""
    logged: Logged
    """Empty where there is no event log."""
    leftovers: tuple[str, ...] | None
    unchecked: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All of it."""

    written: Written
    stored: Stored
    beside: Beside


# -- the journal -------------------------------------------------------------------------------


def read_journal(subject: Subject) -> Written:
    """Read a run's rows, and compute its chain again from them."""
    journal, run = subject.journal, subject.run
    rows, noted = journal.stored(run.tag), dict[int, Noted]()
    experiments, unreadable = dict[int, Experiment](), dict[int, str]()
    for number in (row["number"] for row in rows):
        try:
            if found := journal.experiment(run.tag, number):
                experiments[number] = _without_curves(found)
        except UnreadableError as error:
            unreadable[number] = str(error)
    return Written(
        run=run,
        rows=rows,
        experiments=experiments,
        unreadable=unreadable,
        broken=tuple(broken(_noting(journal.entries(run.tag), noted))),
        entries=noted,
        differences=tuple(_differences(journal, run.tag)),
        policy=_policy(run),
    )


def _without_curves(experiment: Experiment) -> Experiment:
    trials = (replace(one, result=replace(one.result, curves=())) for one in experiment.trials)
    return replace(experiment, trials=tuple(trials))


def _noting(entries: Iterable[Entry], noted: dict[int, Noted]) -> Iterator[Entry]:
    """Pass entries on, and note each."""
    same: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for entry in entries:
        said: Any = {}
        with suppress(*ODD):
            said = entry.document if isinstance(entry.document, dict) else {}
        under: Mapping[str, Any] = {}
        if entry.kind == Kind.PROPOSED:
            said = {"scorer_image_id": said.get("image_id")} | said  # before 103: the same one
            under = {name: str(said.get(name)) for name in RAN_UNDER}
            under = same.setdefault(tuple(under.values()), under)
        about = said.get("number", said.get("experiment"))
        noted[entry.seq] = Noted(entry.kind, entry.chain, about, under)
        yield entry


def _differences(journal: Reader, tag: str) -> Iterator[tuple[int | None, str]]:
    """Make the tables again from the entries, and say where they are not the same."""
    try:
        again = projections.made_again(journal.entries(tag))
    except (*ODD, sqlite3.Error) as error:
        yield None, f"the entries cannot be made into tables: {type(error).__name__}: {error}"
        return
    with closing(again):
        for table, names in projections.KEYS.items():
            pairs = _paired(projections.rows(again, table, tag), journal.rows(table, tag), names)
            for made, found in pairs:
                if made != found:
                    row = found or made or {}
                    where = ", ".join(f"{name} {row[name]}" for name in names)
                    what = f"{table}, {where}: {_difference(made, found)}"
                    yield row.get("number", row.get("experiment")), what


def _paired(
    made: Iterator[Row], found: Iterator[Row], names: Sequence[str]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield the rows of two tables with the same key together; both are in the keys' order."""

    def key(row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in names)

    one, other = next(made, None), next(found, None)
    while one is not None or other is not None:
        first = other is None or (one is not None and key(one) <= key(other))
        second = one is None or (other is not None and key(other) <= key(one))
        yield one if first else None, other if second else None
        one = next(made, None) if first else one
        other = next(found, None) if second else other


def _difference(made: Row | None, found: Row | None) -> str:
    if made is None or found is None:
        return "no entry makes this row" if made is None else "the row is gone"
    return ", ".join(name for name in made if made[name] != found[name])


def _policy(run: Run) -> Policy | None:
    try:
        return parse_policy(run.policy_text, f"policy of {run.tag}").policy
    except ConfigError:
        if digest(run.policy_text) == run.policy_digest:
            raise  # it is what the run began with, and this version cannot read it
        return None


# -- the repository ---------------------------------------------------------------------------


def read_repository(objects: Objects, subject: Subject, written: Written) -> Stored:
    """Read the refs, and every commit that a ref or the journal names."""
    named, branch_ref = refs(subject.at), f"refs/heads/autoresearch/{subject.run.tag}"
    branch, notes = (
        objects.ancestry(named[ref]) if ref in named else () for ref in (branch_ref, NOTES_REF)
    )
    commits = {commit.id: commit for commit in (*branch, *notes)}
    for found in written.experiments.values():
        for name in (found.parent_commit, found.attempt_commit, found.commit):
            if name and name not in commits and (commit := objects.commit(name)):
                commits[name] = commit
    template, harness = written.run.base_commit, named.get(HARNESS_REF, "none")
    policy, beside = written.policy, Around()
    if commit := objects.commit(template):
        commits[template] = commit
        if policy is not None:
            beside = around(policy, scripts(objects, objects.listing(commit.tree)))
    return Stored(
        branch_ref=branch_ref,
        refs=named,
        branch=branch,
        notes=notes,
        commits=commits,
        listings={commit.tree: objects.listing(commit.tree) for commit in commits.values()},
        template_digest=_digest(objects, commits.get(template)),
        harness_digest=_digest(objects, objects.commit(harness)),
        lines=_lines(objects, written, commits),
        around=beside,
        oddities=tuple(_oddities(subject)),
    )


def _oddities(subject: Subject) -> Iterator[str]:
    """Yield what no run makes, and git would go by."""
    here = subject.repository
    yield from (name for name in ODDITIES if os.path.lexists(here / name))
    # Of what a promisor has, git's own check misses nothing.
    yield from (f"objects/pack/{path.name}" for path in here.glob("objects/pack/*.promisor"))
    listed = ("config", "--local", "--no-includes", "--name-only", "--list", "-z")
    for name in git(subject.at, *listed).decode(errors="backslashreplace").split("\0"):
        if name and name.removeprefix("core.") not in SETTINGS:
            yield f"config: {name}"


def _lines(objects: Objects, written: Written, commits: Mapping[str, Commit]) -> dict[str, int]:
    policy = written.policy
    if policy is None or not policy.decision.counts_lines:
        return {}
    ran = [found for found in written.experiments.values() if written.ran(found)]
    names = {found.attempt_commit or "" for found in ran}
    found = {}
    for name in names & commits.keys():
        leaves = objects.listing(commits[name].tree)
        present = policy.patterns.among(leaves)
        found[name] = count_lines({path: objects.content(leaves[path].id) for path in present})
    return found


def scripts(objects: Objects, listing: Listing, folder: str = "") -> dict[str, bytes]:
    """Return the scripts of a tree below a folder, by their paths in it."""
    return {
        path.removeprefix(folder): objects.content(leaf.id)
        for path, leaf in listing.items()
        if path.startswith(folder) and path.endswith(SCRIPTS) and leaf.mode != GITLINK
    }


def _digest(objects: Objects, commit: Commit | None) -> str | None:
    if commit is None:
        return None
    files = {}
    for path, leaf in objects.listing(commit.tree).items():
        content = b"" if leaf.mode == GITLINK else objects.content(leaf.id)
        files[path] = File(content=content, mode=leaf.mode)
    return tree_digest(files)


# -- beside -----------------------------------------------------------------------------------


@contextmanager
def holding(subject: Subject) -> Iterator[str | None]:
    """Keep supervisors away meanwhile; yield why that is not possible, if it is not."""
    tag, why = subject.run.tag, None
    with ExitStack() as stack:
        try:
            stack.enter_context(tag_lock(subject.state.run(tag), tag))
        except (BusyError, OSError) as error:
            why = str(error)
        yield why


def look_beside(subject: Subject, busy: str | None) -> Beside:
    """Look at data, event log and engine; what cannot be looked at is said, and no violation."""
    from runner.data import load  # it brings the engine's client along

    state, run, unchecked = subject.state, subject.run, []
    data_digest, secret, left = None, None, None
    try:
        secret = given.read(state.secret(run.tag), most=draws.MOST_BYTES)
    except ConfigError:
        unchecked.append("draws: the run's secret is not here")
    try:
        data_digest = load(state, run.task).digest
    except DataError:
        unchecked.append(f"data of {run.task}: it is not prepared here")
    try:
        if busy is None:
            left = tuple(subject.leftovers(run.tag))
    except SandboxError as error:
        busy = str(error)
    if left is None:
        unchecked.append(f"leftover containers and volumes: {busy}")
    return Beside(
        data_digest=data_digest,
        secret=secret,
        logged=_logged(state.events(run.tag)),
        leftovers=left,
        unchecked=tuple(unchecked),
    )


def _logged(path: Path) -> Logged:
    """Read the event log; a line that a killed supervisor left torn tells nothing."""
    heads, vouching, decided = list[tuple[int, str]](), set[int](), list[Any]()
    moving, moved = set[str](), list[str]()
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for line in text.splitlines():
        with suppress(*ODD):
            event = json.loads(line)
            if "chain" in event:
                heads.append((int(event["seq"]), str(event["chain"])))
                if event["event"] in VOUCHING:
                    vouching.add(int(event["seq"]))
                elif event["event"] == DECIDED:
                    decided.append((int(event["experiment"]), event))
            elif event["event"] == "notes.moving":
                moving.add(str(event["commit"]))
            elif event["event"] == "notes.moved":
                moved.append(str(event["commit"]))
    return Logged(
        heads=tuple(heads),
        vouching=frozenset(vouching),
        decided=tuple(decided),
        notes_moving=frozenset(moving),
        notes_moved=tuple(moved),
    )
