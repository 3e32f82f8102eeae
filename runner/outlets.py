"""Standard output and error that stay usable when nobody is left to read them.

A terminal that was closed refuses what is written to it, as a pipe without a reader does. That is
no failure of a run: its record is in the ledger. So what nobody can read is dropped.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

NOBODY_READS = (errno.EIO, errno.EPIPE)


class _Outlet(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in NOBODY_READS:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)  # for the rest, too
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes


def keep_usable() -> None:
    """Replace standard output and error, unless somebody else did."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            raw = io.BufferedWriter(_Outlet(stream.fileno(), "w", closefd=False))
            kept = {"encoding": stream.encoding, "errors": stream.errors}
            setattr(sys, name, io.TextIOWrapper(raw, line_buffering=True, **kept))
