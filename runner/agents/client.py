"""Running a program that proposes: its time and its output are bounded, and nothing of it stays."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from runner.errors import ConfigError
from runner.seams import Supervisor

MOST_SECONDS = 1800.0
"""How long a program may take, where nobody says otherwise."""
TICK_SECONDS = 0.1
CHUNK = 64 * 1024
MOST_ERRORS = 64 * 1024
"""Bytes of the end of standard error that are kept."""
LAST_WORDS = 200
"""Characters of it that are shown."""
SHORTEST_SECRET = 8
"""Characters; a shorter value is a switch, and would blot out ordinary words."""
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM")
"""What every program may see of our environment."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """A program to run."""

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    stdin: bytes
    seconds: float
    output_bytes: int
    """Of standard output; at more it is ended."""
    grace: float = 0.0
    """Seconds between asking it to end (SIGINT) and ending it."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a program ended."""

    code: int | None
    """Its exit code; `None` if we ended it, and `why` says why."""
    why: str | None
    errors: bytes
    """The last of its standard error."""
    seconds: float

    def last_words(self, secret: Sequence[str]) -> str:
        """Return the end of what it said, without the values of these variables of ours."""
        said = self.errors.decode("utf-8", errors="replace")
        return without_secrets(said, secret).strip()[-LAST_WORDS:]


def run(
    client: Client,
    *,
    end: Callable[[], str | None],
    hear: Callable[[bytes], None] = lambda _: None,
    door: tuple[socket.socket, Callable[[], None]] | None = None,
) -> Ended:
    """Run it to its end or to a limit; raise `ConfigError` where it cannot be started.

    Every process of its group is gone afterwards. All is called in the caller's thread: `end` is
    asked all the time why to end it, `hear` is told each piece of its standard output, and `door`
    is a socket and what to do when somebody knocks.
    """
    said = _Said(client, hear)
    with _started(client) as process, selectors.DefaultSelector() as selector:
        pipes = ((process.stdout, said.hear), (process.stderr, said.keep))
        streams = [(pipe.fileno(), take) for pipe, take in pipes if pipe]
        for stream, take in streams:
            os.set_blocking(stream, False)
            selector.register(stream, selectors.EVENT_READ, partial(_pass_on, selector, take))
        if door:
            selector.register(door[0], selectors.EVENT_READ, lambda _: door[1]())
        why = _listen(process, selector, lambda: end() or said.limit())
        if why is not None and client.grace:
            os.kill(process.pid, signal.SIGINT)  # by no way that might reap it
            until = time.monotonic() + client.grace
            _listen(process, selector, lambda: "late" if time.monotonic() > until else None)
        _end_group(process)
        for stream, take in streams:  # somebody else may still hold the other end
            with suppress(BlockingIOError):
                while not said.too_much and (data := os.read(stream, CHUNK)):
                    take(data)
        code, seconds = process.wait(), time.monotonic() - said.begun
        return Ended(
            code=None if why else code, why=why, errors=bytes(said.errors), seconds=seconds
        )


class _Said:
    """What a program has printed so far."""

    def __init__(self, client: Client, hear: Callable[[bytes], None]) -> None:
        self._client, self._hear, self.begun = client, hear, time.monotonic()
        self._heard, self.errors = 0, bytearray()

    def hear(self, data: bytes) -> None:
        self._heard += len(data)
        self._hear(data)

    def keep(self, data: bytes) -> None:
        self.errors += data
        del self.errors[:-MOST_ERRORS]

    @property
    def too_much(self) -> bool:
        return self._heard > self._client.output_bytes

    def limit(self) -> str | None:
        if time.monotonic() - self.begun > self._client.seconds:
            return f"it took more than {self._client.seconds:g} s"
        return f"it printed more than {self._client.output_bytes} bytes" if self.too_much else None


def _listen(
    process: subprocess.Popen[bytes],
    selector: selectors.BaseSelector,
    enough: Callable[[], str | None],
) -> str | None:
    """Serve until it ends by itself, or until there is a reason for enough; return that."""
    # Without reaping it: its number must stay its own until its group has ended.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        for key, _ in selector.select(TICK_SECONDS):
            key.data(key.fd)
        if (why := enough()) is not None:
            return why
    return None


def _pass_on(selector: selectors.BaseSelector, take: Callable[[bytes], None], stream: int) -> None:
    if data := os.read(stream, CHUNK):
        take(data)
    else:
        selector.unregister(stream)


def environment(names: Sequence[str] = (), **more: str) -> dict[str, str]:
    """Return what a program may see: the named variables of ours that are set, and `more`."""
    ours = {name: os.environ[name] for name in (*ENVIRONMENT, *names) if name in os.environ}
    return {**ours, **more}


def without_secrets(text: str, names: Sequence[str]) -> str:
    """Return what a program said without the values of these variables of ours."""
    for name in names:
        value = os.environ.get(name, "")
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, f"({name})")
    return text


def stopped(supervisor: Supervisor) -> str | None:
    """Return why to end a program, if the person wants the run to end."""
    return "the person asked to stop" if supervisor.stop_asked() else None


@contextmanager
def _started(client: Client) -> Iterator[subprocess.Popen[bytes]]:
    name = client.argv[0]
    place = str(client.folder / name) if "/" in name else name
    found = shutil.which(place, path=client.environment.get("PATH", os.defpath))
    # What cannot be found is started as it is, so that the error is about it.
    leash = _leash() if found else ()
    with tempfile.TemporaryFile() as stdin:
        stdin.write(client.stdin)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                [*leash, *client.argv],
                cwd=client.folder,
                env=dict(client.environment),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # one group to end, and none of our terminal's signals
            )
        except OSError as error:
            raise ConfigError(f"{name}: {error.strerror}") from error
    with process:
        try:
            yield process
        finally:
            _end_group(process)


@cache
def _leash() -> tuple[str, ...]:
    """Return what has the kernel end a program with the thread that started it, where it is had.

    It is util-linux's; busybox has a setpriv that cannot.
    """
    leash = (shutil.which("setpriv") or "", "--pdeathsig", "KILL", "--")
    with suppress(OSError):
        if subprocess.run([*leash, "true"], capture_output=True, check=False).returncode == 0:
            return leash
    return ()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
