"""The frozen side of an agent's box: lays the draft out, forwards to the model, hands over.

`inside.py session PORT SOCKET PROGRAM ARGUMENTS...` copies the workspace that the proposal starts
from into memory, passes what is sent to this port of the loopback on to the gateway's socket, and
runs the program with the brief on its standard input. When the program ends, the supervisor is
told, and says whether it runs once more, and with which words.

`inside.py hand-over [--check]`, on the agent's path as `run_experiment`, sends what was changed
together with `proposal.json`, and prints what the review answers. Exit code 0 means accepted.

What this does not protect against: the agent, whose user it shares. It may end this process or
write to its sockets itself; what it says there is judged outside.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

BOX = Path("/box")
GIVEN, BRIEF = BOX / "given", BOX / "about" / "brief.md"
SUPERVISOR = BOX / "door" / "supervisor"
WORKSPACE = Path("/workspace")
PROPOSAL = "proposal.json"
READY = b"ready\n"
CHUNK = 64 * 1024
LAST_WORDS = 2000
"""Bytes of the end of what the program says that the supervisor is shown."""
MOST_BYTES = 8 * 1024 * 1024
"""Of all files that are handed over together; the supervisor reads little more."""
MOST_OF_ONE = 2 * 1024 * 1024
"""More than any policy allows, so that the review says that a file is too large."""
MOST_FILES = 5000
NOT_STARTED = 127
"""What a shell says of a program that is not there."""
STRAGGLING_SECONDS = 1.0
"""How long what a program has left running may still speak for it."""


def session(port: str, gateway: str, *command: str) -> int:
    lay_out(GIVEN, WORKSPACE)
    os.environ["PATH"] = f"{Path(__file__).parent}:{os.environ['PATH']}"
    # Shells that a program starts as for a login forget it otherwise.
    Path.home().joinpath(".profile").write_text(f"export PATH={os.environ['PATH']}\n")
    with Forwarder(("127.0.0.1", int(port)), Conversation) as forwarder:
        forwarder.gateway = gateway
        threading.Thread(target=forwarder.serve_forever, daemon=True).start()
        sys.stderr.buffer.write(READY)
        sys.stderr.buffer.flush()
        prompt: str | None = BRIEF.read_text(encoding="utf-8")
        while prompt is not None:
            code, last = run(command, prompt)
            prompt = ask({"event": "ended", "code": code, "last": last, **draft()})["prompt"]
    return 0


def lay_out(source: Path, target: Path) -> None:
    """Copy a tree whose copies may be written, whatever counts of it."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            shutil.copy(path, place)


def run(command: tuple[str, ...], prompt: str) -> tuple[int, str]:
    """Run a program in the draft to its end; return its exit code and its last words."""
    last = bytearray()

    def hear() -> None:
        while data := said.read1(CHUNK):
            last.extend(data)
            del last[:-LAST_WORDS]
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def tell() -> None:
        with suppress(OSError), words:  # it may not read them
            words.write(prompt.encode())

    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, cwd=WORKSPACE, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
        )
    except OSError as error:
        return NOT_STARTED, str(error)
    words: Any = process.stdin
    said: Any = process.stdout
    threading.Thread(target=tell, daemon=True).start()
    listener = threading.Thread(target=hear, daemon=True)
    listener.start()
    code = process.wait()
    listener.join(STRAGGLING_SECONDS)
    return code, bytes(last).decode("utf-8", errors="replace")


class Forwarder(socketserver.ThreadingTCPServer):
    """Listens on the loopback, so that a client needs no more than another address."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    gateway: str


class Conversation(socketserver.BaseRequestHandler):
    """One connection of a client, passed on byte by byte."""

    server: Forwarder

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gateway:
            gateway.connect(self.server.gateway)
            back = threading.Thread(target=pump, args=(gateway, self.request), daemon=True)
            back.start()
            pump(self.request, gateway)
            back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until one side ends; what it said last still arrives."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def hand_over(*options: str) -> int:
    if options not in ((), ("--check",)):
        sys.stdout.write(f"usage: write {PROPOSAL}, then run_experiment [--check]\n")
        return 2
    answer = ask({"event": "check" if options else "hand-over", **draft()})
    sys.stdout.write(f"{answer['text']}\n")
    return 0 if answer["accepted"] else 1


def draft() -> dict[str, Any]:
    """Return what a proposal is made of: its words, and the files that changed, by path."""
    before = plain_files(GIVEN)
    # Whatever else lies about, and keeps a walk from getting this far: these are looked at.
    still = {path: WORKSPACE / path for path in before if is_plain_file(WORKSPACE / path)}
    after = plain_files(WORKSPACE) | still
    words = after.pop(PROPOSAL, None)
    changed: dict[str, str | None] = {path: None for path in before if path not in after}
    left = MOST_BYTES
    # What was there comes first, then what is new and small: the rest is what was tried.
    for path in sorted(after, key=lambda each: (each not in before, size(after[each]))):
        content = start_of(after[path])
        if path in before and content == start_of(before[path]):
            continue
        if len(content) > left:
            break
        changed[path] = base64.b64encode(content).decode()
        left -= len(content)
    said = words and start_of(words).decode("utf-8", errors="replace")
    return {"changed": changed, "words": said}


def plain_files(root: Path) -> dict[str, Path]:
    """Return the files of a tree by their paths; links are none, and neither is what is hidden."""
    found = dict[str, Path]()
    left = [root]
    while left and len(found) < MOST_FILES:
        for path in sorted(left.pop().iterdir()):
            if path.name.startswith(".") or path.is_symlink():
                continue
            if path.is_dir():
                left.append(path)
            elif path.is_file():
                found[path.relative_to(root).as_posix()] = path
    return found


def is_plain_file(path: Path) -> bool:
    """Say whether a file stands there to which no link leads."""
    return path.is_file() and path.resolve() == path


def size(path: Path) -> int:
    return path.stat().st_size


def start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_OF_ONE)


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """Tell the supervisor something and return its answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as supervisor:
        supervisor.connect(str(SUPERVISOR))
        supervisor.sendall(json.dumps(request).encode() + b"\n")
        with supervisor.makefile("rb") as lines:
            answer: dict[str, Any] = json.loads(lines.readline())
    return answer


MODES: dict[str, Callable[..., int]] = {"session": session, "hand-over": hand_over}

if __name__ == "__main__":
    sys.exit(MODES[sys.argv[1]](*sys.argv[2:]))
