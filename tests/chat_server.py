"""A scripted model behind real HTTP on the loopback: Chat Completions, streamed and not.

The script is a function of the request's body; it answers with a command for a shell, which the
client runs by its own tool, or with words that end the session. Every request is recorded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from responses_server import Says, Shell

__all__ = ["Says", "Shell", "serving"]

Body = Mapping[str, Any]
USAGE = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}


@dataclass
class ChatServer:
    """What was asked, and where it is served; `url` ends in `/v1`."""

    script: Callable[[Body], Shell | Says]
    requests: list[Body] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(script: Callable[[Body], Shell | Says]) -> Iterator[ChatServer]:
    """Serve a script until the block ends."""
    state = ChatServer(script)
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: ChatServer

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
