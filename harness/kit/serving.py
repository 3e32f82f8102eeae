"""Answer the scorer: tokens in, the whole distribution of every next token out.

    def log_probabilities(tokens):        # int64 [rows, positions]
        return ...                        # float32 [rows, positions, vocabulary]

    kit.serving.serve(log_probabilities)  # returns when the scorer is done

Logits will do: the scorer normalises. Row i, position j is about the token after `tokens[i, j]`
and may depend on `tokens[i, : j + 1]` alone.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOCKET = Path("/wire/model.sock")
LENGTH = struct.Struct("<I")

Model = Callable[[NDArray[np.int64]], NDArray[Any]]


def serve(model: Model) -> None:
    """Answer every question of the scorer, in order.

    Raises:
        ValueError: the model's answer has another shape than the scorer will read.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(SOCKET))
        answer(connection, model)


def answer(connection: socket.socket, model: Model) -> None:
    """Answer on a connection that is there already; raises as `serve` does."""
    _, positions, vocabulary = np.frombuffer(_receive(connection), dtype="<i4").tolist()
    while question := _receive(connection):
        tokens = np.frombuffer(question, dtype="<i4").reshape(-1, positions)
        found = np.ascontiguousarray(model(tokens.astype(np.int64)), dtype="<f4")
        expected = (*tokens.shape, vocabulary)
        if found.shape != expected:
            raise ValueError(f"the answer must have the shape {expected}, got {found.shape}")
        connection.sendall(LENGTH.pack(found.nbytes))
        connection.sendall(found.tobytes())


def _receive(connection: socket.socket) -> bytes:
    """Return one frame's bytes; an empty one, or a closed connection, is the end."""
    length = _exactly(connection, LENGTH.size)
    return _exactly(connection, LENGTH.unpack(length)[0]) if length else b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            return b""
        content += part
    return bytes(content)
