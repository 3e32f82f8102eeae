"""What tests of the server share: a run in this process, and a client of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fakes import FakeSandbox, make_session, scored
from mcp import Client
from mcp.server.mcpserver import MCPServer

from runner.agents.mcp import Mcp
from runner.agents.mcp.exchange import Exchange
from runner.agents.mcp.served_run import ServedRun
from runner.agents.mcp.server import make_server
from runner.proposals.context import make_context
from runner.records import TrialResult, TrialSpec
from runner.scheduler import run_loop

WIDER = {"edits": [{"path": "train.py", "old": "WIDTH = 32", "new": "WIDTH = 64"}]}


def better(spec: TrialSpec) -> TrialResult:
    """Each experiment gains ten, in numbers that an agent must not see in full."""
    return scored(100.0625 - 10 * spec.experiment + (spec.purpose.part == "locked") * 7.03125)


@dataclass
class Gate:
    """Holds the trials of one experiment until it is opened."""

    number: int
    begun: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, spec: TrialSpec) -> TrialResult:
        if spec.experiment == self.number:
            self.begun.set()
            assert self.opened.wait(60)
        return better(spec)


@dataclass
class Served:
    """A run at work in this process, behind a server."""

    server: MCPServer
    served: ServedRun
    reasons: list[str]
    """Why the run ended."""

    def ask(self, scenario: Callable[[Client], Awaitable[None]], mode: str = "auto") -> None:
        """Be a client for as long as the scenario lasts."""

        async def session() -> None:
            async with Client(self.server, mode=mode) as client:
                await scenario(client)

        asyncio.run(session())


@contextmanager
def served(
    folder: Path,
    results: Callable[[TrialSpec], TrialResult] = better,
    *,
    experiments: int | None = None,
    answer_within: float = 60.0,
    tag: str | None = None,
    **more: Any,
) -> Iterator[Served]:
    """Yield a run that begins with the first `get_task` and ends with this context.

    With a `tag` any tool goes on with it, as in a server that is started again.
    """
    reasons: list[str] = []

    def conduct(tag: str | None, served: ServedRun, exchange: Exchange) -> None:
        with make_session(folder, FakeSandbox(results), **more) as session:
            served.opened(
                session.run.tag,
                partial(session.journal.add_hypothesis, session.run.tag),
                open_hypotheses=lambda: session.now.open_hypotheses,
                ended=max((one.number for one in session.ended), default=0),
            )
            reason = str(run_loop(session, Mcp(exchange), experiments=experiments))
            reasons.append(reason)
            exchange.end(reason, make_context(session, session.now.count))

    served = ServedRun(conduct, tag=tag)
    try:
        yield Served(make_server(served, answer_within=answer_within), served, reasons)
    finally:
        served.close()
        served.join()


async def call(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must succeed; return its text."""
    result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert not result.is_error, content.text
    return content.text


async def failing(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must fail; return what it says."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content
    return result.content[0].text


def propose(client: Client, hypothesis: str = "wider", **more: Any) -> Awaitable[str]:
    return call(client, "propose_experiment", hypothesis=hypothesis, **more)
