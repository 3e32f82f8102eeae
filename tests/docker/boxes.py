"""A box by itself: a run that is open and never measured, and a way to a model that is scripted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.records import File
from runner.seams import BoxWork, Reply

FILES = {"train.py": File(content=b"A = 1\n"), "scratchpad.md": File(content=b"# Notes\n")}


@dataclass
class Pipe:
    """In the gateway's place: passes a Unix socket's bytes on to a server on the loopback."""

    port: int = 0

    @contextmanager
    def listening(self, folder: Path) -> Iterator[Path]:
        place = folder / "gateway.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
            place.chmod(0o666)
            listener.listen()
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
            yield place
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self.port)) as far:
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@dataclass
class Asked:
    """Remembers what a box says, and answers as the script says."""

    replies: list[Reply] = field(default_factory=list)
    heard: list[Mapping[str, Any]] = field(default_factory=list)

    def __call__(self, request: Mapping[str, Any]) -> Reply:
        self.heard.append(request)
        return self.replies.pop(0) if self.replies else Reply(text="")


def work(
    command: Sequence[str], answer: Callable[[Mapping[str, Any]], Reply], **more: Any
) -> BoxWork:
    given: dict[str, Any] = {
        "command": command, "environment": {}, "files": FILES, "about": {"brief.md": b"# Brief\n"},
        "programs": None, "gateway": Pipe(), "answer": answer,
    }  # fmt: skip
    return BoxWork(**(given | more))
