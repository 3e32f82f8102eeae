"""The tools that an MCP client gets, and how long a call may take.

A client ends a call that takes longer than its own limit, often 60 s. So no call lasts longer than
`answer_within`: then it says what is still running, and that `history` waits for it. The same call
made again finds the work it left and starts nothing twice. While a call waits it sends progress,
which some clients take as a reason to wait longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import Context as Call
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, ConfigDict, Field

from runner import __version__
from runner.agents import handover
from runner.agents.draft import RefusedError, without
from runner.agents.mcp import telling
from runner.agents.mcp.exchange import Analysis, Exchange, SentBack, Ticket
from runner.agents.mcp.served_run import ServedRun
from runner.errors import ConfigError, RunnerError, RunStoppedError
from runner.prompt.untrusted import quoted
from runner.records import REGULAR, Change, Experiment, Files, Proposal
from runner.seams import Context

NAME = "autoresearch"
PROGRESS_SECONDS = 5.0
INSTRUCTIONS = (
    "Improve a training script by bounded experiments. Call get_task first; it begins the run. "
    "Then propose_experiment, again and again: each call is one experiment."
)
T = TypeVar("T")


class Edit(BaseModel):
    """One replacement in a file; `old` must be there exactly once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="The file to edit.")
    old: str = Field(description="Text that is in the file exactly once.", min_length=1)
    new: str = Field(description="Text to put in its place.")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The arguments of one call; two calls that say the same are equal."""

    words: handover.Words
    files: tuple[tuple[str, str], ...] = ()
    """Path and whole new text."""
    edits: tuple[Edit, ...] = ()
    """Made after `files`, in their order."""
    removed: tuple[str, ...] = ()

    def proposal(self, context: Context) -> Proposal:
        """Return it as a proposal; what is allowed is the review's to say.

        Raises:
            ConfigError: an edit, or a file to remove, does not fit the workspace.
        """
        texts = dict(self.files)
        for edit in self.edits:
            before = texts.get(edit.path)
            text = text_of(edit.path, context.files) if before is None else before
            if (found := text.count(edit.old)) != 1:
                hint = "nothing was handed in; read_file shows the text as it is"
                what = f"{edit.path} has the text to replace {found} times, not once"
                raise ConfigError(what, hint=hint)
            texts[edit.path] = text.replace(edit.old, edit.new)
        changes = [
            Change(
                path=path,
                content=text.encode("utf-8", errors="surrogatepass"),
                mode=context.files[path].mode if path in context.files else REGULAR,
            )
            for path, text in texts.items()
        ]
        try:
            changes = without(changes, self.removed, context.files)
        except RefusedError as refused:
            hint = f"nothing was handed in; files: {', '.join(sorted(context.files))}"
            raise ConfigError(str(refused), hint=hint) from None
        return handover.proposal(self.words, changes)


class _StillRunningError(Exception):
    """There is nothing to tell yet; its text is an answer, not a failure."""


def make_server(served: ServedRun, *, answer_within: float) -> MCPServer:
    """Return a server for one client of one run."""
    server: MCPServer = MCPServer(
        NAME, instructions=INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    tools = Tools(served, answer_within)
    for tool in (
        tools.get_task,
        tools.read_file,
        tools.propose_experiment,
        tools.analyze,
        tools.history,
        tools.best,
        tools.add_hypothesis,
    ):
        server.add_tool(_answering(tool), structured_output=False)
    return server


def _answering(tool: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    """Turn what we expected to go wrong into an answer that the client's model can read."""

    @wraps(tool)
    async def answer(*arguments: Any, **named: Any) -> str:
        try:
            return await tool(*arguments, **named)
        except _StillRunningError as running:
            return str(running)
        except RunnerError as error:
            said = error.in_a_line.encode("utf-8", errors="backslashreplace").decode()
            raise ToolError(said) from error  # it may quote what no answer can hold

    return answer


class Tools:
    """Each method is a tool; its docstring is what the client's model reads."""

    def __init__(self, served: ServedRun, answer_within: float) -> None:
        self._run, self._within = served, answer_within

    async def get_task(
        self,
        call: Call,
        tag: Annotated[
            str | None, Field(description="The run's name; one that is there is resumed.")
        ] = None,
    ) -> str:
        """Begin the run, or look at it again: task, program, rules, files, what to try next.

        The first call waits for the baseline. If it says that something is still running, call it
        again.
        """
        exchange = self._run.start(tag)
        context = await self._context(exchange, call, ready=True)
        exchange.hear()
        told = {each.id for each in context.hypotheses}
        new = [each for each in self._run.open_hypotheses() if each.id not in told]
        more = [telling.waiting(new)] if new else []
        task = telling.task(context, self._run.tag)
        return "\n\n".join((task, *more, *self._standing(exchange)))

    async def read_file(
        self, call: Call, path: Annotated[str, Field(description="As get_task lists it.")]
    ) -> str:
        """Read a file of the workspace that the next proposal starts from."""
        context = await self._context(self._run.go_on(), call)
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
        removed: handover.Removed = None,
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
            words=words,
            files=tuple(sorted((files or {}).items())),
            edits=tuple(edits or ()),
            removed=removed or (),
        )
        exchange = self._run.go_on()

        def make(context: Context) -> Proposal:
            """Refuse what was learnt from a result that the client has not been told."""
            unheard = exchange.unheard
            if unheard is not None and takeaway.strip():
                raise ConfigError(
                    f"a takeaway from experiment {unheard.number} came before its result, which"
                    " you have not been told; nothing was handed in",
                    hint="call history, then say what you take away",
                )
            return said.proposal(context)

        await self._context(exchange, call)
        return await self._answer(exchange.hand_in(said, make), exchange, call)

    async def analyze(self, call: Call, script: handover.Script = None) -> str:
        """Run a script on training rows, in a container, and return what it prints.

        It is no experiment. get_task says for how many seconds, and how often before each
        experiment; the answer says how many are left. 16,000 characters of its output come back.
        """
        content = None if script is None else script.encode(errors="surrogatepass")
        work, exchange = Analysis(script=content), self._run.go_on()
        await self._context(exchange, call)
        return await self._answer(exchange.hand_in(work, lambda _: work), exchange, call)

    async def history(self, call: Call) -> str:
        """Wait for what is running; tell what was tried, what came of it, what is undecided."""
        exchange = self._run.go_on()
        if (running := exchange.at_work) is not None:
            with suppress(RunStoppedError):  # said below
                await self._wait(running.done, call, f"{running.doing} is running")
        context = await self._context(exchange, call)
        exchange.hear()
        standing = (*self._waiting(), *self._standing(exchange))
        return "\n\n".join((telling.history(context), *standing))

    async def best(self, call: Call) -> str:
        """Tell the best experiment so far."""
        exchange = self._run.go_on()
        context = await self._context(exchange, call)
        standing = (*self._waiting(), *self._standing(exchange))
        return "\n\n".join((telling.best(context), *standing))

    async def add_hypothesis(
        self,
        call: Call,
        text: Annotated[str, Field(description="What to try.", min_length=1, max_length=2000)],
    ) -> str:
        """Queue a hypothesis that the person wants tested; the next experiments must answer it."""
        exchange = self._run.go_on()
        if not self._run.is_open:
            await self._context(exchange, call)
        number = self._run.add_hypothesis(text)
        return f"hypothesis {number} is queued; get_task shows it from the next experiment on"

    # -- waiting --------------------------------------------------------------------------

    async def _answer(self, ticket: Ticket, exchange: Exchange, call: Call) -> str:
        answer = await self._wait(ticket.done, call, f"{ticket.doing} is running")
        if answer is None:
            raise _StillRunningError(
                f"STILL RUNNING: {ticket.doing}{self._run.doing}. Call history to wait for it;"
                " this same call made again waits for it too, and starts nothing new."
            )
        ticket.told = True
        match answer:
            case SentBack():
                outcome = [telling.sent_back(answer)]
            case Experiment():
                exchange.hear()
                context = exchange.context
                best = [telling.best(context)] if context is not None else []
                outcome = [telling.experiment(answer), *best]
            case _:
                outcome = [quoted("the analysis", answer)]
        return "\n\n".join((*outcome, *self._waiting()))

    def _waiting(self) -> Iterator[str]:
        """Yield what a person wants tested, added meanwhile or before."""
        if found := self._run.open_hypotheses():
            yield telling.waiting(found)

    def _standing(self, exchange: Exchange) -> Iterator[str]:
        """Yield what keeps the client from proposing, if anything does."""
        if (running := exchange.at_work) is not None:
            yield f"STILL RUNNING: {running.doing}{self._run.doing}. Call history to wait for it."
        if exchange.ended is not None:
            yield f"The run is over: {exchange.ended}"

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

    async def _context(self, exchange: Exchange, call: Call, *, ready: bool = False) -> Context:
        """Return what there is to tell; wait for it where the run has only begun.

        If it is to be `ready`, what is in progress before the next proposal is waited for, too.
        """
        if ready or exchange.context is None:
            await self._wait(exchange.ready, call, "waiting for the experiment in progress")
        if (context := exchange.context) is not None:
            return context
        if exchange.ended is not None:
            raise ToolError(f"the run is over: {exchange.ended}")
        raise _StillRunningError(
            "STILL RUNNING: the baseline, the experiment that was in progress, or the wait for a"
            f" device{self._run.doing}. Make this call again."
        )


def text_of(path: str, files: Files) -> str:
    """Return a workspace file as text; raise `ConfigError` where there is none."""
    if path not in files:
        hint = f"files: {', '.join(sorted(files))}"
        raise ConfigError(f"the workspace has no {path!r}", hint=hint)
    return files[path].content.decode("utf-8", errors="backslashreplace")
