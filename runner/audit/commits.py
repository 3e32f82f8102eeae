"""The repository's history against the journal: kept commits, attempts, notes, refs; pure.

What this does not protect against: history that was rewritten together with the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, zip_longest

from runner import commit_messages
from runner.audit.evidence import Evidence, Written
from runner.audit.findings import Finding
from runner.audit.trees import Allowed, forbidden
from runner.policy.schema import Policy
from runner.records import LOG, REGULAR, Experiment, ExperimentStatus
from runner.steering.strategy import GREEDY
from runner.workspace import ATTEMPTS, HARNESS_REF, NEXT_NOTES_REF, NOTES_REF, Commit

STARTS = (ExperimentStatus.KEPT, ExperimentStatus.REVERTED)


def history(evidence: Evidence) -> Iterator[Finding]:
    """Find a branch that is missing, merges, or does not start at the recorded commit."""
    stored, base = evidence.stored, evidence.written.run.base_commit
    if not stored.branch:
        yield Finding("history", stored.branch_ref, "the branch is missing")
    for number, commit in enumerate(stored.branch):
        if number == 0 and commit.id != base:
            message = f"the branch does not start at the recorded {base}"
            yield Finding("history", stored.branch_ref, message, commit.id)
        if number > 0 and len(commit.parents) != 1:
            message = f"has {len(commit.parents)} parents; allowed: one"
            yield Finding("history", stored.branch_ref, message, commit.id)


def branch_files(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find commits of the branch that touch anything but mutable files."""
    listings, mine = evidence.stored.listings, _allowed(evidence, policy)
    for before, after in pairwise(evidence.stored.branch):
        yield from forbidden(listings[before.tree], listings[after.tree], mine, commit=after.id)


def _allowed(evidence: Evidence, policy: Policy) -> Allowed:
    """Return which files of the run's trees may change."""
    return Allowed(patterns=policy.patterns, around=evidence.stored.around)


def kept_commits(evidence: Evidence) -> Iterator[Finding]:
    """Find kept experiments and commits of the branch that are not each other's, in order."""
    written, ref = evidence.written, evidence.stored.branch_ref
    recorded = [found.commit for found in written.kept if found.commit]
    on_branch = [commit.id for commit in _settled(evidence)]
    for found in written.experiments.values():
        if found.status is ExperimentStatus.KEPT:
            if found.commit is None and found.ended_at is not None:
                yield _kept(ref, found, "was kept without a commit")
            if found.commit and found.commit not in on_branch:
                yield _kept(ref, found, "the branch does not hold this kept commit")
        elif found.commit:
            yield _kept(ref, found, f"has a commit, and is {found.status}")
    for name in on_branch:
        if name not in recorded:
            yield Finding("kept-commits", ref, "belongs to no kept experiment", name)
    if sorted(recorded) == sorted(on_branch) and recorded != on_branch:
        message = "the branch holds the kept commits in another order than the journal"
        yield Finding("kept-commits", ref, message)


def _settled(evidence: Evidence) -> Iterator[Commit]:
    """Yield the branch without what a kept experiment still has to say of it."""
    run, kept, branch = evidence.written.run, evidence.written.kept, evidence.stored.branch
    awaited = {f"{run.tag}/{found.number}" for found in kept if found.ended_at is None}
    baseline = any(found.number == 0 and found.commit for found in kept)
    for commit in branch:
        if commit.id == run.base_commit and not baseline:
            continue  # the template of a run whose baseline still runs, or failed
        if (
            commit == branch[-1]
            and commit_messages.trailer(commit.message, "Experiment") in awaited
        ):
            continue  # the commit of a keep whose row a killed supervisor could not close
        yield commit


def kept_messages(evidence: Evidence) -> Iterator[Finding]:
    """Find kept commits whose message or tree is not what their experiment's row says."""
    written, stored = evidence.written, evidence.stored
    for experiment in written.kept:
        commit = stored.commits.get(experiment.commit or "")
        attempt = stored.commits.get(experiment.attempt_commit or "")
        if commit is None or experiment.number == 0:
            continue
        if message := _differs(commit, commit_messages.kept(written.run, experiment)):
            yield _kept(stored.branch_ref, experiment, message, rule="kept-message")
        if attempt and attempt.tree != commit.tree:
            message = "the kept tree is not the attempt's"
            yield _kept(stored.branch_ref, experiment, message, rule="kept-tree")


def _kept(ref: str, found: Experiment, message: str, *, rule: str = "kept-commits") -> Finding:
    message = f"experiment {found.number}: {message}"
    return Finding(rule, ref, message, found.commit, found.number)


def _differs(commit: Commit, expected: str) -> str | None:
    """Say in which line a commit's message is not what it should be."""
    pairs = zip_longest(commit.message.split("\n"), expected.split("\n"))
    different = ((said, wanted) for said, wanted in pairs if said != wanted)
    return next((f"the commit says {s!r}, the journal {w!r}" for s, w in different), None)


# -- attempts ---------------------------------------------------------------------------------


def attempts(evidence: Evidence) -> Iterator[Finding]:
    """Find attempts that are gone, moved or nobody's, or whose message is not their row's."""
    refs, stored = evidence.stored.refs, evidence.stored.commits
    for number, experiment in evidence.written.experiments.items():
        recorded, there = experiment.attempt_commit, refs.get(f"{ATTEMPTS}{number}")
        if recorded is None and experiment.ended_at is not None:
            yield _attempt("attempt-ref", experiment, "ended without an attempt")
        if recorded is not None and there != recorded:
            message = f"is at {there or 'nothing'}, and the journal says {recorded}"
            yield _attempt("attempt-ref", experiment, message)
        attempt = stored.get(recorded or "")
        if attempt and (different := _differs(attempt, commit_messages.attempt(experiment))):
            yield _attempt("attempt-message", experiment, different)
    known = {f"{ATTEMPTS}{row['number']}" for row in evidence.written.rows}
    for ref, name in refs.items():
        if ref.startswith(ATTEMPTS) and ref not in known:
            message = "the journal has no experiment of this number"
            yield Finding("attempt-unknown", ref, message, name)


def attempt_parents(evidence: Evidence) -> Iterator[Finding]:
    """Find attempts that did not start where their strategy could have chosen.

    Only what was reviewed and scored may be a parent: else a refused change would be where its
    children start.
    """
    written = evidence.written
    for experiment in written.experiments.values():
        attempt = evidence.stored.commits.get(experiment.attempt_commit or "")
        origin, start, rule = experiment.origin, experiment.parent_commit, "experiment-parent"
        if attempt and attempt.parents != (start,):
            yield _attempt("attempt-parent", experiment, "its parent is not the recorded one")
        first = _first(written, experiment)
        best = written.head_at(first)
        if start != first.parent_commit:
            yield _attempt(
                rule, experiment, f"started elsewhere than {first.number}, its first try"
            )
        if (origin is None or origin.strategy == GREEDY) and start != best:
            yield _attempt(rule, experiment, f"started from {start}; the best was {best}")
        if origin is None:
            continue
        number, parent = origin.parent, written.experiments.get(origin.parent)
        if parent is None or number >= experiment.number or parent.status not in STARTS:
            status = "there is none" if parent is None else f"it is {parent.status}"
            message = f"started from experiment {number}: {status}; allowed: an earlier scored one"
            yield _attempt(rule, experiment, message)
        elif start != (parent.commit or parent.attempt_commit):
            message = f"started from {start}, which is not experiment {number}"
            yield _attempt(rule, experiment, message)


def _first(written: Written, experiment: Experiment) -> Experiment:
    """Return what a retry continues, and what that one did; an experiment itself otherwise."""
    while (origin := experiment.origin) is not None and origin.retries is not None:
        before = written.experiments.get(origin.retries)
        if before is None or before.number >= experiment.number:
            break
        experiment = before
    return experiment


def attempt_files(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find attempts that ran and were more than an edit of mutable files, or not the proposal."""
    for experiment in evidence.written.experiments.values():
        after = evidence.stored.listing(experiment.attempt_commit or "")
        before = evidence.stored.listing(experiment.parent_commit)
        if after is None or before is None or not evidence.written.ran(experiment):
            continue
        for finding in forbidden(before, after, _allowed(evidence, policy)):
            yield replace(finding, commit=experiment.attempt_commit, experiment=experiment.number)
        expected = {path: leaf.id for path, leaf in before.items()}
        for change in experiment.changes:
            if change.path in policy.files.notes:
                continue  # notes never run
            if change.blob is None:
                expected.pop(change.path, None)
            else:
                expected[change.path] = change.blob
        found = {path: leaf.id for path, leaf in after.items()}
        for path in sorted(before.keys() | after.keys() | expected.keys()):
            if found.get(path) != expected.get(path):
                message = f"experiment {experiment.number} did not propose this content"
                yield replace(_attempt("attempt-content", experiment, message), file=path)


def _attempt(rule: str, experiment: Experiment, message: str) -> Finding:
    number = experiment.number
    return Finding(rule, f"{ATTEMPTS}{number}", message, experiment.attempt_commit, number)


# -- the rest of the repository ---------------------------------------------------------------


def notes_history(evidence: Evidence) -> Iterator[Finding]:
    """Find commits of the notes that the event log or the journal does not know, or that are gone.

    The log has each of them before the ref moves there, and again after.
    """
    logged, found = evidence.beside.logged, evidence.stored.notes
    held = {commit.id for commit in found}
    known = logged.notes_moving.union(logged.notes_moved)
    recorded = [row["notes_commit"] for row in evidence.written.rows if row["notes_commit"]]
    for commit in found:
        if commit.id not in known:
            message = "the event log does not know this commit"
            yield Finding("notes", NOTES_REF, message, commit.id)
        head = commit_messages.trailer(commit.message)
        if head is not None and head not in evidence.written.places:
            message = f"knows {head} as the head of the chain, and the journal does not"
            yield Finding("notes", NOTES_REF, message, commit.id)
    for name in dict.fromkeys([*logged.notes_moved, *recorded]):
        if name not in held:
            message = "was here, says the event log or the journal, and is gone"
            yield Finding("notes", NOTES_REF, message, name)


def notes(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find commits of the notes that hold anything but plain notes and the log, or that merge."""
    for number, commit in enumerate(evidence.stored.notes):
        if number > 0 and len(commit.parents) != 1:
            yield Finding("notes", NOTES_REF, "allowed: one parent", commit.id)
        for path, leaf in evidence.stored.listings[commit.tree].items():
            if path not in (*policy.files.notes, LOG):
                yield Finding("notes", path, "is no note file", commit.id)
            elif leaf.mode != REGULAR:
                message = f"has the mode {leaf.mode:o}; allowed: {REGULAR:o}"
                yield Finding("notes", path, message, commit.id)


def other_refs(evidence: Evidence) -> Iterator[Finding]:
    """Find refs that no run makes, and what makes a repository show other history than it holds."""
    ours = (evidence.stored.branch_ref, HARNESS_REF, NOTES_REF, NEXT_NOTES_REF)
    for ref, name in evidence.stored.refs.items():
        if ref.startswith("refs/replace/"):
            yield Finding("replace-ref", ref, "replaces an object; allowed: none", name)
        elif ref not in ours and not ref.startswith(ATTEMPTS):
            yield Finding("unknown-ref", ref, "no run makes such a ref", name)
    for file in evidence.stored.oddities:
        yield Finding("graft", file, "no run makes it, and git would go by it; allowed: none")
