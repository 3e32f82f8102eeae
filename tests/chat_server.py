"""A scripted model behind real HTTP on the loopback: Chat Completions, streamed and not.

The script is a function of the request's body; it answers with a command for a shell, which the
client runs by its own tool, or with words that end the session. Every request is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from typing import Any

import responses_server
from responses_server import Says, Scripted, Shell

__all__ = ["Says", "Shell", "serving"]

Body = Mapping[str, Any]
USAGE = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}


def serving(script: Callable[[Body], Shell | Says]) -> AbstractContextManager[Scripted]:
    """Serve a script below `server.url`, which ends in `/v1`."""
    return responses_server.serving(script, _Handler)


class _Handler(BaseHTTPRequestHandler):
    state: Scripted

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.state.requests.append(body)
        self.state.headers.append({name.lower(): text for name, text in self.headers.items()})
        message, why = _message(self.state.script(body), body, len(self.state.requests))
        streams = body.get("stream") is True
        said = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk" if streams else "chat.completion",
            "created": 1,
            "model": body["model"],
        }
        choice = {"index": 0, "finish_reason": why}
        if not streams:
            whole = {**said, "choices": [{**choice, "message": message}], "usage": USAGE}
            self._send("application/json", json.dumps(whole))
            return
        begun = {"index": 0, "delta": message, "finish_reason": None}
        events = [
            {**said, "choices": [begun]},
            {**said, "choices": [{**choice, "delta": {}}]},
            {**said, "choices": [], "usage": USAGE},
        ]
        lines = [*map(json.dumps, events), "[DONE]"]
        self._send("text/event-stream", "".join(f"data: {line}\n\n" for line in lines))

    def _send(self, kind: str, content: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())


def _message(reply: Shell | Says, body: Body, number: int) -> tuple[dict[str, Any], str]:
    """Return what the model says, and why it stops; a command is for the client's own shell."""
    if isinstance(reply, Says):
        return {"role": "assistant", "content": reply.words}, "stop"
    names = [tool["function"]["name"] for tool in body["tools"]]
    name = next(name for name in names if name.lower() in ("bash", "shell"))
    asked = json.dumps({"command": reply.command, "description": "as I do"})
    call = {"id": f"call_{number}", "type": "function", "index": 0}
    call |= {"function": {"name": name, "arguments": asked}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
