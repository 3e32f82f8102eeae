"""Agents that think, each in a thread of its own, and what they made that waits for a device.

How far ahead of its last result an agent may think is said by its `ahead`. What is under way when
a run ends is lost, and the journal never knew of it.
"""

from __future__ import annotations

import queue
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from runner.agents.planted import Planter
from runner.ends import End, Outcome
from runner.errors import SpentError
from runner.proposals.context import make_context
from runner.proposals.rebasing import Based
from runner.proposals.supervisor import ProposalSupervisor
from runner.records import Experiment, Hypothesis, Violation
from runner.seams import Agent, Context
from runner.session import Session
from runner.steering.course import Course
from runner.steering.phases import phase_at

Events = queue.SimpleQueue[Callable[[], None]]
"""What the scheduler's thread has to handle."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """What one proposal in the making has for itself."""

    number: int
    """A number that no other has; the experiment's own comes when it is opened."""
    hypotheses: tuple[Hypothesis, ...]
    """A person's hypotheses, without those that others were asked to test."""


@dataclass(kw_only=True, eq=False)
class Proposer:
    """An agent, and what it is at."""

    agent: Agent
    ahead: int
    thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="agent")
    )
    slot: Slot | None = None
    """For what it thinks about, while it does."""
    unsettled: int = 0
    """Its proposals that have no result yet."""
    back: deque[tuple[Slot, tuple[Violation, ...]]] = field(default_factory=deque)
    """Places whose proposal did not go together with what was kept meanwhile, and why."""
    end: End | None = None
    """Why it makes no more."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A proposal that waits for a device."""

    proposer: Proposer
    slot: Slot
    based: Based
    returned: int


class Proposers:
    """The agents of one start; only the scheduler's thread calls it."""

    def __init__(
        self,
        session: Session,
        agents: Sequence[Agent],
        ahead: int | None,
        *,
        events: Events,
        is_over: Callable[[], bool],
        planted: int = 0,
    ) -> None:
        """Make them.

        Args:
            session: the run.
            agents: who proposes.
            ahead: see `run_loop`.
            events: where this thread hears of what they made.
            is_over: says whether the run has ended, to whoever still thinks.
            planted: how many changes of nothing the run is to have in all.
        """
        capacity = session.executor.capacity
        # What an earlier start left there became no experiment.
        shutil.rmtree(session.state.thinking(session.run.tag, 0).parent, ignore_errors=True)
        self._session, self._events, self._is_over = session, events, is_over
        self._all = [Proposer(agent=each, ahead=_ahead(each, ahead, capacity)) for each in agents]
        self._planted = planted
        self._planter = Proposer(agent=Planter(), ahead=0) if planted else None
        if self._planter is not None:
            self._all.append(self._planter)
        self.waiting: deque[Made] = deque()
        """What was handed over, the oldest first."""
        self._last_slot = 0
        self.failure: BaseException | None = None
        """Of an agent; what is under way comes to its end first."""

    @property
    def end(self) -> End | None:
        """Why one of them makes no more."""
        return next((proposer.end for proposer in self._all if proposer.end), None)

    def close(self) -> None:
        """Wait for those that think."""
        for proposer in self._all:
            proposer.thread.shutdown(cancel_futures=True)

    def are_done(self, course: Course) -> bool:
        """Say whether nothing is under way, and nothing more will be."""
        done = all(proposer.end for proposer in self._all) or self._last_is_out(course)
        return done and not self._under_way()

    def give_back(self, made: Made, why: tuple[Violation, ...]) -> None:
        """Have its agent propose again for the same place."""
        made.proposer.unsettled -= 1
        made.proposer.back.append((made.slot, why))

    def hand_out(self, course: Course) -> None:
        """Let agents think that are free to: about what came back to them, or something new."""
        for proposer in self._all:
            if proposer.slot is not None:
                continue
            if proposer is self._planter and not self._to_plant():
                enough = f"{self._planted} changes of nothing were planted"
                proposer.end = End(outcome=Outcome.FINISHED, reason=enough)
            may = proposer.end is None and proposer.unsettled <= proposer.ahead
            if proposer.back:
                self._think(course, proposer, *proposer.back.popleft())
            elif may and (slot := self._slot(course, proposer)) is not None:
                self._think(course, proposer, slot, ())

    def _under_way(self) -> list[Slot]:
        thinking = [proposer.slot for proposer in self._all if proposer.slot]
        back = [slot for proposer in self._all for slot, _ in proposer.back]
        return [*thinking, *back, *(made.slot for made in self.waiting)]

    def _to_plant(self) -> int:
        """Return how many changes of nothing are still to be proposed."""
        if self._planter is None:
            return 0
        under_way = bool(self._planter.slot) + len(self._planter.back)
        under_way += sum(made.proposer is self._planter for made in self.waiting)
        return max(self._planted - self._session.now.planted - under_way, 0)

    def _last_is_out(self, course: Course, *, reserved: int = 0) -> bool:
        """Say whether what is under way makes as many experiments as there are to be."""
        most, count = course.experiments, self._session.now.count
        return most is not None and count + len(self._under_way()) + reserved > most

    def _slot(self, course: Course, proposer: Proposer) -> Slot | None:
        """Return a place for one more proposal, unless those under way are the last ones."""
        plants = proposer is self._planter
        if self._last_is_out(course, reserved=0 if plants else self._to_plant()):
            return None
        state, under_way = self._session.now, self._under_way()
        self._last_slot = max(state.count + len(self.waiting), self._last_slot + 1)
        reserved = {slot.hypotheses[0].id for slot in under_way if slot.hypotheses}
        reserved |= {one.origin.answers or 0 for one in state.open.values() if one.origin}
        open_ones = () if plants else state.open_hypotheses
        waiting = [one for one in open_ones if one.id not in reserved]
        return Slot(number=self._last_slot, hypotheses=tuple(waiting))

    def _think(
        self, course: Course, proposer: Proposer, slot: Slot, returned: tuple[Violation, ...]
    ) -> None:
        """Have an agent think about a proposal for this place, in its own thread."""
        proposer.slot = slot
        context = self._context(course, slot, returned, planted=proposer is self._planter)
        supervisor = ProposalSupervisor(self._session, context, ended=self._is_over)

        def think() -> None:
            try:
                what = "the agent thinks about"
                with self._session.progress.doing(supervisor.name, what, **supervisor.about):
                    proposal = proposer.agent.propose(context, supervisor)
                    based = None if proposal is None else supervisor.taken(proposal)
            except BaseException as error:
                self._events.put(partial(self._gave_up, proposer, error))
            else:
                self._events.put(
                    partial(self._proposed, proposer, slot, based, supervisor.returned)
                )

        if proposer is self._planter or (len(self._all) == 1 and not proposer.ahead):
            think()  # nothing else happens meanwhile, and a person's editor wants this thread
        else:
            proposer.thread.submit(think)

    def _context(
        self, course: Course, slot: Slot, returned: tuple[Violation, ...], *, planted: bool
    ) -> Context:
        phases = self._session.policy.phases
        unsettled = list(self._session.now.open.values())
        return make_context(
            self._session,
            slot.number,
            phase=phase_at(phases, course.done(slot.number)) if phases else None,
            hypotheses=slot.hypotheses,
            returned=returned,
            experiments=course.experiments,
            pending=[*unsettled, *(self._as_proposed(made) for made in self.waiting)],
            planted=planted,
        )

    def _as_proposed(self, made: Made) -> Experiment:
        """Return a proposal that waits for a device, as the experiment that it will become."""
        context, proposal = made.based.context, made.based.proposal
        return Experiment(
            run=self._session.run.tag,
            number=made.slot.number,
            parent_commit=context.parent_commit,
            hypothesis=proposal.hypothesis,
            category=proposal.category,
            changes=(),
        )

    def _gave_up(self, proposer: Proposer, error: BaseException) -> None:
        proposer.slot = None
        hint = getattr(error, "hint", "")
        reason = f"{error}; {hint}" if hint else str(error)
        proposer.end = End(outcome=Outcome.SPENT, reason=reason)
        if not isinstance(error, SpentError):
            self.failure = self.failure or error

    def _proposed(self, proposer: Proposer, slot: Slot, based: Based | None, returned: int) -> None:
        proposer.slot = None
        if based is not None:
            proposer.unsettled += 1
            made = Made(proposer=proposer, slot=slot, based=based, returned=returned)
            self.waiting.append(made)
            return
        nothing = f"the agent {proposer.agent.name} has nothing more to propose"
        proposer.end = End(outcome=Outcome.FINISHED, reason=nothing)


def _ahead(agent: Agent, asked: int | None, capacity: int) -> int:
    """Return how many proposals an agent makes before it knows the result of its last one."""
    if asked is not None:
        return asked
    return max(agent.ahead, capacity) if agent.ahead and capacity > 1 else agent.ahead
