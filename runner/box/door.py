"""Where a box speaks to the supervisor: a socket that takes one request and gives one answer.

Reading is for threads of the door, each with a deadline and a cap of its own; answering is for the
thread that runs the box. So whoever talks slowly, at length or not at all keeps nobody waiting.

What this does not protect against: a box that uses up its requests. It is ended for that.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from runner.seams import Reply

MOST_BYTES = 16 * 1024 * 1024
"""Of one request."""
MOST_REQUESTS = 200
"""Of one box; an agent needs a handful."""
MOST_CALLERS = 4
"""Who can be read from at the same time; more wait."""
CALL_SECONDS = 10.0
"""How long one request may take to arrive, and its answer to leave."""
ANSWER_SECONDS = 600.0

Answer = Callable[[Mapping[str, Any]], Reply]


class Door:
    """Made by `opened`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._waiting = queue.SimpleQueue[tuple[Mapping[str, Any], queue.SimpleQueue[Reply]]]()
        self._callers = threading.Semaphore(MOST_CALLERS)
        self._handed_over: queue.SimpleQueue[Reply] | None = None
        self.answered = 0

    @property
    def is_worn_out(self) -> bool:
        return self.answered >= MOST_REQUESTS

    def answer_one(self, answer: Answer, *, seconds: float) -> Reply | None:
        """Answer the next request, if one comes within so many seconds; return what was said.

        Who handed over hears nothing any more: its box is ended, and another call would be paid.
        """
        try:
            request, back = self._waiting.get(timeout=seconds)
        except queue.Empty:
            return None
        self.answered += 1
        reply = answer(request)
        if reply.accepted:
            self._handed_over = back
        else:
            back.put(reply)
        return reply

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._handed_over:
            self._handed_over.put(Reply(text=""))

    def listen(self) -> None:
        """Let callers in until the door is closed."""
        with suppress(OSError):
            while True:
                self._callers.acquire()
                caller, _ = self._listener.accept()
                threading.Thread(target=self._hear, args=(caller,), daemon=True).start()

    def _hear(self, caller: socket.socket) -> None:
        with caller, suppress(OSError, ValueError):
            try:
                request = _request(caller)
                back = queue.SimpleQueue[Reply]()
                self._waiting.put((request, back))
                with suppress(queue.Empty):
                    _tell(caller, back.get(timeout=ANSWER_SECONDS))
            finally:
                self._callers.release()


def _request(caller: socket.socket) -> Mapping[str, Any]:
    """Read one line; raise `ValueError` where it is no object, too long or too late."""
    content, until = bytearray(), time.monotonic() + CALL_SECONDS
    while not content.endswith(b"\n"):
        caller.settimeout(max(0.001, until - time.monotonic()))
        data = caller.recv(64 * 1024)
        content += data
        if not data or len(content) > MOST_BYTES:
            raise ValueError("no line")
    try:
        request = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(request, dict):
        raise ValueError("no object")
    return request


def _tell(caller: socket.socket, reply: Reply) -> None:
    said = {"text": reply.text, "accepted": reply.accepted, "prompt": reply.prompt}
    caller.settimeout(CALL_SECONDS)
    caller.sendall(json.dumps(said).encode() + b"\n")


@contextmanager
def opened(path: Path) -> Iterator[Door]:
    """Yield a door at `path`, to which any user may connect who can get there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(16)
        door = Door(listener)
        threading.Thread(target=door.listen, daemon=True).start()
        try:
            yield door
        finally:
            door.close()
