"""Where the loop, which asks for proposals, and a client, which pushes them, meet.

The loop's thread alone touches the supervisor: a client leaves its work as a ticket, and the thread
that waits in `propose` does it. Nobody polls: the loop waits on a condition, a client on a future.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from runner.errors import BusyError, ConfigError, RunStoppedError
from runner.history import last_tried
from runner.records import Experiment, Proposal, Violation
from runner.seams import Context, Supervisor

NAME = "mcp"


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A script to run on training rows; `None` is the workspace's own."""

    script: bytes | None


@dataclass(frozen=True, kw_only=True)
class SentBack:
    """A proposal that the client may mend."""

    violations: tuple[Violation, ...]
    left: int | None = None
    """How often it may still come back; absent where this return counts for none."""


Work = Proposal | Analysis
Answer = SentBack | Experiment | str
"""A string is what an analysis found."""


@dataclass(kw_only=True, eq=False)
class Ticket:
    """One piece of work that a client handed in."""

    call: object
    """What the client said; by it a call that is made again is known."""
    work: Work
    number: int
    """The experiment that it is about, or would become."""
    told: bool = False
    """Whether the client has the answer."""
    done: Future[Answer] = field(default_factory=lambda: _running(Future()))

    @property
    def doing(self) -> str:
        kind = "experiment" if isinstance(self.work, Proposal) else "the analysis before experiment"
        return f"{kind} {self.number}"


class Exchange:
    """The meeting point of one run. Every method may be called from any thread."""

    def __init__(self) -> None:
        # The three that others read are written under the lock, each at once.
        self.context: Context | None = None
        """What the agent was told last; absent before the baseline has ended."""
        self.ended: str | None = None
        """Why the run is over; `None` while it is not."""
        self.ready: Future[None] = _running(Future())
        """Done once a proposal can be handed in, or the run is over."""
        self._change = threading.Condition()
        self._open = self._closed = False
        self._inbox: Ticket | None = None
        """Handed in, and not yet taken up by the loop."""
        self._ticket: Ticket | None = None
        """The last one handed in."""
        self._heard: int | None = None
        """The last experiment whose result the client was told, here or before it came."""

    # -- the loop's side ------------------------------------------------------------------

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        """Wait for a proposal that goes ahead; `None` once the client is gone."""
        with self._change:
            if self._heard is None:
                self._heard = _last_ended(context)
            self.context, self._open = context, True
            self._settle(RunStoppedError("what came of it was not recorded"))
        while (ticket := self._take()) is not None:
            if isinstance(ticket.work, Analysis):
                ticket.done.set_result(supervisor.analyze(ticket.work.script))
            elif violations := supervisor.send_back(ticket.work):
                ticket.done.set_result(
                    SentBack(violations=violations, left=supervisor.returns_left())
                )
            else:
                with self._change:
                    self._open, self.ready = False, _running(Future())
                return ticket.work
        return None

    def _take(self) -> Ticket | None:
        with self._change:
            self._change.wait_for(lambda: self._closed or self._inbox is not None)
            ticket, self._inbox = self._inbox, None
            self._open = not self._closed
            return None if self._closed else ticket

    def end(self, reason: str, context: Context | None = None) -> None:
        """Tell the client that the run is over; done twice, the first reason stays."""
        with self._change:
            if self.ended is not None:
                return
            self.ended, self._open = reason, False
            self.context = context or self.context
            self._settle(RunStoppedError(f"the run is over: {reason}"))

    def begin(self, heard: int) -> None:
        """Say which experiment was the last to have ended before this client came."""
        with self._change:
            self._heard = heard

    def _settle(self, otherwise: Exception) -> None:
        """Answer the ticket that waits, with its experiment where that has ended."""
        if not self.ready.done():
            self.ready.set_result(None)
        ticket, self._inbox = self.at_work, None
        if ticket is None:
            return
        history = self.context.history if self.context else ()
        ended = next((one for one in history if one.number == ticket.number and one.status), None)
        if isinstance(ticket.work, Proposal) and ended is not None:
            ticket.done.set_result(ended)
        elif self.context is not None and self.context.returned:  # before it was an experiment
            ticket.done.set_result(SentBack(violations=self.context.returned))
        else:
            ticket.done.set_exception(otherwise)

    # -- the client's side ----------------------------------------------------------------

    @property
    def unheard(self) -> Experiment | None:
        """The last experiment, if it has ended and the client was not told how."""
        with self._change:
            last = last_tried(self.context.history) if self.context else None
            return last if last and last.number > (self._heard or 0) else None

    def hear(self) -> None:
        """The client is told everything that has ended."""
        with self._change:
            if self.context is not None:
                self._heard = _last_ended(self.context)

    @property
    def at_work(self) -> Ticket | None:
        """What was handed in and has no answer yet."""
        ticket = self._ticket
        return None if ticket is None or ticket.done.done() else ticket

    def hand_in(self, call: object, make: Callable[[Context], Work]) -> Ticket:
        """Leave work for the loop. The same call again finds what it left before.

        Raises:
            BusyError: something else is at work.
            RunStoppedError: the run is over.
        """
        with self._change:
            last = self._ticket
            if last is not None and last.call == call and not last.told:
                return last
            if self.ended is not None:
                raise RunStoppedError(f"the run is over: {self.ended}")
            if (running := self.at_work) is not None:
                raise BusyError(f"{running.doing} is still running", hint="call history to wait")
            if self.context is None or not self._open:
                raise BusyError("the baseline is still running", hint="call get_task to wait")
            work, number = make(self.context), self.context.number
            self._ticket = self._inbox = Ticket(call=call, work=work, number=number)
            self._change.notify_all()
            return self._ticket

    def close(self) -> None:
        """The client is gone: the loop is told that there is nothing more to propose."""
        with self._change:
            self._closed = True
            self._change.notify_all()


class Mcp:
    """Hands over what a client proposes. The client has tools of its own: isolation `none`."""

    name = NAME
    isolation = "none"
    ahead = 0

    def __init__(self, exchange: Exchange | None = None) -> None:
        self._exchange = exchange

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        """Wait for a client's proposal.

        Raises:
            ConfigError: the run was started without a server.
        """
        if self._exchange is None:
            hint = "configure a client: runner mcp --print-config claude --resume TAG"
            raise ConfigError("an MCP client proposes in this run, and none is here", hint=hint)
        return self._exchange.propose(context, supervisor)


def _running(future: Future[Any]) -> Future[Any]:
    """Make it one that whoever waits for it cannot cancel."""
    future.set_running_or_notify_cancel()
    return future


def _last_ended(context: Context) -> int:
    return max((one.number for one in context.history), default=0)
