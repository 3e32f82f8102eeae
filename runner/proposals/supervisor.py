"""Where an agent meets the supervisor while it thinks about one proposal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from runner.errors import ConfigError
from runner.history import last_tried
from runner.logs import Talk
from runner.policy.review import Examination
from runner.prompt.untrusted import one_line
from runner.proposals.rebasing import Based
from runner.proposals.reviewing import examined
from runner.records import AskedBy, ModelCall, Proposal, Violation
from runner.sandbox.evidence import escaped
from runner.seams import MOST_RETURNS, BoxEnd, BoxWork, Context
from runner.session import Session


class ProposalSupervisor:
    """The supervisor, as the agent of one proposal sees it."""

    def __init__(
        self, session: Session, context: Context, *, ended: Callable[[], bool] = lambda: False
    ) -> None:
        self._session, self._context, self._ended = session, context, ended
        self.returned = 0
        self._talk = Talk(session.state.thinking(session.run.tag, context.number))
        self._examined: tuple[Proposal, Examination] | None = None
        """The review that the agent asked for last, and of what."""

    @property
    def name(self) -> str:
        """Tell this proposal from others under way."""
        return f"proposal {self._context.number}"

    @property
    def about(self) -> dict[str, int]:
        return {"experiment": self._context.number}

    def send_back(self, proposal: Proposal) -> tuple[Violation, ...]:
        """See `Supervisor.send_back`."""
        if self.returned >= MOST_RETURNS:
            return ()
        found = (*self.review(proposal), *asked_for(self._context, proposal))
        self.returned += bool(found)
        return found

    def taken(self, proposal: Proposal) -> Based:
        """Return the proposal as it goes ahead: what it still lacks makes it a forfeit.

        The review that its agent was told travels with it; one that never asked is reviewed now,
        while the device may be busy with another experiment.
        """
        lacking = asked_for(self._context, proposal) if self.returned else ()
        known = self._examined
        found = known[1] if known and known[0] == proposal else self._examine(proposal)
        return Based(
            context=self._context,
            proposal=replace(proposal, forfeit=proposal.forfeit or next(iter(lacking), None)),
            examination=found,
        )

    def review(self, proposal: Proposal) -> tuple[Violation, ...]:
        """See `Supervisor.review`."""
        return self._examine(proposal).violations

    def _examine(self, proposal: Proposal) -> Examination:
        found = examined(self._session, self._context, proposal)
        self._examined = (proposal, found)
        return found

    def violation(self, path: str, what: str) -> None:
        """See `Supervisor.violation`."""
        found = {"experiment": self._context.number, "path": escaped(path), "what": what}
        self._session.journal.event(self._session.run.tag, "draft.violated", **found)
        self._session.log.warning("draft.violated", **found)

    def analyze(self, script: bytes | None) -> str:
        """See `Supervisor.analyze`."""
        if not self._session.policy.analysis.on_request:
            return "analysis on request is off: the policy says analysis.on_request: false"
        number, most = self._context.number, self._session.policy.analysis.most
        before = self._session.analyses_asked(number)
        if before >= most:
            return (
                f"there was no analysis: {before} were run before experiment {number}, and the"
                f" policy allows {most} (analysis.most); propose, then ask again"
            )
        if self.stop_asked():
            return "there was no analysis: the run is ending"
        try:
            found = self._session.analyse(script, experiment=number, asked_by=AskedBy.AGENT)
        except ConfigError as error:
            return f"there was no analysis: {error}"
        ended = f"({found.failure})\n" if found.failure else ""
        left = most - before - 1
        return (
            f"{found.text}\n{ended}({found.wall_seconds:.1f} s; {left} more"
            f" {'analysis' if left == 1 else 'analyses'} before experiment {number})"
        )

    def boxed(self, work: BoxWork) -> BoxEnd:
        """See `Supervisor.boxed`."""
        number = self._context.number
        return self._session.boxed(work, experiment=number, stop=self.stop_asked)

    def returns_left(self) -> int:
        """See `Supervisor.returns_left`."""
        return MOST_RETURNS - self.returned

    def reserved(self, usd: float, *, wait: bool = True) -> AbstractContextManager[None]:
        """See `Supervisor.reserved`."""
        return self._session.spending.reserved(usd, stop=self.stop_asked if wait else None)

    def usd_left(self) -> float | None:
        """See `Supervisor.usd_left`."""
        return self._session.spending.unspent()

    def record(self, call: ModelCall) -> None:
        """See `Supervisor.record`."""
        self._session.spending.record(call)
        self._session.log.info(
            "model.called",
            experiment=call.experiment,
            model=call.model,
            usd=round(call.usd, 6),
            seconds=round(call.seconds, 3),
            outcome=call.outcome,
        )

    def said(self, role: str, content: Any) -> None:
        """See `Supervisor.said`."""
        self._talk.keep(role, content)

    def waiting(self, what: str, seconds: float) -> None:
        """See `Supervisor.waiting`."""
        self._session.log.warning("model.waiting", what=what, seconds=round(seconds, 1))
        self._session.person.waiting(what, seconds)
        told = f"the agent waits for its model ({one_line(what, 120)}) before"
        self._session.progress.now(self.name, told, most_seconds=seconds, **self.about)

    def stop_asked(self) -> bool:
        """See `Supervisor.stop_asked`."""
        return self._session.stop_asked() or self._ended()


def asked_for(context: Context, proposal: Proposal) -> tuple[Violation, ...]:
    """Return what an agent owes besides a sound edit: answers to people, and a takeaway."""
    if proposal.by_person:
        return ()
    found = (_answer(context, proposal), _takeaway(context, proposal))
    return tuple(violation for violation in found if violation)


def _answer(context: Context, proposal: Proposal) -> Violation | None:
    first = next(iter(context.hypotheses), None)
    if first is None or proposal.answers == first.id:
        return None
    message = (
        f"a person's hypothesis waits; test number {first.id} first, and say answers={first.id}"
    )
    return Violation(rule="hypothesis-waits", message=message)


def _takeaway(context: Context, proposal: Proposal) -> Violation | None:
    last = last_tried(context.history)
    if last is None or last.number == 0 or proposal.takeaway.strip():
        return None
    message = f"say what you take away from experiment {last.number} ({last.status})"
    return Violation(rule="no-takeaway", message=message)
