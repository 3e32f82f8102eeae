"""The audit of one run: read everything, put every check to it.

What this does not protect against: see `runner.audit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.audit import commits, decisions, rows, surroundings
from runner.audit.evidence import (
    Evidence,
    Leftovers,
    Subject,
    holding,
    look_beside,
    read_journal,
    read_repository,
)
from runner.audit.findings import JOURNAL, CannotCheckError, Finding, Report
from runner.audit.objects import damage, git, open_objects, refs
from runner.errors import ConfigError, JournalError, WorkspaceError
from runner.journal.reader import (
    ChangedFormError,
    NoRunError,
    UnreadableError,
    no_runs,
    open_reader,
    refuse_unreleased,
)
from runner.paths import State
from runner.policy.schema import Policy

Check = Callable[[Evidence], Iterator[Finding]]
PolicyCheck = Callable[[Evidence, Policy], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    rows.numbering,
    rows.chain,
    rows.frozen,
    decisions.forfeits,
    decisions.seeds,
    commits.history,
    commits.kept_commits,
    commits.kept_messages,
    commits.attempts,
    commits.attempt_parents,
    commits.notes_history,
    commits.other_refs,
    surroundings.event_log,
    surroundings.around,
)
POLICY_CHECKS: tuple[PolicyCheck, ...] = (
    rows.run_row,
    commits.branch_files,
    commits.attempt_files,
    commits.notes,
    decisions.decisions,
    decisions.audits,
)
TRIES = 5
"""How often to read again because the run went on meanwhile."""


def audit_run(state: State, tag: str | None, leftovers: Leftovers) -> Report:
    """Audit the run `tag`, or the newest one.

    Args:
        state: where runs live.
        tag: which run; `None` for the newest.
        leftovers: asks the engine.

    Raises:
        NoRunError: there is no such run.
        CannotCheckError: its records cannot be read.
    """
    try:
        refuse_unreleased(state.journal)
        if not state.journal.is_file():
            raise no_runs()
        with open_reader(state.journal) as journal:
            run = journal.find_run(tag)
            return _audit(Subject(state=state, journal=journal, run=run, leftovers=leftovers))
    except (ChangedFormError, UnreadableError) as error:
        is_form = isinstance(error, ChangedFormError)
        found = Finding("journal-form" if is_form else "row-unreadable", JOURNAL, str(error))
        return _unreadable(tag or "journal", [found], "the journal is not read")
    except NoRunError:
        raise
    except (JournalError, WorkspaceError, ConfigError, OSError) as error:
        hint = getattr(error, "hint", "")
        raise CannotCheckError(f"cannot check: {error}", hint=hint) from error


def _audit(subject: Subject) -> Report:
    at, tag = subject.at, subject.run.tag
    git(at, "rev-parse", "--git-dir")  # before anything is written beside it
    if faults := subject.journal.damage():
        found = [Finding("journal-damage", JOURNAL, line) for line in faults]
        return _unreadable(tag, found, "the journal is damaged")
    with holding(subject) as busy:
        lasting = damage(at)
        for _ in range(TRIES if lasting else 0):  # a run at work is seen half written
            again = damage(at)
            lasting = tuple(line for line in lasting if line in again)
        damaged = [Finding("git-objects", "objects", line) for line in lasting]
        try:
            evidence = _read(subject, busy)
        except WorkspaceError as error:
            if not damaged:
                raise
            return _unreadable(tag, damaged, error)
    if subject.journal.changed():
        raise CannotCheckError("the journal was written to meanwhile", hint="audit again")
    return _report(evidence, damaged)


def _unreadable(tag: str, damaged: list[Finding], why: object) -> Report:
    unchecked = (f"everything else: {why}",)
    return Report(subject=tag, findings=tuple(damaged), examined={"checks": 1}, unchecked=unchecked)


def _read(subject: Subject, busy: str | None) -> Evidence:
    """Read journal and repository at one moment of the run, even while it is at work."""
    journal, tag = subject.journal, subject.run.tag
    with open_objects(subject.at) as objects:
        for _ in range(TRIES):
            with journal.at_one_moment():
                written = read_journal(subject)
            stored = read_repository(objects, subject, written)
            beside = look_beside(subject, busy)
            is_still = journal.head(tag).seq == max(written.entries, default=0)
            if is_still and refs(subject.at) == stored.refs:
                return Evidence(written=written, stored=stored, beside=beside)
    raise WorkspaceError(f"{tag} changes faster than it can be read")


def _report(evidence: Evidence, damaged: list[Finding]) -> Report:
    written, policy = evidence.written, evidence.written.policy
    findings = [*damaged, *(found for check in CHECKS for found in check(evidence))]
    count, unchecked = 1 + len(CHECKS), [*evidence.beside.unchecked]
    resume = f"run: runner run --resume {written.run.tag}"
    unfinished = (row["number"] for row in written.rows if row["ended_at"] is None)
    unchecked += [f"experiment {number}: it is unfinished; {resume}" for number in unfinished]
    if policy is None:
        unchecked.append("files and decisions: the policy that was recorded cannot be read")
    else:
        findings += [found for check in POLICY_CHECKS for found in check(evidence, policy)]
        count += len(POLICY_CHECKS)
        if decisions.owed(evidence, policy):
            newest = max(written.experiments)
            unchecked.append(f"experiment {newest}: its audit is not complete; {resume}")
    if said := surroundings.unwitnessed(evidence):
        unchecked.append(said)
    return Report(
        subject=written.run.tag,
        findings=tuple(dict.fromkeys(findings)),
        examined={
            "checks": count,
            "experiments": len(written.rows),
            "trials": sum(len(found.trials) for found in written.experiments.values()),
            "kept commits": len(evidence.stored.branch),
            "notes commits": len(evidence.stored.notes),
        },
        unchecked=tuple(unchecked),
        self_reported=written.run.self_reported,
    )
