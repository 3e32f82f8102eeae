"""A small language with known probabilities, models of it that cheat, and a scorer to ask them.

Models run in threads of the test's own process and speak over real Unix sockets, through the kit
or with bytes of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from harness.kit import serving
from harness.mounts import under
from harness.scoring.served import Limits, Served, Streams, cut, score

VOCABULARY, POSITIONS, WINDOWS = 16, 32, 240
MIN_GAIN = 0.02

_random = np.random.default_rng(3)
NEXT = _random.dirichlet(np.full(VOCABULARY, 0.3), size=VOCABULARY)
"""[now, next] probabilities: all there is to know about this language."""

Model = Callable[[np.ndarray], np.ndarray]


def _text(length: int) -> np.ndarray:
    tokens = [0]
    while len(tokens) < length:
        tokens.append(int(_random.choice(VOCABULARY, p=NEXT[tokens[-1]])))
    return np.array(tokens, dtype=np.int32)


SERVED = Served(
    windows=cut(_text(WINDOWS * (POSITIONS + 1)), positions=POSITIONS),
    donor=_text(2_000),
    token_bytes=np.ones(VOCABULARY, dtype=np.int64),
)


def honest(tokens: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(NEXT[tokens], 1e-9))


def sure_of(targets: np.ndarray, bonus: float = 30.0) -> np.ndarray:
    """Logits [rows, positions, vocabulary] to add, that favour these tokens."""
    return bonus * np.eye(VOCABULARY)[targets]


def looks_ahead(tokens: np.ndarray, bonus: float = 30.0) -> np.ndarray:
    """Favour the token that stands one further right; the last position has none."""
    found = honest(tokens)
    found[:, :-1] += sure_of(tokens[:, 1:], bonus)
    return found


@dataclass(frozen=True)
class Said:
    """What the scorer left behind."""

    code: int
    document: dict[str, Any]
    words: str

    @property
    def bpb(self) -> float:
        return float(self.document["metrics"]["val_bpb"])


def ask(
    a: Any, b: Any = None, *, served: Served = SERVED, seconds: float = 20.0, gain: float = MIN_GAIN
) -> Said:
    """Score with these as A and B.

    Each is a factory: given nothing it returns a model, or, marked with `@raw`, it is handed the
    connected socket. B is another instance of A's factory unless it is given.
    """
    with _folders() as root:
        stdout, stderr = StringIO(), StringIO()
        reading, writing = os.pipe()
        codes: list[int] = []
        with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as go:
            streams = Streams(stdin=stdin, stdout=stdout, stderr=stderr)
            limits = Limits(min_gain=gain, seconds=seconds)
            scorer = threading.Thread(
                target=lambda: codes.append(score(served, under(root), limits, streams))
            )
            scorer.start()
            _wait_until(lambda: "ready" in stderr.getvalue())
            for name, one in (("a", a), ("b", b or a)):
                thread = _start(root, name, one)
                _wait_until(lambda name=name: f"connected {name}" in stderr.getvalue())
                go.write("go\n")
                go.flush()
                _wait_until(
                    lambda name=name: f"done {name}" in stderr.getvalue() or not scorer.is_alive(),
                    seconds=seconds + 10,
                )
                thread.join(10)
                if not scorer.is_alive():
                    break
            scorer.join(10)
        return Said(codes[0], json.loads(stdout.getvalue()), stderr.getvalue())


def raw(script: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """Mark what speaks to the socket by itself."""
    script.raw = True  # type: ignore[attr-defined]
    return script


def _start(root: Path, name: str, factory: Any) -> threading.Thread:
    path = root / "wire" / name / "model.sock"
    thread = threading.Thread(target=_predict, args=(path, factory))
    thread.start()
    return thread


def _predict(path: Path, factory: Any) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        with suppress(OSError, ValueError, struct.error):
            if getattr(factory, "raw", False):
                factory(connection)
            else:
                serving.answer(connection, factory())


@contextmanager
def _folders() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path has at most 107 bytes
    for name in ("a", "b"):
        (root / "wire" / name).mkdir(parents=True)
    try:
        yield root
    finally:
        shutil.rmtree(root)


def _wait_until(claim: Callable[[], bool], seconds: float = 10) -> None:
    for _ in range(int(200 * seconds)):
        if claim():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it never came")
