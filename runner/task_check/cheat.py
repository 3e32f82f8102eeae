"""Runs in a trial's container as `cheat.py KIND`: after the honest program, or in its place.

Where a scorer reads outputs, it spoils what the honest program wrote; where a scorer asks, it
answers instead of the honest model. Nothing here is clever. A scorer that one of these gets past
is open to everything else.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

OUTPUTS = Path("/outputs")
SOCKET = "/wire/model.sock"
IDS = "ids.npy"
Answer = NDArray[np.float32]


def save(path: Path, array: NDArray[Any]) -> None:
    np.save(path, array, allow_pickle=array.dtype == object)


def not_a_number(path: Path) -> None:
    array = np.load(path)
    dtype = array.dtype if array.dtype.kind == "f" else np.float64
    save(path, np.full(array.shape, np.nan, dtype))


def wrong_shape(path: Path) -> None:
    array = np.atleast_1d(np.load(path))
    save(path, np.concatenate([array, array[:1]]))


def reordered(path: Path) -> None:
    """All arrays in the same new order: who pairs by position is found out."""
    array = np.load(path)
    if array.ndim:
        order = np.random.default_rng(len(array)).permutation(len(array))
        save(path, array[order])


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


CHEATS: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "not-a-number": not_a_number,
    "wrong-shape": wrong_shape,
    "constant": lambda path: save(path, np.zeros_like(np.load(path))),
    "reordered": reordered,
    "pickled": lambda path: save(path, np.array([np.load(path), None], dtype=object)),
    "linked": linked,
}
"""What spoils one array of the outputs."""


def answers(value: float) -> Callable[[NDArray[np.int32], int], Answer]:
    """The same for every token: not a number, or so much that it is worth nothing normalised."""
    return lambda tokens, vocabulary: np.full((*tokens.shape, vocabulary), value, np.float32)


def looks_ahead(tokens: NDArray[np.int32], vocabulary: int) -> Answer:
    """Knows nothing but the next token, which stands one further right."""
    found = np.zeros((*tokens.shape, vocabulary), np.float32)
    np.put_along_axis(found[:, :-1], tokens[:, 1:, None].astype(np.int64), 30.0, axis=2)
    return found


MUTE = "mute"
"""Ends without having connected."""
SERVED_CHEATS: dict[str, Callable[[NDArray[np.int32], int], Answer]] = {
    # One number per position, and a good one, in place of a distribution.
    "losses": lambda tokens, _: np.zeros(tokens.shape, np.float32),
    "not-a-number": answers(np.nan),
    "unnormalised": answers(1e4),
    "looks-ahead": looks_ahead,
}
"""What a served model answers to tokens."""


def converse(connection: socket.socket, kind: str) -> None:
    """Answer every question as this cheat does, until the scorer ends it or hangs up."""
    with connection.makefile("rb") as questions, suppress(OSError):
        _, positions, vocabulary = _received(questions).tolist()
        while (tokens := _received(questions)).size:
            answer = SERVED_CHEATS[kind](tokens.reshape(-1, positions), vocabulary).tobytes()
            connection.sendall(len(answer).to_bytes(4, "little") + answer)


def _received(questions: BinaryIO) -> NDArray[np.int32]:
    length = int.from_bytes(questions.read(4), "little")
    return np.frombuffer(questions.read(length), "<i4")


def main(kind: str, *, serving: bool) -> None:
    if not serving:
        paths = sorted(OUTPUTS.glob("*.npy"))
        floats = [path for path in paths if np.load(path).dtype.kind == "f"]
        # Floats alone where there are any, else all but the ids, so that ids pass as right.
        spoilt = floats or [path for path in paths if path.name != IDS] or paths
        for path in paths if kind == "reordered" else spoilt:
            CHEATS[kind](path)
    elif kind != MUTE:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(SOCKET)
            converse(connection, kind)


if __name__ == "__main__":
    main(sys.argv[1], serving=sys.argv[2:] == ["serve"])
