"""The repository's history against the ledger: kept commits, attempts, notes, refs; pure.

What this does not protect against: history that was rewritten together with the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, zip_longest

from runner import commit_messages
from runner.audit.evidence import ATTEMPTS, Evidence
from runner.audit.findings import Finding
from runner.audit.objects import Leaf, Listing
from runner.audit.trees import forbidden
from runner.policy.schema import Policy
from runner.records import LOG, REGULAR, Experiment, ExperimentStatus
from runner.steering.strategy import GREEDY
from runner.workspace import HARNESS_REF, NEXT_NOTES_REF, NOTES_REF, Commit

STARTS = (ExperimentStatus.KEPT, ExperimentStatus.REVERTED)


def history(evidence: Evidence) -> Iterator[Finding]:
    """Find a branch that is missing, merges, or does not start at the recorded commit."""
    stored, base = evidence.stored, evidence.written.run.base_commit
    if not stored.branch:
        yield Finding(rule="history", file=stored.branch_ref, message="the branch is missing")
    for number, commit in enumerate(stored.branch):
        if number == 0 and commit.id != base:
            message = f"the branch does not start at the recorded {base}"
            yield Finding(rule="history", file=stored.branch_ref, commit=commit.id, message=message)
        if number > 0 and len(commit.parents) != 1:
            message = f"has {len(commit.parents)} parents; allowed: one"
            yield Finding(rule="history", file=stored.branch_ref, commit=commit.id, message=message)


def branch_files(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find commits of the branch that touch anything but mutable files."""
    listings = evidence.stored.listings
    for before, after in pairwise(evidence.stored.branch):
        yield from forbidden(
            listings[before.tree], listings[after.tree], policy.files.mutable, commit=after.id
        )


def kept_commits(evidence: Evidence) -> Iterator[Finding]:
    """Find kept experiments and commits of the branch that are not each other's, in order."""
    stored, kept = evidence.stored, evidence.written.kept
    recorded = [found.commit for found in kept if found.commit]
    on_branch = [
        commit.id
        for commit in stored.branch
        if not _awaited(evidence, commit) and not _template_alone(evidence, commit)
    ]
    for found in kept:
        if found.commit is None and found.ended_at is not None:
            yield _kept(stored.branch_ref, found, "was kept without a commit")
        if found.commit and found.commit not in on_branch:
            yield _kept(stored.branch_ref, found, "the branch does not hold this kept commit")
    for name in on_branch:
        if name not in recorded:
            message = "belongs to no kept experiment"
            yield Finding(rule="kept-commits", file=stored.branch_ref, commit=name, message=message)
    if sorted(recorded) == sorted(on_branch) and recorded != on_branch:
        message = "the branch holds the kept commits in another order than the ledger"
        yield Finding(rule="kept-commits", file=stored.branch_ref, message=message)
    for found in evidence.written.experiments.values():
        if found.commit and found not in kept:
            yield _kept(stored.branch_ref, found, f"has a commit, and is {found.status}")


def _kept(ref: str, found: Experiment, message: str, *, rule: str = "kept-commits") -> Finding:
    return Finding(
        rule=rule,
        file=ref,
        commit=found.commit,
        experiment=found.number,
        message=f"experiment {found.number}: {message}",
    )


def _awaited(evidence: Evidence, commit: Commit) -> bool:
    """Say whether it is the commit of a keep whose row a killed supervisor could not close."""
    stored, run = evidence.stored, evidence.written.run
    owner = commit_messages.trailer(commit.message, "Experiment")
    return any(
        found.ended_at is None
        and owner == f"{run.tag}/{found.number}"
        and commit == stored.branch[-1]
        for found in evidence.written.kept
    )


def _template_alone(evidence: Evidence, commit: Commit) -> bool:
    """Say whether it is the template of a run whose baseline still runs, or failed."""
    run, kept = evidence.written.run, evidence.written.kept
    return commit.id == run.base_commit and not any(
        found.number == 0 and found.commit for found in kept
    )


def kept_messages(evidence: Evidence) -> Iterator[Finding]:
    """Find kept commits whose message or tree is not what their experiment's row says."""
    written = evidence.written
    for experiment in written.kept:
        commit = evidence.stored.commits.get(experiment.commit or "")
        attempt = evidence.stored.commits.get(experiment.attempt_commit or "")
        if commit is None or experiment.number == 0:
            continue
        expected = commit_messages.kept(written.run, experiment)
        if (message := _differs(commit, expected)) is not None:
            yield _kept(evidence.stored.branch_ref, experiment, message, rule="kept-message")
        if attempt and attempt.tree != commit.tree:
            message = "the kept tree is not the attempt's"
            yield _kept(evidence.stored.branch_ref, experiment, message, rule="kept-tree")


def _differs(commit: Commit, expected: str) -> str | None:
    """Say in which line a commit's message is not what it should be."""
    pairs = zip_longest(commit.message.split("\n"), expected.split("\n"))
    different = ((said, wanted) for said, wanted in pairs if said != wanted)
    return next((f"the commit says {s!r}, the journal {w!r}" for s, w in different), None)


# -- attempts ---------------------------------------------------------------------------------


def attempt_refs(evidence: Evidence) -> Iterator[Finding]:
    """Find attempts that are gone, moved, or nobody's."""
    refs, experiments = evidence.stored.refs, evidence.written.experiments
    for number, experiment in experiments.items():
        ref, recorded = f"{ATTEMPTS}{number}", experiment.attempt_commit
        if recorded is None and experiment.ended_at is not None:
            yield _attempt("attempt-ref", experiment, "ended without an attempt")
        if recorded is not None and refs.get(ref) != recorded:
            message = f"is at {refs.get(ref, 'nothing')}, and the ledger says {recorded}"
            yield _attempt("attempt-ref", experiment, message)
    known = {f"{ATTEMPTS}{row['number']}" for row in evidence.written.rows}
    for ref, commit in refs.items():
        if ref.startswith(ATTEMPTS) and ref not in known:
            message = "the ledger has no experiment of this number"
            yield Finding(rule="attempt-unknown", file=ref, commit=commit, message=message)


def attempt_messages(evidence: Evidence) -> Iterator[Finding]:
    """Find attempts whose message is not what their experiment's row says."""
    for experiment in evidence.written.experiments.values():
        attempt = evidence.stored.commits.get(experiment.attempt_commit or "")
        if attempt is None:
            continue
        expected = commit_messages.attempt(experiment)
        if (message := _differs(attempt, expected)) is not None:
            yield _attempt("attempt-message", experiment, message)


def attempt_parents(evidence: Evidence) -> Iterator[Finding]:
    """Find attempts that did not start where their strategy could have chosen."""
    for experiment in evidence.written.experiments.values():
        attempt = evidence.stored.commits.get(experiment.attempt_commit or "")
        if attempt and attempt.parents != (experiment.parent_commit,):
            yield _attempt("attempt-parent", experiment, "its parent is not the recorded one")
        origin = experiment.origin
        if origin is None or origin.strategy == GREEDY:
            yield from _not_from_the_best(evidence, experiment)
        if origin is not None:
            yield from _not_from_its_parent(evidence, experiment, origin.parent)


def _not_from_the_best(evidence: Evidence, experiment: Experiment) -> Iterator[Finding]:
    expected = evidence.written.head_at(experiment)
    if experiment.parent_commit != expected:
        message = f"started from {experiment.parent_commit}; the best was {expected}"
        yield _attempt("experiment-parent", experiment, message)


def _not_from_its_parent(
    evidence: Evidence, experiment: Experiment, number: int
) -> Iterator[Finding]:
    """Find a parent that is not the experiment its origin names, or that nobody may start from.

    Only what was reviewed and scored may be: else a refused change would be its children's start.
    """
    parent = evidence.written.experiments.get(number)
    if parent is None or number >= experiment.number or parent.status not in STARTS:
        status = "there is none" if parent is None else f"it is {parent.status}"
        message = f"started from experiment {number}: {status}; allowed: an earlier scored one"
        yield _attempt("experiment-parent", experiment, message)
    elif experiment.parent_commit != (parent.commit or parent.attempt_commit):
        message = f"started from {experiment.parent_commit}, which is not experiment {number}"
        yield _attempt("experiment-parent", experiment, message)


def attempt_files(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find attempts that ran and were more than an edit of mutable files, or not the proposal."""
    for experiment in evidence.written.experiments.values():
        after = evidence.stored.listing(experiment.attempt_commit or "")
        before = evidence.stored.listing(experiment.parent_commit)
        if after is None or before is None or not evidence.written.ran(experiment):
            continue
        for finding in forbidden(before, after, policy.files.mutable):
            yield replace(finding, commit=experiment.attempt_commit, experiment=experiment.number)
        expected = _proposed(experiment, policy, before)
        for path in sorted(before.keys() | after.keys() | expected.keys()):
            if _id(after.get(path)) != expected.get(path):
                message = f"experiment {experiment.number} did not propose this content"
                yield replace(_attempt("attempt-content", experiment, message), file=path)


def _proposed(experiment: Experiment, policy: Policy, before: Listing) -> dict[str, str | None]:
    """Return path → blob of what should have run; notes never do."""
    expected = {path: _id(leaf) for path, leaf in before.items()}
    for change in experiment.changes:
        if change.path not in policy.files.notes:
            expected[change.path] = change.blob
    return expected


def _id(leaf: Leaf | None) -> str | None:
    return leaf.id if leaf else None


def _attempt(rule: str, experiment: Experiment, message: str) -> Finding:
    return Finding(
        rule=rule,
        file=f"{ATTEMPTS}{experiment.number}",
        commit=experiment.attempt_commit,
        experiment=experiment.number,
        message=message,
    )


# -- the rest of the repository ---------------------------------------------------------------


def notes_history(evidence: Evidence) -> Iterator[Finding]:
    """Find commits of the notes that the event log or the ledger does not know, or that are gone.

    The log has each of them before the ref moves there, and again after.
    """
    logged, found = evidence.beside.logged, evidence.stored.notes
    held = {commit.id for commit in found}
    known = logged.notes_moving.union(logged.notes_moved)
    recorded = [row["notes_commit"] for row in evidence.written.rows if row["notes_commit"]]
    for commit in found:
        if commit.id not in known:
            yield _note(NOTES_REF, commit, "the event log does not know this commit")
    for name in dict.fromkeys([*logged.notes_moved, *recorded]):
        if name not in held:
            message = "was here, says the event log or the ledger, and is gone"
            yield Finding(rule="notes", file=NOTES_REF, commit=name, message=message)
    for commit in found:
        head = commit_messages.trailer(commit.message)
        if head is not None and head not in evidence.written.places:
            message = f"knows {head} as the head of the chain, and the ledger does not"
            yield _note(NOTES_REF, commit, message)


def notes(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find commits of the notes that hold anything but plain notes and the log, or that merge."""
    for number, commit in enumerate(evidence.stored.notes):
        if number > 0 and len(commit.parents) != 1:
            yield Finding(
                rule="notes", file=NOTES_REF, commit=commit.id, message="allowed: one parent"
            )
        for path, leaf in evidence.stored.listings[commit.tree].items():
            if path not in (*policy.files.notes, LOG):
                yield _note(path, commit, "is no note file")
            elif leaf.mode != REGULAR:
                yield _note(path, commit, f"has the mode {leaf.mode:o}; allowed: {REGULAR:o}")


def _note(path: str, commit: Commit, message: str) -> Finding:
    return Finding(rule="notes", file=path, commit=commit.id, message=message)


def known_refs(evidence: Evidence) -> Iterator[Finding]:
    """Find refs that no run makes; a replacement shows another object than is stored."""
    ours = (evidence.stored.branch_ref, HARNESS_REF, NOTES_REF, NEXT_NOTES_REF)
    for ref, name in evidence.stored.refs.items():
        if ref.startswith("refs/replace/"):
            message = "replaces an object; allowed: none"
            yield Finding(rule="replace-ref", file=ref, commit=name, message=message)
        elif ref not in ours and not ref.startswith(ATTEMPTS):
            yield Finding(
                rule="unknown-ref", file=ref, commit=name, message="no run makes such a ref"
            )


def oddities(evidence: Evidence) -> Iterator[Finding]:
    """Find files that make a repository show other history than it holds."""
    for name in evidence.stored.oddities:
        yield Finding(rule="graft", file=name, message="shows git another history; allowed: none")
