from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from runner.box import door
from runner.seams import Reply


def knock(path, request: bytes, *, seconds: float = 5.0) -> bytes:
    with socket.socket(socket.AF_UNIX) as way:
        way.settimeout(seconds)
        way.connect(str(path))
        way.sendall(request)
        return way.makefile("rb").readline()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "door"


def served(opened, answer, *, until: threading.Event) -> None:
    while not until.is_set():
        opened.answer_one(answer, seconds=0.02)


@pytest.fixture
def heard(path):
    """A door that is answered in another thread; what was heard there."""
    requests, over = [], threading.Event()

    def answer(request):
        requests.append(request)
        return Reply(text=f"heard {len(requests)}", prompt="again")

    with door.opened(path) as opened:
        thread = threading.Thread(target=served, args=(opened, answer), kwargs={"until": over})
        thread.start()
        yield requests
        over.set()
        thread.join()


def test_a_request_is_answered(path, heard):
    said = json.loads(knock(path, b'{"event": "check"}\n'))
    assert said == {"text": "heard 1", "accepted": False, "prompt": "again"}
    assert heard == [{"event": "check"}]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"nonsense\n", id="no JSON"),
        pytest.param(b"[]\n", id="no object"),
        pytest.param(b"[" * 200_000 + b"\n", id="too deep"),
        pytest.param(b'{"a": "\xff"}\n', id="no text"),
        pytest.param(b"\n", id="nothing"),
    ],
)
def test_what_cannot_be_read_is_not_answered(path, heard, request_):
    assert knock(path, request_) == b""
    assert heard == []


def test_who_says_too_much_is_hung_up_on(path, heard, monkeypatch):
    monkeypatch.setattr(door, "MOST_BYTES", 1000)
    with pytest.raises(OSError):  # noqa: PT011 - whichever it notices first
        knock(path, b"x" * 10_000_000 + b"\n") or (_ for _ in ()).throw(ConnectionResetError)
    assert heard == []


def drip(talker: socket.socket) -> None:
    for _ in range(100):
        time.sleep(0.1)
        talker.sendall(b" ")


def test_who_talks_slowly_keeps_nobody_waiting(path, heard, monkeypatch):
    monkeypatch.setattr(door, "CALL_SECONDS", 0.6)
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(path))
        slow.sendall(b'{"event"')
        assert json.loads(knock(path, b'{"event": "check"}\n'))["text"] == "heard 1"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            drip(slow)  # each byte in time, the whole is late


def test_who_asks_all_the_time_wears_the_door_out(path, monkeypatch):
    monkeypatch.setattr(door, "MOST_REQUESTS", 2)
    with door.opened(path) as opened:
        for _ in range(2):
            assert not opened.is_worn_out
            caller = threading.Thread(target=knock, args=(path, b"{}\n"))
            caller.start()
            opened.answer_one(lambda _: Reply(text="yes"), seconds=5)
            caller.join()
        assert opened.is_worn_out


def test_who_handed_over_hears_nothing_until_its_box_is_gone(path):
    with door.opened(path) as opened, socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
        caller.sendall(b"{}\n")
        assert opened.answer_one(lambda _: Reply(text="yes", accepted=True), seconds=5).accepted
        caller.settimeout(0.2)
        with pytest.raises(TimeoutError):
            caller.recv(1)


def test_a_closed_door_is_gone(path):
    with door.opened(path):
        pass
    with pytest.raises(ConnectionRefusedError):
        knock(path, b"{}\n")
