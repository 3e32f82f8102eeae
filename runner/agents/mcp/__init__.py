"""A researcher that is an MCP client: it pushes proposals, where the loop pulls them."""

from runner.agents.mcp.exchange import NAME, Mcp

__all__ = ["NAME", "Mcp"]
