"""The MCP server that Claude Code starts: it passes each tool call on to the supervisor.

Run as a file, `python -I bridge.py NAME SOCKET TOOLS`: it imports nothing of this project and, with
`-I`, nothing from the folder that it is started in, which the agent writes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

LONGEST_LINE = 16 * 1024 * 1024


async def ask(socket: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send one line to the supervisor and return its one line of answer."""
    reader, writer = await asyncio.open_unix_connection(socket, limit=LONGEST_LINE)
    writer.write(json.dumps(request).encode() + b"\n")
    await writer.drain()
    line = await reader.readline()
    writer.close()
    answer: dict[str, Any] = json.loads(line)
    return answer


async def serve(name: str, socket: str, tools: list[dict[str, Any]]) -> None:
    """Serve the tools until the client hangs up."""

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in tools])

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        request = {"tool": params.name, "arguments": params.arguments or {}}
        answer = await ask(socket, request)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=answer["text"])],
            is_error=answer["error"],
        )

    server = Server(name, on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    _, own_name, socket_path, tools_path = sys.argv
    offered = json.loads(Path(tools_path).read_text(encoding="utf-8"))
    asyncio.run(serve(own_name, socket_path, offered))
