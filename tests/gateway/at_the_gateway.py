"""A gateway before a scripted provider, and what clients there are for its socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anthropic
import httpx2
import openai
from fakes import FakeSupervisor

from runner.gateway import Caps, Gateway
from runner.providers import Provider, load_providers

KEY = "sk-a-key-that-must-never-be-seen"
OPUS, GPT = "claude-opus-5-5", "gpt-6.1-sol"
SHIPPED = load_providers({})
HELLO = [{"role": "user", "content": "hello"}]


@dataclass
class AtWork:
    """A gateway that listens, and what it asked of the run."""

    gateway: Gateway
    socket: Path
    supervisor: FakeSupervisor

    def http(self) -> httpx2.Client:
        return httpx2.Client(
            transport=httpx2.HTTPTransport(uds=str(self.socket), verify=False), timeout=30
        )

    @property
    def anthropic(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(
            api_key="any", base_url="http://box", http_client=self.http(), max_retries=0
        )

    @property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(
            api_key="any", base_url="http://box/v1", http_client=self.http(), max_retries=0
        )

    def post(self, body: object, path: str = "/v1/messages", **headers: str) -> httpx2.Response:
        with self.http() as client:
            return client.post(f"http://box{path}", json=body, headers=headers)

    def says(self, content: bytes, *, then: bytes = b"", most_seconds: float = 10) -> bytes:
        """Return all that comes back on a connection for these bytes."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(most_seconds)
            client.connect(str(self.socket))
            answer = b""
            with suppress(BrokenPipeError):  # an answer may come before all is sent
                client.sendall(content)
            with suppress(ConnectionResetError, BrokenPipeError):  # and not all of it was read
                while piece := client.recv(65536):
                    answer += piece
                    if then:
                        client.sendall(then)
                        then = b""
        return answer


@contextmanager
def gateway(
    address: str,
    *,
    provider: str = "anthropic",
    models: Iterable[str] = (),
    supervisor: FakeSupervisor | None = None,
    key: str | None = KEY,
    **more: Any,
) -> Iterator[AtWork]:
    served = SHIPPED.get(provider) or Provider.model_validate(
        {"protocol": "openai", "address": address, "prices": "free"}
    )
    supervisor = supervisor or FakeSupervisor()
    found = Gateway(
        served.model_copy(update={"address": address}),
        key=key,
        models=tuple(models) or (OPUS if provider == "anthropic" else GPT,),
        reserved=supervisor.reserved,
        record=supervisor.record,
        said=supervisor.said,
        agent="boxed",
        experiment=1,
        **more,
    )
    with TemporaryDirectory() as folder, found.listening(Path(folder)) as path:
        yield AtWork(gateway=found, socket=path, supervisor=supervisor)


def capped(**caps: Any) -> Caps:
    return replace(Caps(), **caps)


# -- a provider that sends any bytes ---------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What goes back, piece by piece; without a length, so that it ends with the connection."""

    pieces: Iterable[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


EVENTS = {"content-type": "text/event-stream"}


def said(document: object, **more: Any) -> Reply:
    return Reply(pieces=(json.dumps(document).encode(),), **more)


def streamed(*events: object, **more: Any) -> Reply:
    pieces = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    return Reply(pieces=[*pieces, b"data: [DONE]\n\n"], headers=EVENTS, **more)


@contextmanager
def answering(script: Callable[[Asked], Reply]) -> Iterator[tuple[str, list[Asked]]]:
    """Yield the address of a server, and what it was asked."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(
                Asked(
                    method=self.command,
                    path=self.path,
                    headers=headers,
                    body=json.loads(raw) if raw else None,
                )
            )
            reply = script(asked[-1])
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in reply.pieces:
                self.wfile.write(piece)
                self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
