"""A scripted model behind real HTTP on the loopback: the Messages API, streaming and not.

The script is a list that is played in order, or a function of the request; it answers with
content blocks, or with a fault of the kind that the real API shows. Every request is recorded.

    with serving([says("hello"), Fault(status=529)]) as server:
        client = Anthropic(base_url=server.url, api_key="any")

Unknown headers, parameters and betas are accepted, so that any client may be driven.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prompt_cache import PromptCache, counted, tokens

Block = Mapping[str, Any]
Body = Mapping[str, Any]

RAW_INPUT = "raw_input"
"""Key of a tool block whose value is streamed as its input as it stands, sound JSON or not."""
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
PIECE = 40
"""Characters per delta, so that every block arrives in several."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came in; `headers` are lower-case."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    raw: bytes
    body: Body

    @property
    def messages(self) -> Sequence[Body]:
        return tuple(self.body.get("messages", ()))

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole or a broken answer of the model."""

    content: Sequence[Block] = ()
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: Body | None = None
    usage: Body = field(default_factory=dict)
    """Replaces what would be counted, key by key."""
    model: str | None = None
    """Who says that it answered, in place of the model that was asked."""
    drop_after: int | None = None
    """Events after which a streamed answer ends; `clean` says how."""
    clean: bool = False
    """A dropped stream ends as a well-formed HTTP body, without its last events."""
    error_after: int | None = None
    """Events after which an `error` event ends the stream."""
    error_type: str = "overloaded_error"
    seconds_between: float = 0.0
    """Pause before each event: a slow stream."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An error answer of the API."""

    status: int
    message: str = "as the script says"
    type: str | None = None
    error_code: str | None = None
    retry_after: str | None = None
    body: bytes | None = None
    """Sent instead of the JSON document."""

    def document(self) -> bytes:
        if self.body is not None:
            return self.body
        kind = self.type or ERROR_TYPES.get(self.status, "api_error")
        error: dict[str, Any] = {"type": kind, "message": self.message}
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code, "error_visibility": "user_facing"}
        return json.dumps({"type": "error", "error": error, "request_id": "req_script"}).encode()


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Nothing comes, for so long, and then the connection is closed."""

    seconds: float = 60.0


Reply = Answer | Fault | Silence
Script = Sequence[Reply] | Callable[[Request], Reply]


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def thinking(words: str, signature: str = "c2lnbmVk") -> Block:
    return {"type": "thinking", "thinking": words, "signature": signature}


def redacted(data: str = "ZW5jcnlwdGVk") -> Block:
    return {"type": "redacted_thinking", "data": data}


_numbers = count(1)


def tool_use(name: str, /, *, raw: str | None = None, **arguments: Any) -> Block:
    """Return a call of a tool; `raw` is streamed in place of its arguments' JSON."""
    block = {
        "type": "tool_use",
        "id": f"toolu_{next(_numbers):04}",
        "name": name,
        "input": arguments,
    }
    return block if raw is None else {**block, RAW_INPUT: raw}


def says(words: str, **more: Any) -> Answer:
    return Answer(content=(text(words),), **more)


def calls(*blocks: Block, **more: Any) -> Answer:
    """Return an answer that ends in tool calls."""
    return Answer(content=blocks, stop_reason=more.pop("stop_reason", "tool_use"), **more)


class MessagesServer:
    """The server's state: what is left of the script, and what was asked."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._lock = threading.Lock()
        self._cache = PromptCache()
        self.requests: list[Request] = []
        """Those of `/v1/messages`, in order."""
        self.counted: list[Request] = []
        """Those of `/v1/messages/count_tokens`."""
        self.others: list[Request] = []
        self.closing = threading.Event()
        self.url = ""

    def forget_short(self) -> None:
        """Let the cache's entries of five minutes expire."""
        self._cache.forget_short()

    def reply(self, request: Request) -> tuple[Reply, dict[str, Any]]:
        """Return what the script says, and the usage that a truthful server would report."""
        with self._lock:
            place = len(self.requests)
            self.requests.append(request)
            reply = self._next(place, request)
            usage = self._cache.usage(request.body) if isinstance(reply, Answer) else {}
        if isinstance(reply, Answer):
            usage = {**usage, "output_tokens": 1 + tokens(list(reply.content)), **reply.usage}
        return reply, usage

    def _next(self, place: int, request: Request) -> Reply:
        if callable(self._script):
            return self._script(request)
        if place < len(self._script):
            return self._script[place]
        return Fault(status=400, message="the script has ended")


@contextmanager
def serving(script: Script) -> Iterator[MessagesServer]:
    """Serve a script at `server.url` on the loopback until the block ends."""
    state = MessagesServer(script)
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: MessagesServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        pass

    def do_GET(self) -> None:
        self.state.others.append(self._request(b""))
        self._send_json(200, {"ok": True})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = self._request(raw)
        with suppress(BrokenPipeError, ConnectionResetError):  # the client may hang up
            self._answer(request)

    def _answer(self, request: Request) -> None:
        if request.path == "/v1/messages/count_tokens":
            self.state.counted.append(request)
            self._send_json(200, {"input_tokens": counted(request.body)})
        elif request.path == "/v1/messages":
            self._answer_message(request)
        else:
            self.state.others.append(request)
            self._send(404, Fault(status=404, message=f"no {request.path}").document())

    def _answer_message(self, request: Request) -> None:
        reply, usage = self.state.reply(request)
        if isinstance(reply, Silence):
            self.state.closing.wait(reply.seconds)
            self.close_connection = True
        elif isinstance(reply, Fault):
            more = {} if reply.retry_after is None else {"retry-after": reply.retry_after}
            self._send(reply.status, reply.document(), more)
        elif request.body.get("stream"):
            self._stream(reply, request, usage)
        else:
            self._send_json(200, message(reply, request, usage))

    def _request(self, raw: bytes) -> Request:
        url = urlsplit(self.path)
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = {}
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(
            path=url.path, query=parse_qs(url.query), headers=headers, raw=raw, body=body
        )

    def _send_json(self, status: int, document: Body) -> None:
        self._send(status, json.dumps(document).encode())

    def _send(self, status: int, body: bytes, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**_headers("application/json"), **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, answer: Answer, request: Request, usage: Mapping[str, Any]) -> None:
        self.send_response(200)
        for name, value in _headers("text/event-stream; charset=utf-8").items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events(answer, request, usage)):
            if answer.seconds_between:
                time.sleep(answer.seconds_between)
            if number == answer.error_after:
                error = {"type": answer.error_type, "message": "Overloaded"}
                event = {"type": "error", "error": error}
            if number == answer.drop_after:
                self._end(clean=answer.clean)
                return
            self._chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            if event["type"] == "error":
                break
        self._end(clean=True)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _end(self, *, clean: bool) -> None:
        if clean:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = not clean


def _headers(kind: str) -> dict[str, str]:
    return {"content-type": kind, "request-id": "req_script"}


def message(answer: Answer, request: Request, usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as one document."""
    return {
        "id": "msg_script",
        "type": "message",
        "role": "assistant",
        "model": answer.model or request.model,
        "content": [_sound(block) for block in answer.content],
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": answer.stop_details,
        "usage": dict(usage),
    }


def events(answer: Answer, request: Request, usage: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an answer as the events of a stream."""
    begun = message(answer, request, {**usage, "output_tokens": 1})
    begun |= {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(answer.content):
        empty, deltas = _taken_apart(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ended = {"stop_reason": answer.stop_reason, "stop_sequence": answer.stop_sequence}
    total = {key: value for key, value in usage.items() if key != "cache_creation"}
    yield {
        "type": "message_delta",
        "delta": {**ended, "stop_details": answer.stop_details},
        "usage": total,
    }
    yield {"type": "message_stop"}


def _taken_apart(block: Block) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind = block["type"]
    if kind == "text":
        pieces = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        return {**block, "text": ""}, pieces
    if kind == "thinking":
        pieces = [
            {"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])
        ]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*pieces, signed]
    if kind in ("tool_use", "server_tool_use"):
        whole = block.get(RAW_INPUT, json.dumps(block["input"]))
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(whole)]
        return {**_sound(block), "input": {}}, pieces
    return dict(block), []


def _pieces(whole: str) -> list[str]:
    return [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]


def _sound(block: Block) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != RAW_INPUT}
