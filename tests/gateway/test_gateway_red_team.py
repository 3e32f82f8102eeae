"""What an agent with a shell may try at its one way out, byte by byte: each is refused."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from at_the_gateway import GPT, HELLO, KEY, OPUS, answering, capped, gateway, said
from messages_server import says, serving

BODY = json.dumps({"model": OPUS, "max_tokens": 9, "messages": HELLO}).encode()
OTHER = b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
INNER = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def post(*headers: bytes, body: bytes = BODY, path: bytes = b"/v1/messages") -> bytes:
    lines = [b"POST %s HTTP/1.1" % path, b"Host: x", *headers, b"", body]
    return b"\r\n".join(lines)


def length(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


@pytest.fixture
def server():
    with serving(lambda _: says("hello")) as found:
        yield found


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            post(length(BODY), b"Transfer-Encoding: chunked", body=CHUNKED), id="both lengths"
        ),
        pytest.param(
            post(b"Transfer-Encoding: chunked", length(b"0\r\n\r\n"), body=b"0\r\n\r\n" + INNER),
            id="both lengths, the other way round",
        ),
        pytest.param(post(b"Transfer-Encoding: chunked", body=CHUNKED), id="chunks"),
        pytest.param(
            post(b"Transfer-Encoding: chunked", body=b"1;ext=\n\r\n{\r\n0\r\n\r\n"),
            id="a chunk extension",
        ),
        pytest.param(post(b"Transfer-Encoding: identity, chunked", body=CHUNKED), id="two codings"),
        pytest.param(post(b"Transfer-Encoding : chunked", body=CHUNKED), id="a space"),
        pytest.param(post(length(BODY), b"Content-Length: 5"), id="two lengths"),
        pytest.param(post(b"Content-Length: 5, 6"), id="two lengths in one"),
        pytest.param(post(b"Content-Length: -1"), id="a negative length"),
        pytest.param(post(b"Content-Length: +5"), id="a length with a sign"),
        pytest.param(post(b"Content-Length: 0x10"), id="a length in hexadecimal"),
        pytest.param(post(length(BODY), body=BODY + INNER), id="pipelined"),
        pytest.param(post(length(BODY), body=BODY + b"x"), id="one byte more"),
        pytest.param(post(length(BODY), b" Transfer-Encoding: chunked"), id="a folded header"),
        pytest.param(post(length(BODY), b"X: a\rTransfer-Encoding: chunked"), id="a bare return"),
        pytest.param(post(length(BODY), b"X: a\0b"), id="a zero"),
        pytest.param(post(length(BODY), b"Content-Encoding: gzip"), id="a packed body"),
        pytest.param(post(length(BODY), b"Upgrade: websocket"), id="another protocol"),
        pytest.param(post(length(BODY)).replace(b"1.1", b"2.0", 1), id="another version"),
        pytest.param(b"CONNECT api:443 HTTP/1.1\r\nHost: api:443\r\n\r\n", id="a tunnel"),
        pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00\x00", id="a TLS hello"),
        pytest.param(b"X" * 100_000, id="a line without an end"),
        pytest.param(post(*[b"X: %s" % (b"a" * 1000)] * 300, length(BODY)), id="long headers"),
    ],
)  # fmt: skip
def test_a_request_that_could_be_read_in_two_ways_is_not_read_at_all(server, content):
    with gateway(server.url) as work:
        answer = work.says(content)
    assert answer.split(b" ")[1] in (b"400", b"404")
    assert answer.count(b"\r\nconnection: close\r\n") == 1
    assert server.requests + server.others == []
    assert work.supervisor.reservations == []


def test_a_second_request_on_a_connection_is_never_read(server):
    with gateway(server.url) as work:
        answer = work.says(post(length(BODY)), then=OTHER)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert len(server.requests) <= 1
    assert server.others == []


def test_a_request_inside_of_another_is_its_text():
    """Sent on in our own words, whatever a body holds cannot end it."""
    smuggled = [{"role": "user", "content": "0\r\n\r\n" + OTHER.decode()}]
    with serving(lambda _: says("x")) as server, gateway(server.url) as work:
        assert work.post({"model": OPUS, "max_tokens": 9, "messages": smuggled}).status_code == 200
    assert server.requests[0].messages == tuple(smuggled)
    assert server.others == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/messages"),
        ("POST", "/v1/files"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/messages/../files"),
        ("POST", "/v1//messages"),
        ("POST", "/v1/messages/%2e%2e/files"),
        ("POST", "/v1/messages?x=1"),
        ("POST", "/v1/messages#x"),
        ("POST", "http://169.254.169.254/v1/messages"),
        ("POST", "//169.254.169.254/v1/messages"),
        ("POST", "/v1/chat/completions"),
        ("DELETE", "/v1/messages"),
        ("GET", "/v1/models"),
        ("POST", "/v1/complete"),
        ("GET", "/v1/organizations/usage_report/messages"),
    ],
)
def test_no_other_endpoint_is_reached(server, method, path):
    line = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
    with gateway(server.url) as work:
        answer = work.says(line.encode() + BODY)
    assert answer.startswith(b"HTTP/1.1 40")
    assert b'"error"' in answer
    assert server.requests + server.others + server.counted == []


@pytest.mark.parametrize("more", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_who_asks_for_a_head_gets_no_body_and_ends_nothing(server, more):
    with gateway(server.url) as work:
        answer = work.says(b"HEAD /v1/messages HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 40")
    assert answer.endswith(b"\r\n\r\n")
    work.gateway.check()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/messages"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/responses/compact"),
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/files"),
        ("GET", "/v1/models/other"),
        ("POST", "/v1/models"),
    ],
)
def test_nor_of_a_provider_that_speaks_openai(method, path):
    with (
        answering(lambda _: said({})) as (address, asked),
        gateway(f"{address}/v1", provider="openai") as work,
        work.http() as client,
    ):
        answer = client.request(method, f"http://box{path}", json={"model": GPT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
    assert asked == []


def test_a_body_of_a_gigabyte_is_refused_before_it_is_read(server):
    with gateway(server.url) as work:
        answer = work.says(post(b"Content-Length: 1073741824", body=b"{"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"request_too_large" in answer


def test_a_body_that_grows_without_its_length_is_no_body(server):
    with gateway(server.url) as work:
        answer = work.says(post(b"Transfer-Encoding: chunked", body=b"ffffffff\r\n{"))
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("start", [b"", b"POST /v1/mess", post(b"Content-Length: 900", body=b"{")])
def test_a_request_that_drips_is_ended(server, start):
    with (
        gateway(server.url, caps=capped(request_seconds=0.3)) as work,
        socket.socket(socket.AF_UNIX) as client,
    ):
        begun = time.monotonic()
        client.settimeout(10)
        client.connect(str(work.socket))
        client.sendall(start)
        drip = threading.Thread(target=_drip, args=(client,))
        drip.start()
        answer = client.recv(65536)
        took = time.monotonic() - begun
        client.shutdown(socket.SHUT_RDWR)
        drip.join()
    assert took < 5
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert server.requests == []


def test_connections_that_say_nothing_leave_room_for_others_when_their_time_is_over(server):
    with gateway(server.url, caps=capped(connections=3, request_seconds=0.3)) as work:
        idle = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        for client in idle:
            client.connect(str(work.socket))
        time.sleep(1.0)
        assert work.says(post(length(BODY))).startswith(b"HTTP/1.1 200 ")
        for client in idle:
            client.close()


def test_ten_thousand_calls_are_a_few_calls(server):
    with gateway(server.url, caps=capped(calls_a_minute=5)) as work, work.http() as client:
        asked = {"model": OPUS, "max_tokens": 9, "messages": HELLO}
        answers = [client.post("http://box/v1/messages", json=asked) for _ in range(200)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 195
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert len(server.requests) == len(work.supervisor.calls) == 5


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe{}",
        b'{"model": NaN}',
        b"[" * 200_000,
        b'{"model":"%s","messages":[{"role":"user","content":%s"x"%s}]}' % (
            OPUS.encode(),
            b'[{"type":"tool_result","tool_use_id":"t","content":' * 490,
            b"}]" * 490,
        ),
        b'{"a":' * 100_000,
        b'{"model": 1' + b"0" * 10_000 + b"}",
        b'{"model": "%s", "messages": [{"role": "user", "content": "\\ud800"}]}' % OPUS.encode(),
        b'{"model": "%s", "temperature": NaN, "messages": []}' % OPUS.encode(),
        b'{"model": "%s", "max_tokens": 9, "messages": "all of them"}' % OPUS.encode(),
        b'{"model": "%s", "max_tokens": 9, "messages": [[]]}' % OPUS.encode(),
        b'{"model": ["%s"], "messages": []}' % OPUS.encode(),
        b'{"model": {}, "messages": []}',
    ],
)  # fmt: skip
def test_a_body_that_makes_no_sense_is_answered_and_ends_nothing(server, body):
    with gateway(server.url) as work:
        answer = work.says(post(length(body), body=body))
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 "))
        work.gateway.check()
        assert work.says(post(length(BODY))).startswith(b"HTTP/1.1 200 ")
    assert len(server.requests) == 1


def test_a_field_that_is_said_twice_is_what_was_looked_at():
    twice = b'{"model":"claude-opus-5","model":"%s","max_tokens":9,"messages":[]}' % OPUS.encode()
    with serving(lambda _: says("x")) as server, gateway(server.url) as work:
        work.says(post(length(twice), body=twice))
    assert server.requests[0].raw.count(b"model") == 1


@pytest.mark.parametrize("model", ["claude-opus-5", "claude-opus-5-5 ", "", "../x", None])
def test_another_model_is_not_asked(server, model):
    with gateway(server.url) as work:
        answer = work.post({"model": model, "max_tokens": 9, "messages": HELLO})
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
    assert OPUS in answer.json()["error"]["message"]
    assert server.requests == []


def test_a_lie_about_what_was_used_changes_nothing(server):
    lie = {"usage": {"input_tokens": 0, "output_tokens": 0}}
    with gateway(server.url) as work:
        assert work.post({"model": OPUS, "messages": HELLO, **lie}).status_code == 400
        work.post({"model": OPUS, "messages": HELLO}, usage="0", **{"x-usage": "0"})
    assert work.supervisor.calls[0].usd > 0


def test_no_refusal_holds_the_key(server):
    with gateway(server.url) as work:
        everything = b"".join(
            work.says(content)
            for content in (b"X\r\n\r\n", OTHER, post(b"Content-Length: 1073741824"), post())
        )
    assert KEY.encode() not in everything
    assert KEY not in repr(vars(work.gateway)["_provider"])


def test_everybody_who_can_enter_the_folder_may_connect_and_nothing_is_left(server):
    with gateway(server.url) as work:
        assert work.socket.stat().st_mode & 0o777 == 0o666
        assert [path.name for path in work.socket.parent.iterdir()] == ["gateway.sock"]
    assert not work.socket.exists()


def _drip(client: socket.socket) -> None:
    try:
        for _ in range(100):
            client.sendall(b"a")
            time.sleep(0.05)
    except OSError:
        pass
