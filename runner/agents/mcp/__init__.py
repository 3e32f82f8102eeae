"""A researcher that is an MCP client: it pushes proposals, where the loop pulls them.

The loop asks `Mcp.propose` in its own thread; a client calls tools of a server in another.
`Exchange` is where the two meet.
"""

from __future__ import annotations

from runner.agents.mcp.exchange import Exchange
from runner.errors import ConfigError
from runner.records import Proposal
from runner.seams import Context, Desk

NAME = "mcp"


class Mcp:
    """Hands over what a client proposes. The client has tools of its own: isolation `none`."""

    name = NAME
    isolation = "none"
    ahead = 0

    def __init__(self, exchange: Exchange | None = None) -> None:
        self._exchange = exchange

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
        """Wait for a client's proposal.

        Raises:
            ConfigError: the run was started without a server.
        """
        if self._exchange is None:
            hint = "configure a client: runner mcp --print-config claude --resume TAG"
            raise ConfigError("an MCP client proposes in this run, and none is here", hint=hint)
        return self._exchange.propose(context, desk)
