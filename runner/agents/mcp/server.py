"""The tools that an MCP client gets, and how long a call may take.

A client ends a call that takes longer than its own limit, often 60 s. So no call lasts longer than
`answer_within`: then it says what is still running, and that `history` waits for it. The same call
made again finds the work it left and starts nothing twice. While a call waits it sends progress,
which some clients take as a reason to wait longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Annotated, TypeVar

from mcp.server.mcpserver import Context as Call
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from runner import __version__
from runner.agents import handover
from runner.agents.mcp import telling
from runner.agents.mcp.exchange import Analysis, Answer, Exchange, SentBack, Ticket
from runner.agents.mcp.host import Host
from runner.agents.mcp.submission import Edit, Submission, text_of
from runner.errors import ConfigError, RunnerError, RunStoppedError
from runner.records import Experiment, Proposal
from runner.seams import Context

NAME = "autoresearch"
PROGRESS_SECONDS = 5.0
INSTRUCTIONS = (
    "Improve a training script by bounded experiments. Call get_task first; it begins the run. "
    "Then propose_experiment, again and again: each call is one experiment."
)
T = TypeVar("T")


def make_server(host: Host, *, answer_within: float) -> MCPServer:
    """Return a server for one client of one run."""
    server: MCPServer = MCPServer(
        NAME, instructions=INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    tools = Tools(host, answer_within)
    for tool in (
        tools.get_task,
        tools.read_file,
        tools.propose_experiment,
        tools.analyze,
        tools.history,
        tools.best,
        tools.add_hypothesis,
    ):
        server.add_tool(tool, structured_output=False)
    return server


class Tools:
    """Each method is a tool; its docstring is what the client's model reads."""

    def __init__(self, host: Host, answer_within: float) -> None:
        self._host, self._within = host, answer_within

    async def get_task(
        self,
        call: Call,
        tag: Annotated[
            str | None, Field(description="The run's name; one that is there is gone on with.")
        ] = None,
    ) -> str:
        """Begin the run, or look at it again: task, program, rules, files, what to try next.

        The first call waits for the baseline. If it says that something is still running, call it
        again.
        """
        with _told():
            exchange = self._host.start(tag)
            await self._wait(exchange.ready, call, "waiting for the experiment in progress")
            context = exchange.context
            if context is None:
                return self._not_yet(exchange)
            exchange.hear()
            told = {each.id for each in context.hypotheses}
            new = [each for each in self._host.open_hypotheses() if each.id not in told]
            more = [telling.waiting(new)] if new else []
            task = telling.task(context, self._host.tag)
            return _paragraphs(task, *more, *_standing(exchange, self._host.doing))

    async def read_file(
        self, call: Call, path: Annotated[str, Field(description="As get_task lists it.")]
    ) -> str:
        """Read a file of the workspace that the next proposal starts from."""
        with _told():
            exchange = self._host.go_on()
            context = await self._context(exchange, call)
            if context is None:
                return self._not_yet(exchange)
            return telling.file(path, text_of(path, context.files))

    async def propose_experiment(
        self,
        call: Call,
        hypothesis: handover.Hypothesis,
        category: handover.Category = "",
        expectation: handover.Expectation = "",
        takeaway: handover.Takeaway = "",
        answers: handover.Answers = None,
        files: Annotated[
            dict[str, str] | None, Field(description="Path to the file's whole new text.")
        ] = None,
        edits: Annotated[
            list[Edit] | None, Field(description="Replacements, made after `files`, in order.")
        ] = None,
    ) -> str:
        """Run one experiment with these changes and return what came of it.

        What breaks a rule comes back at once, to be mended, at most three times; then it counts as
        refused. The reply says how many returns are left. Making the same call again is safe.
        """
        words = handover.Words(
            hypothesis=hypothesis,
            category=category,
            expectation=expectation,
            takeaway=takeaway,
            answers=answers,
        )
        said = Submission(
            words=words, files=tuple(sorted((files or {}).items())), edits=tuple(edits or ())
        )

        def make(context: Context) -> Proposal:
            _require_heard(exchange.unheard, said)
            return said.proposal(context)

        with _told():
            exchange = self._host.go_on()
            if await self._context(exchange, call) is None:
                return self._not_yet(exchange)
            return await self._answer(exchange.hand_in(said, make), exchange, call)

    async def analyze(
        self,
        call: Call,
        script: handover.Script = None,
    ) -> str:
        """Run a script on training rows, in a container, and return what it prints.

        It is no experiment. get_task says for how many seconds, and how often before each
        experiment; the answer says how many are left. 16,000 characters of its output come back.
        """
        content = None if script is None else script.encode(errors="surrogatepass")
        work = Analysis(script=content)
        with _told():
            exchange = self._host.go_on()
            if await self._context(exchange, call) is None:
                return self._not_yet(exchange)
            return await self._answer(exchange.hand_in(work, lambda _: work), exchange, call)

    async def history(self, call: Call) -> str:
        """Wait for what is running, then tell what was tried and what came of it."""
        with _told():
            exchange = self._host.go_on()
            running = exchange.at_work
            if running is not None:
                with suppress(RunStoppedError):  # said below
                    await self._wait(running.done, call, f"{running.doing} is running")
            context = await self._context(exchange, call)
            if context is None:
                return self._not_yet(exchange)
            exchange.hear()
            return _paragraphs(telling.history(context), *self._standing(exchange))

    async def best(self, call: Call) -> str:
        """Tell the best experiment so far."""
        with _told():
            exchange = self._host.go_on()
            context = await self._context(exchange, call)
            if context is None:
                return self._not_yet(exchange)
            return _paragraphs(telling.best(context), *self._standing(exchange))

    async def add_hypothesis(
        self,
        call: Call,
        text: Annotated[str, Field(description="What to try.", min_length=1, max_length=2000)],
    ) -> str:
        """Queue a hypothesis that the person wants tested; the next experiments must answer it."""
        with _told():
            exchange = self._host.go_on()
            if not self._host.is_open and await self._context(exchange, call) is None:
                return self._not_yet(exchange)
            number = self._host.add_hypothesis(text)
        return f"hypothesis {number} is queued; get_task shows it from the next experiment on"

    # -- waiting --------------------------------------------------------------------------

    async def _answer(self, ticket: Ticket, exchange: Exchange, call: Call) -> str:
        answer = await self._wait(ticket.done, call, f"{ticket.doing} is running")
        if answer is None:
            return (
                f"STILL RUNNING: {ticket.doing}{self._host.doing}. Call history to wait for it; "
                "this same call "
                "made again waits for it too, and starts nothing new."
            )
        ticket.told = True
        return _paragraphs(*self._outcome(answer, exchange), *self._waiting(exchange))

    def _outcome(self, answer: Answer, exchange: Exchange) -> Iterator[str]:
        match answer:
            case SentBack():
                yield telling.sent_back(answer)
            case Experiment():
                exchange.hear()
                yield telling.experiment(answer)
                if (context := exchange.context) is not None:
                    yield telling.best(context)
            case _:
                yield telling.found(answer)

    def _standing(self, exchange: Exchange) -> Iterator[str]:
        yield from self._waiting(exchange)
        yield from _standing(exchange, self._host.doing)

    def _waiting(self, exchange: Exchange) -> Iterator[str]:
        """Yield what a person wants tested, added meanwhile or before."""
        if found := self._host.open_hypotheses():
            yield telling.waiting(found)

    async def _wait(self, future: Future[T], call: Call, what: str) -> T | None:
        """Return its result, or `None` after `answer_within`; say in between that all is well."""
        waiter, loop = asyncio.wrap_future(future), asyncio.get_running_loop()
        begun = loop.time()
        try:
            while (left := begun + self._within - loop.time()) > 0:
                done, _ = await asyncio.wait({waiter}, timeout=min(PROGRESS_SECONDS, left))
                if done:
                    return waiter.result()
                await call.report_progress(loop.time() - begun, None, what)
            return None
        finally:
            waiter.cancel()

    async def _context(self, exchange: Exchange, call: Call) -> Context | None:
        """Return what there is to tell; wait for it where the run has only begun."""
        if exchange.context is None:
            await self._wait(exchange.ready, call, "waiting for the experiment in progress")
        return exchange.context

    def _not_yet(self, exchange: Exchange) -> str:
        if exchange.ended is not None:
            raise ToolError(f"the run is over: {exchange.ended}")
        return (
            "STILL RUNNING: the baseline, the experiment that was in progress, or the wait for a"
            f" device{self._host.doing}. Make this call again."
        )


def _require_heard(unheard: Experiment | None, said: Submission) -> None:
    """Refuse what was learnt from an experiment whose result the client has not been told."""
    if unheard is not None and said.words.takeaway.strip():
        raise ConfigError(
            f"a takeaway from experiment {unheard.number} came before its result, which you have"
            " not been told; nothing was handed in",
            hint="call history, then say what you take away",
        )


def _standing(exchange: Exchange, doing: str) -> Iterator[str]:
    """Yield what keeps the client from proposing, if anything does."""
    if (running := exchange.at_work) is not None:
        yield f"STILL RUNNING: {running.doing}{doing}. Call history to wait for it."
    if exchange.ended is not None:
        yield f"The run is over: {exchange.ended}"


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(parts)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what we expected to go wrong into an answer that the client's model can read."""
    try:
        yield
    except RunnerError as error:
        said = error.in_a_line.encode("utf-8", errors="backslashreplace").decode()
        raise ToolError(said) from error  # it may quote what no answer can hold
