"""What Claude Code starts: a server of our tools, and a hook around its edits and hand-overs.

Run as a file, `python -I bridge.py serve SOCKET TOOLS` or `python -I bridge.py hook SOCKET`: it
imports nothing of this project and, with `-I`, nothing from the folder that it is started in, which
the agent writes. Each call is passed on to the supervisor.

The hook has an event as JSON on standard input. Before an edit it says whether the result may
stand; after a hand-over, whether the session is to end. Exit code 2 blocks the call and shows
standard error to the model, so whatever goes wrong here blocks it too.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

SERVER = "autoresearch"
BLOCK = 2


def ask(path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the supervisor's answer: a text, and whether it is an error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as supervisor:
        supervisor.connect(path)
        supervisor.sendall(json.dumps(request).encode() + b"\n")
        with supervisor.makefile("rb") as lines:
            answer: dict[str, Any] = json.loads(lines.readline())
    return answer


def decision(path: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return what the supervisor says of an event, in the client's form; nothing is fine."""
    name = event["hook_event_name"]
    answer = ask(
        path, {"event": name, "tool": event["tool_name"], "arguments": event["tool_input"]}
    )
    if not answer["error"]:
        return {}
    if name == "PostToolUse":
        return {"continue": False, "stopReason": answer["text"]}
    denied = {"permissionDecision": "deny", "permissionDecisionReason": answer["text"]}
    return {"hookSpecificOutput": {"hookEventName": name, **denied}}


async def serve(path: str, tools: list[dict[str, Any]]) -> None:
    """Serve the tools until the client hangs up."""
    import anyio
    import mcp_types as types
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in tools])

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        request = {"tool": params.name, "arguments": params.arguments or {}}
        answer = await anyio.to_thread.run_sync(ask, path, request)
        content = types.TextContent(type="text", text=answer["text"])
        return types.CallToolResult(content=[content], is_error=answer["error"])

    server = Server(SERVER, on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main() -> int:
    try:
        mode, path, *more = sys.argv[1:]
        if mode == "hook":  # it runs often: it imports little
            sys.stdout.write(json.dumps(decision(path, json.load(sys.stdin))))
        else:
            import anyio

            anyio.run(serve, path, json.loads(more[0]))
    except Exception as error:  # any other exit code than 2 would let the call pass
        sys.stderr.write(f"the review of this call failed: {error}")
        return BLOCK
    return 0


if __name__ == "__main__":
    sys.exit(main())
