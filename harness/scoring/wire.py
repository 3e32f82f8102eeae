"""Frames between the scorer and one predictor, over a Unix socket that the scorer listens on.

A frame is a little-endian uint32 length and that many bytes of one raw array, C order. Which dtype
and shape it has is fixed by its place in the conversation, so nothing is described and nothing is
unpickled:

    scorer → predictor   hello    int32 [3]: rows of every question, positions, vocabulary
    scorer → predictor   question int32 [rows, positions], tokens
    predictor → scorer   answer   float32 [rows, positions, vocabulary], one per question
    scorer → predictor   the end  an empty frame

What this does not protect against: answers that are well-formed and dishonest. Normalisation and
causality are `served.py`'s and `causality.py`'s work.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.scoring.outputs import Code, InvalidOutputsError

SOCKET = "model.sock"
LENGTH = struct.Struct("<I")
FRAME_BYTES = 32 * 1024**2
"""No frame is larger; it bounds what a dishonest length can make the scorer hold."""


def listen(folder: Path) -> socket.socket:
    """Return a socket listening in `folder` that one other user's process may connect to."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = folder / SOCKET
    listener.bind(str(path))
    path.chmod(0o666)  # connecting asks for write permission on the socket, not on the mount
    listener.listen(1)
    return listener


class Connection:
    """One accepted predictor; every call ends by the deadline, whatever the other side does."""

    def __init__(self, connected: socket.socket, name: str, *, deadline: float) -> None:
        self._socket, self.name, self._deadline = connected, name, deadline

    def send(self, array: NDArray[Any]) -> None:
        """Send one array as a frame.

        Raises:
            InvalidOutputsError: the predictor does not read, or is gone.
        """
        content = array.tobytes()
        try:
            self._socket.settimeout(self._remaining())
            self._socket.sendall(LENGTH.pack(len(content)) + content)
        except OSError as error:
            raise self._refusal(error) from None

    def receive(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the next frame, a float32 array of exactly this shape, every value finite.

        Raises:
            InvalidOutputsError: it is another size, not finite, late, or does not come.
        """
        expected = 4 * int(np.prod(shape))
        length = LENGTH.unpack(self._read(LENGTH.size))[0]
        if length != expected:
            raise InvalidOutputsError(Code.WRONG_SIZE, self.name)
        array = np.frombuffer(self._read(expected), dtype="<f4").reshape(shape)
        if not np.isfinite(array).all():
            raise InvalidOutputsError(Code.NOT_FINITE, self.name)
        return array

    def close(self) -> None:
        """Say the end if anybody still listens, and hang up."""
        with suppress(OSError):
            self._socket.settimeout(0.1)
            self._socket.sendall(LENGTH.pack(0))
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        view, done = memoryview(content), 0
        while done < size:
            try:
                self._socket.settimeout(self._remaining())
                count = self._socket.recv_into(view[done:])
            except OSError as error:
                raise self._refusal(error) from None
            if count == 0:
                raise InvalidOutputsError(Code.DISCONNECTED, self.name)
            done += count
        return content

    def _remaining(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _refusal(self, error: OSError) -> InvalidOutputsError:
        late = isinstance(error, TimeoutError)
        return InvalidOutputsError(Code.TOO_SLOW if late else Code.DISCONNECTED, self.name)
