"""A download is whole and checked or not there at all, whatever the server does."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner.download import fetch
from runner.errors import DataError

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HINT = "get it by hand"
Answer = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each request in turn with the next of the server's answers, the last again."""

    server: Server

    def do_GET(self) -> None:
        asked = self.server.asked
        asked.append((self.path, self.headers.get("Range")))
        answers = self.server.answers
        answers[min(len(asked), len(answers)) - 1](self)

    def log_message(self, *_: object) -> None:
        pass

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(body)), **said}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    answers: list[Answer]
    asked: list[tuple[str, str | None]]


@dataclass
class Web:
    """A loopback server, and one file that is wanted from it."""

    server: Server
    target: Path
    answers: list[Answer] = field(default_factory=list)

    @property
    def part(self) -> Path:
        return self.target.with_name("data.bin.part")

    @property
    def asked(self) -> list[tuple[str, str | None]]:
        return self.server.asked

    def fetch(self, *answers: Answer, sha256: str = SHA256) -> None:
        self.server.answers, self.server.asked = list(answers), []
        url = f"http://127.0.0.1:{self.server.server_port}/data.bin"
        fetch(url, self.target, sha256=sha256, size=len(CONTENT), hint=HINT)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Web(server, tmp_path / "downloads" / "data.bin")
    server.shutdown()
    server.server_close()
    thread.join()


def whole(handler: Handler) -> None:
    """A plain server, which knows nothing of ranges."""
    handler.send(200, CONTENT)


def ranged(handler: Handler) -> None:
    asked = handler.headers.get("Range")
    if asked is None:
        handler.send(200, CONTENT)
        return
    start = int(asked.removeprefix("bytes=").removesuffix("-"))
    if start >= len(CONTENT):
        handler.send(416, b"", Content_Range=f"bytes */{len(CONTENT)}")
        return
    said = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    handler.send(206, CONTENT[start:], Content_Range=said)


def truncated(handler: Handler) -> None:
    """Promises everything and hangs up after a part of it."""
    handler.send(200, CONTENT[:100_000], Content_Length=str(len(CONTENT)))


def redirect(handler: Handler) -> None:
    handler.send(302, b"", Location="/elsewhere")


def gone(handler: Handler) -> None:
    handler.send(404, b"no")


def other(handler: Handler) -> None:
    handler.send(200, b"another file")


def test_a_file_is_fetched_once(web: Web) -> None:
    web.fetch(whole)
    assert web.target.read_bytes() == CONTENT
    web.fetch(gone)
    assert web.asked == []
    assert not web.part.exists()


def test_a_redirect_is_followed(web: Web) -> None:
    web.fetch(redirect, whole)
    assert web.target.read_bytes() == CONTENT
    assert [path for path, _ in web.asked] == ["/data.bin", "/elsewhere"]


def test_a_truncated_body_is_taken_up_where_it_broke_off(web: Web) -> None:
    web.fetch(truncated, ranged)
    assert web.target.read_bytes() == CONTENT
    assert [asked for _, asked in web.asked] == [None, "bytes=65536-"]


def test_a_body_that_always_breaks_off_is_an_error_and_what_came_is_kept(web: Web) -> None:
    with pytest.raises(DataError, match=r"broke off: .*; try again to go on") as caught:
        web.fetch(truncated)
    assert caught.value.hint == HINT
    assert not web.target.exists()
    web.fetch(ranged)
    assert web.asked == [("/data.bin", "bytes=65536-")]
    assert web.target.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_begins_again(web: Web) -> None:
    web.part.parent.mkdir()
    web.part.write_bytes(b"x" * 500)
    web.fetch(whole)
    assert web.asked == [("/data.bin", "bytes=500-")]
    assert web.target.read_bytes() == CONTENT


def test_a_part_that_is_already_whole_needs_no_more(web: Web) -> None:
    web.part.parent.mkdir()
    web.part.write_bytes(CONTENT)
    web.fetch(ranged)
    assert web.target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(b"x" * 500, id="of another file"),
        pytest.param(b"x" * len(CONTENT), id="as long, and another file"),
        pytest.param(CONTENT + b"x", id="too long"),
    ],
)
def test_a_part_of_something_else_is_thrown_away(web: Web, left: bytes) -> None:
    web.part.parent.mkdir()
    web.part.write_bytes(left)
    web.fetch(ranged)
    assert web.target.read_bytes() == CONTENT


def test_another_file_than_was_promised_is_refused_and_not_kept(web: Web) -> None:
    with pytest.raises(DataError, match=f"is not what it was: .* not {SHA256}") as caught:
        web.fetch(other)
    assert caught.value.hint == HINT
    assert not web.target.exists()
    assert not web.part.exists()


def test_a_damaged_file_in_the_cache_is_fetched_again(web: Web) -> None:
    web.target.parent.mkdir()
    web.target.write_bytes(CONTENT[:-1])
    web.fetch(ranged)
    assert web.target.read_bytes() == CONTENT


def test_a_file_that_is_gone_is_said_so(web: Web) -> None:
    with pytest.raises(DataError, match=r"/data\.bin answered 404") as caught:
        web.fetch(gone)
    assert caught.value.hint == HINT


def test_nobody_listening_is_an_error_with_the_address_and_the_way_by_hand(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/data.bin"
    with pytest.raises(DataError, match="cannot be reached") as caught:
        fetch(url, tmp_path / "data.bin", sha256=SHA256, size=None, hint=HINT)
    assert url in str(caught.value)
    assert caught.value.hint == HINT


def test_an_unknown_host_is_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(DataError, match="cannot be reached"):
        fetch("http://nowhere.invalid/x", tmp_path / "x", sha256=SHA256, size=None, hint=HINT)
