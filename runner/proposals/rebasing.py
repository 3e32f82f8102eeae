"""A proposal that was made while the branch moved: put onto the new best, or offered back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runner.policy.review import Examination
from runner.proposals.reviewing import examined
from runner.records import REBASED, Change, Experiment, Files, Proposal, Violation
from runner.seams import Context
from runner.session import Session
from runner.steering.strategy import GREEDY, parent_commit
from runner.workspace import merged

CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True)
class Based:
    """A proposal, the context that it now belongs to, and its review there."""

    context: Context
    proposal: Proposal
    examination: Examination | None = None
    """Absent where nobody has asked for it yet."""


@dataclass(frozen=True, kw_only=True)
class Returned:
    """Why a proposal cannot be put onto the new best."""

    why: tuple[Violation, ...]


def on_the_best(session: Session, made: Based) -> Based | Returned:
    """Put a proposal from what was the best of its time onto what is the best now.

    What started from another experiment on purpose stays where it is.
    """
    context, proposal, now_best = made.context, made.proposal, session.now.best
    unmoved = context.strategy != GREEDY or now_best is None or now_best.number == context.parent
    if unmoved or now_best is None:
        return made
    moved = _moved(session, context, now_best)
    if proposal.forfeit is not None:
        return Based(context=moved, proposal=proposal)  # it will not run, wherever it stands
    changes = [_merged(context, moved.files, change) for change in proposal.changes]
    together = replace(proposal, changes=tuple(change for change in changes if change))
    lost = [old.path for old, new in zip(proposal.changes, changes, strict=True) if new is None]
    found = None if lost else examined(session, moved, together)
    broken = _newly_broken(session, made, found) if found else ()
    if lost or broken:
        return Returned(why=(_conflict(now_best, lost), *broken))
    session.log.info("proposal.rebased", parent=context.parent, onto=now_best.number)
    return Based(context=moved, proposal=together, examination=found)


def _moved(session: Session, context: Context, now_best: Experiment) -> Context:
    commit = parent_commit(now_best)
    why = f"{context.why}, then experiment {context.parent}{REBASED}"
    return replace(
        context,
        parent=now_best.number,
        parent_commit=commit,
        files=session.workspace.with_notes(commit),
        why=why,
    )


def _merged(context: Context, files: Files, change: Change) -> Change | None:
    """Return the change as it is on these files; `None` where they conflict.

    What no review lets pass is left as it is, for the review to say so.
    """
    path, patterns, wanted = change.path, context.patterns, change.content
    if not patterns.names(path) or (wanted is None and not patterns.may_remove(path)):
        return change
    before, now = (tree[path].content if path in tree else None for tree in (context.files, files))
    if now in (before, wanted):
        return change
    if before is None or now is None or wanted is None:
        return None  # one side added or removed the file, and the other did something else with it
    content = merged(before, now, wanted)
    return None if content is None else replace(change, content=content)


def _newly_broken(session: Session, made: Based, after: Examination) -> tuple[Violation, ...]:
    """Return what is wrong with the merged files only: both sides were sound by themselves."""
    if not after.violations:
        return ()
    before = made.examination or examined(session, made.context, made.proposal)
    known = {violation.rule for violation in before.violations}
    return tuple(violation for violation in after.violations if violation.rule not in known)


def _conflict(now_best: Experiment, lost: list[str]) -> Violation:
    where = f" in {', '.join(lost)}" if lost else ""
    message = (
        f"experiment {now_best.number} was kept meanwhile, and your change does not go together"
        f" with it{where}; propose again on the files as they are now"
    )
    return Violation(rule=CONFLICT, message=message, path=lost[0] if lost else None)
