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
from functools import cache
from pathlib import Path
from typing import IO

from runner.errors import ConfigError
from runner.seams import Desk

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


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is done while the program runs, in the caller's thread."""

    hear: Callable[[bytes], None]
    """Told each piece of its standard output."""
    end: Callable[[], str | None]
    """Asked all the time why to end it."""
    door: tuple[socket.socket, Callable[[], None]] | None = None
    """A socket, and what to do when somebody knocks."""


def run(client: Client, watch: Watch) -> Ended:
    """Run it to its end or to a limit; every process of its group is gone afterwards.

    Raises:
        ConfigError: it cannot be started.
    """
    with _started(client) as process, selectors.DefaultSelector() as selector:
        return _Running(client, watch, process, selector).to_the_end()


class _Running:
    def __init__(
        self,
        client: Client,
        watch: Watch,
        process: subprocess.Popen[bytes],
        selector: selectors.BaseSelector,
    ) -> None:
        self._client, self._watch, self._process = client, watch, process
        self._selector, self._begun = selector, time.monotonic()
        self._heard, self._errors = 0, bytearray()

    def to_the_end(self) -> Ended:
        for stream, hear in self._streams():
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, hear)
        if self._watch.door:
            self._selector.register(self._watch.door[0], selectors.EVENT_READ)
        why = self._listen(lambda: self._watch.end() or self._limit())
        if why is not None and self._client.grace:
            self._process.send_signal(signal.SIGINT)
            until = time.monotonic() + self._client.grace
            self._listen(lambda: "no answer" if time.monotonic() > until else None)
        _end_group(self._process)
        self._drain()
        code = self._process.wait()
        return Ended(
            code=None if why else code,
            why=why,
            errors=bytes(self._errors),
            seconds=time.monotonic() - self._begun,
        )

    def _listen(self, enough: Callable[[], str | None]) -> str | None:
        """Serve until it ends by itself, or until there is a reason for enough; return that."""
        while not _exited(self._process):
            for key, _ in self._selector.select(TICK_SECONDS):
                self._serve(key)
            if (why := enough()) is not None:
                return why
        return None

    def _streams(self) -> tuple[tuple[IO[bytes], Callable[[bytes], None]], ...]:
        out, err = self._process.stdout, self._process.stderr
        if out is None or err is None:
            raise ValueError("standard output and standard error must be pipes")
        return (out, self._hear), (err, self._keep)

    def _serve(self, key: selectors.SelectorKey) -> None:
        if self._watch.door and key.fileobj is self._watch.door[0]:
            self._watch.door[1]()
        elif data := os.read(key.fd, CHUNK):
            key.data(data)
        else:
            self._selector.unregister(key.fileobj)

    def _hear(self, data: bytes) -> None:
        self._heard += len(data)
        self._watch.hear(data)

    def _keep(self, data: bytes) -> None:
        self._errors += data
        del self._errors[:-MOST_ERRORS]

    def _limit(self) -> str | None:
        if time.monotonic() - self._begun > self._client.seconds:
            return f"it took more than {self._client.seconds:g} s"
        if self._too_much():
            return f"it printed more than {self._client.output_bytes} bytes"
        return None

    def _too_much(self) -> bool:
        return self._heard > self._client.output_bytes

    def _drain(self) -> None:
        """Read what is left in the pipes; somebody else may still hold their other ends."""
        for stream, hear in self._streams():
            with suppress(BlockingIOError):
                while not self._too_much() and (data := os.read(stream.fileno(), CHUNK)):
                    hear(data)


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


def stopped(desk: Desk) -> str | None:
    """Return why to end a program, if the person wants the run to end."""
    return "the person asked to stop" if desk.stop_asked() else None


@contextmanager
def _started(client: Client) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as stdin:
        stdin.write(client.stdin)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                _ending_with_us(client),
                cwd=client.folder,
                env=dict(client.environment),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # one group to end, and none of our terminal's signals
            )
        except OSError as error:
            raise ConfigError(f"{client.argv[0]}: {error.strerror}") from error
    with process:
        try:
            yield process
        finally:
            _end_group(process)


def _ending_with_us(client: Client) -> list[str]:
    """Return how to start it so that it ends even when we are killed and can end nothing.

    What cannot be found is started as it is, so that the error is about it.
    """
    name = client.argv[0]
    place = str(client.folder / name) if "/" in name else name
    found = shutil.which(place, path=client.environment.get("PATH", os.defpath))
    return [*(_leash() if found else ()), *client.argv]


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


def _exited(process: subprocess.Popen[bytes]) -> bool:
    """Say whether it has ended, without reaping it: its number must stay its own for a while."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return process.returncode is not None or os.waitid(os.P_PID, process.pid, flags) is not None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
