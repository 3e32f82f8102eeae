"""A scripted model behind real HTTP on the loopback: the Responses API, streamed.

The script is a function of the request's body; it answers with a command for a shell, which the
client runs by its own tool, or with words that end the session. Every request is recorded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = Mapping[str, Any]
USAGE = {
    "input_tokens": 1000, "input_tokens_details": {"cached_tokens": 200}, "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 1050,
}  # fmt: skip


@dataclass(frozen=True)
class Shell:
    """Have the client run a command."""

    command: str


@dataclass(frozen=True)
class Says:
    """End the session with words."""

    words: str


class Scripted:
    """What was asked, and where it is served."""

    def __init__(self, script: Callable[[Body], Shell | Says]) -> None:
        self.script = script
        self.requests: list[Body] = []
        self.headers: list[Mapping[str, str]] = []
        self.url = ""


@contextmanager
def serving(
    script: Callable[[Body], Shell | Says], answering: type[BaseHTTPRequestHandler] | None = None
) -> Iterator[Scripted]:
    """Serve a script below `server.url`, which ends in `/v1`; by default as the Responses API."""
    state = Scripted(script)
    handler = type("Handler", (answering or _Handler,), {"state": state})
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
    protocol_version = "HTTP/1.1"
    state: Scripted

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.state.requests.append(body)
        self.state.headers.append({name.lower(): each for name, each in self.headers.items()})
        item = _item(self.state.script(body), len(self.state.requests))
        answer = {
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed",
            "model": body["model"], "output": [item], "usage": USAGE,
        }  # fmt: skip
        said = (
            {"type": "response.created", "response": {**answer, "output": []}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": answer},
        )
        content = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in said)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())


def _item(reply: Shell | Says, number: int) -> dict[str, Any]:
    if isinstance(reply, Says):
        content = [{"type": "output_text", "text": reply.words, "annotations": []}]
        said = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}
        return {**said, "status": "completed"}
    # Codex offers this model one tool, which runs JavaScript over its own.
    asked = json.dumps({"cmd": reply.command})
    code = f"const ran = await tools.exec_command({asked}); text(ran);"
    called = {"type": "custom_tool_call", "id": f"ctc_{number}", "call_id": f"call_{number}"}
    return {
        **called,
        "status": "completed",
        "name": "exec",
        "namespace": "functions",
        "input": code,
    }


def output(body: Body) -> str:
    """Return what the last tool printed, as far as the request tells."""
    last = body["input"][-1]
    return json.dumps(last.get("output", ""))
