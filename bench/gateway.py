"""What the gateway adds to a call: to its first byte, and to a stream of one megabyte.

    python bench/gateway.py [--calls 200] [--streams 3] [--kilobytes 100] [--seconds 5]

The same calls go straight to a scripted provider on the loopback, and through the gateway with a
journal on disk, in turns, so that what else the machine does falls on both. The provider answers at
once, and sends a stream of 1 MB in as many events as a model would, evenly over `--seconds`: about
a hundred times as fast as a model writes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes import FakeSandbox, make_session, scored  # noqa: E402

from runner.gateway import Caps, Gateway  # noqa: E402
from runner.logs import Talk  # noqa: E402
from runner.providers import load_providers  # noqa: E402

MODEL = "claude-opus-5-5"
EVENTS, EVENT_BYTES = 4_000, 250
"""One megabyte, in pieces of a few words each."""


def event(kind: str, **more: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


USAGE = {"input_tokens": 100, "output_tokens": 100}
START = event("message_start", message={"model": MODEL, "usage": USAGE})
END = event("message_delta", delta={"stop_reason": "end_turn"}, usage=USAGE) + event("message_stop")
DELTA = event("content_block_delta", index=0, delta={"type": "text_delta", "text": ""})
DELTA = DELTA.replace(b'"text": ""', b'"text": "%s"' % (b"x" * (EVENT_BYTES - len(DELTA))))


@contextmanager
def provider(seconds: float) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.chunk(START)
            if asked["max_tokens"] > 1:
                begun = time.monotonic()
                for number in range(EVENTS):
                    ahead = begun + seconds * number / EVENTS - time.monotonic()
                    if ahead > 0.01:
                        time.sleep(ahead)
                    self.chunk(DELTA)
            self.chunk(END)
            self.wfile.write(b"0\r\n\r\n")

        def chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def timed(client: httpx2.Client, url: str, body: dict[str, object]) -> tuple[float, float]:
    """Return the seconds to the first byte of the body, and to the last."""
    begun = time.perf_counter()
    with client.stream("POST", f"{url}/v1/messages", json=body) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        first = time.perf_counter() - begun
        for _ in pieces:
            pass
    return first, time.perf_counter() - begun


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=200)
    options.add_argument("--streams", type=int, default=3)
    options.add_argument("--kilobytes", type=int, default=100, help="of a request")
    options.add_argument("--seconds", type=float, default=5.0, help="of a stream")
    chosen = options.parse_args()
    talk = [{"role": "user", "content": "word " * 200} for _ in range(chosen.kilobytes)]
    short = {"model": MODEL, "max_tokens": 1, "messages": talk, "stream": True}
    with (
        tempfile.TemporaryDirectory() as folder,
        make_session(Path(folder), FakeSandbox(lambda _: scored(1.0))) as session,
        provider(chosen.seconds) as url,
    ):
        served = load_providers({})["anthropic"].model_copy(update={"address": url})
        gateway = Gateway(
            served,
            key="sk-ant-a-key-of-the-usual-length-0123456789-0123456789-0123456789",
            models=[MODEL],
            reserved=session.spending.reserved,
            record=session.spending.record,
            said=Talk(Path(folder) / "agent.log").keep,
            agent="bench",
            experiment=1,
            caps=Caps(calls_a_minute=1_000_000),
        )
        with gateway.listening(Path(folder)) as path:
            through = httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), timeout=60)
            straight = httpx2.Client(timeout=60)
            ways = ((straight, url), (through, "http://box"))
            firsts = [[timed(*way, short)[0] for way in ways] for _ in range(chosen.calls + 5)][5:]
            long = short | {"max_tokens": 9, "messages": talk[:1]}
            wholes = [[timed(*way, long)[1] for way in ways] for _ in range(chosen.streams)]
        gateway.check()
    table = Table("", "straight", "through the gateway", "adds")
    for name, pairs in (("first byte, median", firsts), ("1 MB, median", wholes)):
        one, two = (statistics.median(column) for column in zip(*pairs, strict=True))
        added = statistics.median(after - before for before, after in pairs)
        table.add_row(
            f"{name} of {len(pairs)}",
            f"{one * 1000:.1f} ms",
            f"{two * 1000:.1f} ms",
            f"{added * 1000:+.1f} ms, {added / one:+.1%}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
