"""Standard output and error that stay usable when nobody is left to read them.

A terminal that was closed refuses what is written to it, as a pipe without a reader does. That is
no failure of a run: its record is in the ledger. So what nobody can read is dropped.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

NOBODY_READS = (errno.EIO, errno.EPIPE)


class _Outlet(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in NOBODY_READS:
                raise
            self._drop_the_rest()
            return memoryview(data).nbytes

    def _drop_the_rest(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def keep_usable() -> None:
    """Replace standard output and error, unless somebody else did."""
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:
        sys.stdout = _usable(sys.stdout)
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        sys.stderr = _usable(sys.stderr)


def _usable(stream: TextIO) -> TextIO:
    raw = _Outlet(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )
