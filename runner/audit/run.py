"""The audit of one run: read everything, put every check to it.

What this does not protect against: see `runner.audit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.audit import commits, decisions, rows, surroundings
from runner.audit.evidence import (
    Evidence,
    Leftovers,
    Stored,
    Subject,
    Written,
    holding,
    look_beside,
    read_ledger,
    read_repository,
)
from runner.audit.findings import LEDGER, CannotCheckError, Finding, Report
from runner.audit.objects import damage, git, open_objects, refs
from runner.decision import Direction
from runner.errors import ConfigError, LedgerError, WorkspaceError
from runner.journal.reader import ChangedFormError, Reader, open_reader, refuse_unreleased
from runner.policy.schema import Policy
from runner.records import Run
from runner.rooms import State

Check = Callable[[Evidence], Iterator[Finding]]
PolicyCheck = Callable[[Evidence, Policy], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    rows.readable,
    rows.numbering,
    rows.closing,
    rows.chain,
    rows.projection,
    rows.ran_under,
    rows.frozen,
    decisions.forfeits,
    decisions.seeds,
    commits.history,
    commits.kept_commits,
    commits.kept_messages,
    commits.attempt_refs,
    commits.attempt_messages,
    commits.attempt_parents,
    commits.notes_history,
    commits.known_refs,
    commits.oddities,
    surroundings.data,
    surroundings.event_log,
    surroundings.leftovers,
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
        CannotCheckError: there is no such run, or its records cannot be read.
    """
    try:
        refuse_unreleased(state.ledger)
        if not state.ledger.is_file():
            hint = "run: make sandbox-run TASK=eclip"
            raise CannotCheckError("there are no runs yet", hint=hint)
        with open_reader(state.ledger) as ledger:
            run = _find_run(ledger, tag)
            return _audit(Subject(state=state, ledger=ledger, run=run, leftovers=leftovers))
    except ChangedFormError as error:
        found = Finding(rule="journal-form", file=LEDGER, message=str(error))
        return _unreadable(tag or "journal", (found,), "the journal is not read")
    except (LedgerError, WorkspaceError, ConfigError, OSError) as error:
        hint = getattr(error, "hint", "")
        raise CannotCheckError(f"cannot check: {error}", hint=hint) from error


def _find_run(ledger: Reader, tag: str | None) -> Run:
    runs = ledger.runs()
    found = [run for run in runs if tag in (None, run.tag)]
    if not found:
        known = ", ".join(run.tag for run in runs) or "none yet"
        raise CannotCheckError(f"there is no run {tag or ''}".strip(), hint=f"runs: {known}")
    if found[-1].direction not in set(Direction):
        raise CannotCheckError(f"cannot check: the direction of {found[-1].tag} is none")
    return found[-1]


def _audit(subject: Subject) -> Report:
    git(subject.at, "rev-parse", "--git-dir")  # before anything is written beside it
    if faults := subject.ledger.damage():
        found = tuple(Finding(rule="journal-damage", file=LEDGER, message=line) for line in faults)
        return _unreadable(subject.run.tag, found, "the journal is damaged")
    with holding(subject) as busy:
        damaged = tuple(_damaged(line) for line in _lasting_damage(subject.at))
        try:
            evidence = _read(subject, busy)
        except WorkspaceError as error:
            if not damaged:
                raise
            return _unreadable(subject.run.tag, damaged, error)
    if subject.ledger.changed():
        raise CannotCheckError("the journal was written to meanwhile", hint="audit again")
    return _report(evidence, damaged)


def _lasting_damage(at: tuple[str, ...]) -> tuple[str, ...]:
    """Return what git complains of; a run at work is seen half written, so only what lasts."""
    found = damage(at)
    for _ in range(TRIES):
        if found:
            again = damage(at)
            found = tuple(line for line in found if line in again)
    return found


def _unreadable(tag: str, damaged: tuple[Finding, ...], why: object) -> Report:
    unchecked = (f"everything else: {why}",)
    return Report(subject=tag, findings=damaged, examined={"checks": 1}, unchecked=unchecked)


def _damaged(line: str) -> Finding:
    return Finding(rule="git-objects", file="objects", message=line)


def _read(subject: Subject, busy: str | None) -> Evidence:
    """Read ledger and repository at one moment of the run, even while it is at work."""
    with open_objects(subject.at) as objects:
        for _ in range(TRIES):
            with subject.ledger.at_one_moment():
                written = read_ledger(subject)
            stored = read_repository(objects, subject, written)
            beside = look_beside(subject, busy)
            if _is_still(subject, written, stored):
                return Evidence(written=written, stored=stored, beside=beside)
    raise WorkspaceError(f"{subject.run.tag} goes on faster than it can be read")


def _is_still(subject: Subject, written: Written, stored: Stored) -> bool:
    """Say whether a run is where it was when the reading began."""
    ledger, tag = subject.ledger, subject.run.tag
    newest = max(written.entries, default=0)
    return ledger.head(tag).seq == newest and refs(subject.at) == stored.refs


def _report(evidence: Evidence, damaged: tuple[Finding, ...]) -> Report:
    written, policy = evidence.written, evidence.written.policy
    findings = [*damaged, *(found for check in CHECKS for found in check(evidence))]
    count, unchecked = 1 + len(CHECKS), [*evidence.beside.unchecked, *_unfinished(evidence)]
    if policy is None:
        unchecked.append("files and decisions: the policy that was recorded cannot be read")
    else:
        findings += [found for check in POLICY_CHECKS for found in check(evidence, policy)]
        count += len(POLICY_CHECKS)
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
    )


def _unfinished(evidence: Evidence) -> Iterator[str]:
    """Say what a killed supervisor left to do, for the newest experiment."""
    written = evidence.written
    resume = f"run: runner run --resume {written.run.tag}"
    for row in written.rows:
        if row["ended_at"] is None:
            yield f"experiment {row['number']}: it is unfinished; {resume}"
    if written.policy and decisions.owed(evidence, written.policy):
        yield f"experiment {max(written.experiments)}: its audit is not complete; {resume}"
    if surroundings.unlogged(evidence):
        newest = max(written.experiments)
        yield f"experiment {newest}: only the journal knows of its end yet; {resume}"
