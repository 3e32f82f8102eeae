"""A run whose researcher is an MCP client: the server in the main thread, the loop in another.

Standard output belongs to the protocol; whatever is for people goes to standard error.
The client owns the server's life: it closes our standard input when it ends, and kills us soon
after. So that, like a signal, ends the trial in progress at once. Its experiment stays in the
journal as unfinished, and is conducted again when the run is resumed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

import anyio
from mcp.server.mcpserver import MCPServer

from runner import paths, progress
from runner.agents.mcp import NAME, Mcp
from runner.agents.mcp.exchange import Exchange
from runner.agents.mcp.served_run import ServedRun
from runner.agents.mcp.server import make_server
from runner.agents.mcp.wire import serve_stdio
from runner.errors import ConfigError, StoppedError
from runner.journal.store import open_journal
from runner.proposals.context import make_context
from runner.start import Request
from runner.stopping import Stop, heard
from runner.supervise import go_through, opened
from runner.views import running
from runner.views.live import Live


def serve(request: Request, *, experiments: int | None, answer_within: float) -> int:
    """Serve one client over standard input and output until it is gone; return the exit code."""
    with Live(stderr=True) as live:
        stop = Stop(live.say)
        conduct = partial(_conduct, replace(request, agent=NAME), experiments, live, stop)
        served = ServedRun(conduct, tag=request.tag, doing=_doing)
        anyio.run(_until_gone, make_server(served, answer_within=answer_within), served, stop)
    return 0


def _doing(tag: str) -> str:
    return running.told(progress.read(paths.state().progress(tag)))


async def _until_gone(server: MCPServer, served: ServedRun, stop: Stop) -> None:
    async def end() -> None:
        """End the run, and wait for it where there is one; done twice it does nothing."""
        stop.now()
        served.close()
        if stop.at_work:
            await anyio.to_thread.run_sync(served.join)

    async def end_on_signal() -> None:
        async for _ in signals:
            await end()
            # A thread of the server waits for input and cannot be woken; the run's has ended.
            os._exit(StoppedError.exit_code)

    async with anyio.create_task_group() as tasks:
        with anyio.open_signal_receiver(*heard()) as signals:
            tasks.start_soon(end_on_signal)
            try:
                await serve_stdio(server)
            finally:
                with anyio.CancelScope(shield=True):
                    await end()
            tasks.cancel_scope.cancel()


def _conduct(
    request: Request,
    experiments: int | None,
    live: Live,
    stop: Stop,
    tag: str | None,
    served: ServedRun,
    exchange: Exchange,
) -> None:
    """Go through the run in the thread that calls; see `Conduct`.

    A run that is there is resumed, so that a client can be started again with the same words.
    """
    request = replace(request, tag=tag)
    if tag is not None and not request.resume:
        with open_journal(paths.state().journal) as journal:
            run = journal.run(tag)
        if run is not None and run.task != request.task:
            raise ConfigError(f"the run {run.tag} is of {run.task}, not of {request.task}")
        request = replace(request, resume=run is not None)
    with opened(request, live, stop) as work:
        session = work.session
        served.opened(
            session.run.tag,
            partial(session.journal.add_hypothesis, session.run.tag),
            open_hypotheses=lambda: session.now.open_hypotheses,
            ended=max((one.number for one in session.ended), default=0),
        )
        end = go_through(work, (Mcp(exchange),), live, experiments)
        exchange.end(str(end), make_context(session, session.now.count))
