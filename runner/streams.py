"""Standard output and error, as readers and terminals are: some go away, some are not UTF-8."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import signal
import sys
from typing import Any

NOBODY_READS = (errno.EIO, errno.EPIPE, errno.EBADF)
"""A terminal that was closed refuses what is written to it, as a pipe without a reader does, and
what is open for reading alone."""
STANDARD_OUTPUT = 1
SPELLED = "runner.spelled"
"""The name of how characters are written that an encoding does not have."""


class _Outlet(io.FileIO):
    """Drops what nobody can read: a run's record is in the journal, so that is no failure of it.

    A disk that is full is one, once: what is still held back then would fail again at the exit.
    """

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)  # for the rest, too
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if error.errno not in NOBODY_READS and self.fileno() == STANDARD_OUTPUT:
                raise  # told on standard error; what that refuses nobody can be told
            if error.errno == errno.EPIPE and self.fileno() == STANDARD_OUTPUT:
                _end_what_runs()
            return memoryview(data).nbytes


def _end_what_runs() -> None:
    """End what is at work, as SIGTERM does: whoever typed `| head` has seen enough.

    What is not at work goes on and gives its exit code, and so does all under `nohup`; a terminal
    that is closed sends a signal of its own.
    """
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    if callable(signal.getsignal(signal.SIGTERM)) and not nohup:
        signal.raise_signal(signal.SIGTERM)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    r"""Write a character as `\u0394`, which in JSON is the character itself."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def keep_usable() -> None:
    """Replace standard output and error by outlets, unless somebody else did."""
    codecs.register_error(SPELLED, _spelled)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            raw = io.BufferedWriter(_Outlet(stream.fileno(), "w", closefd=False))
            kept = io.TextIOWrapper(
                raw, encoding=stream.encoding, errors=SPELLED, line_buffering=True
            )
            setattr(sys, name, kept)
