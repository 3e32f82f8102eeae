"""Programs at a terminal that is closed under them, as by the end of an ssh session."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte


class AtTerminal:
    """A process, the first of a session of its own, at a pseudo-terminal that we hold."""

    def __init__(
        self, process: subprocess.Popen, terminal: int, size: tuple[int, int] | None
    ) -> None:
        self.process, self.shown = process, b""
        self._terminal: int | None = terminal
        self._screen = pyte.Screen(*(size or (80, 24)))
        self._stream, self._drawn = pyte.ByteStream(self._screen), 0

    def wait_for(self, text: bytes, *, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < until, self.shown.decode()
            self._read()
            assert text in self.shown or self.process.poll() is None, self.shown.decode()

    def _read(self) -> None:
        assert self._terminal is not None
        if select.select([self._terminal], [], [], 0.05)[0]:
            with suppress(OSError):  # the other side is closed
                self.shown += os.read(self._terminal, 65536)

    def type(self, keys: str) -> None:
        """Press keys."""
        assert self._terminal is not None
        os.write(self._terminal, keys.encode())

    def screen(self, *, seconds: float = 0.0) -> list[str]:
        """Return the lines that are to be seen, as a terminal of its size draws them."""
        until = time.monotonic() + seconds
        while True:
            self._read()
            if time.monotonic() >= until:
                break
        self._stream.feed(self.shown[self._drawn :])
        self._drawn = len(self.shown)
        return list(self._screen.display)

    def wait_to_see(self, text: str, *, seconds: float = 60) -> list[str]:
        """Return the screen once it has this text."""
        until = time.monotonic() + seconds
        while True:
            lines = self.screen(seconds=0.1)
            if any(text in line for line in lines):
                return lines
            assert time.monotonic() < until, "\n".join(lines)
            assert self.process.poll() is None, "\n".join(lines)

    def close(self) -> None:
        """Close the terminal: the kernel sends SIGHUP, and every later write fails."""
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None


@contextmanager
def at_terminal(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    deaf: bool = False,
    size: tuple[int, int] | None = None,
) -> Iterator[AtTerminal]:
    """Start a program at a terminal; a `deaf` one ignores SIGHUP, as under `nohup`.

    The terminal has so many columns and lines, where they are given.
    """
    ours, its = os.openpty()
    if size is not None:
        termios.tcsetwinsize(its, size[::-1])
    if deaf:
        command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command]
    # What leads a session and opens a terminal has it as its own.
    opens = 'exec < "$0" > "$0" 2>&1; exec "$@"'
    process = subprocess.Popen(
        ["sh", "-c", opens, os.ttyname(its), *command],
        cwd=cwd, env={**env, "TERM": "xterm"}, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    found = AtTerminal(process, ours, size)
    try:
        yield found
    finally:
        found.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
