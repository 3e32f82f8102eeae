"""Score a language model that answers over a socket, without ever believing it.

Windows of tokens go out and the whole distribution of every next token comes back; it is
normalised here, in float64, over the whole vocabulary, and the bytes are counted here. Windows are
disjoint: the first token of each is context and never scored, the last is a target and never sent,
and every other is both, once. Whether the model looks ahead is `causality.py`'s question.

The scorer listens before the predictors start. Of each in turn it says `connected` on standard
error, waits for the host's go, and says `done`, so that B starts only when A is gone: two that run
at once could talk, by locks on the artifacts or by the load that they make. From go on it answers
within its budget, whatever they do.

What this does not protect against: a model that has seen the evaluation text before, which public
text allows; and see `causality.py` for what looking ahead may go unseen.
"""

from __future__ import annotations

import math
import secrets
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from harness.mounts import Mounts
from harness.scoring import wire
from harness.scoring.causality import (
    Floats,
    Lengths,
    Tokens,
    compare,
    draw_filler,
    draw_probe,
)
from harness.scoring.outputs import Code, InvalidOutputsError
from harness.scoring.protocol import GO, NO_GO, READY, tell
from harness.scoring.wire import Connection

PREDICTORS = ("a", "b")
MOST_ROWS = 32
"""Rows per question at most."""
MARGIN_SHARE, MARGIN_SECONDS = 0.1, 5.0
"""What is kept of the budget, whichever is less, to answer in when it is spent."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What one trial of a language model is scored on."""

    windows: Tokens
    """[windows, positions + 1], disjoint."""
    donor: Tokens
    """[n] natural text of which nothing is scored."""
    token_bytes: NDArray[np.int64]
    """[vocabulary] bytes that each token stands for; a token of 0 bytes is not scored."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the policy says, handed over by the host."""

    min_gain: float
    seconds: float
    """The scoring budget, from go."""

    @property
    def working_seconds(self) -> float:
        return self.seconds - min(MARGIN_SHARE * self.seconds, MARGIN_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The scorer process's own; tests pass others."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO

    def say(self, line: str) -> None:
        self.stderr.write(line)
        self.stderr.flush()


def score(served: Served, mounts: Mounts, limits: Limits, streams: Streams) -> int:
    """Run the whole conversation and return the exit code."""
    with ExitStack() as stack:
        listeners = {
            name: stack.enter_context(wire.listen(mounts.wire / name)) for name in PREDICTORS
        }
        streams.say(READY)
        host = _Host(listeners, streams, limits)
        try:
            tell(lambda: measure(served, host, limits.min_gain), mounts, streams.stdout)
        except NoGoError:
            return NO_GO
    return 0


class NoGoError(Exception):
    """The host is gone, or said something else; nobody is to blame and nothing was scored."""


class _Host:
    """Brings the predictors one after the other, and counts the seconds spent on asking them."""

    def __init__(
        self, listeners: dict[str, socket.socket], streams: Streams, limits: Limits
    ) -> None:
        self._listeners, self._streams = listeners, streams
        self._seconds = limits.working_seconds

    def say(self, line: str) -> None:
        self._streams.say(line)

    @contextmanager
    def predictor(self, name: str) -> Iterator[Connection]:
        """Yield a connected predictor after the go; the host ends it afterwards.

        Raises:
            NoGoError: the host ended instead.
        """
        accepted = self._accept(name)
        self.say(connected(name))
        if self._streams.stdin.readline(len(GO)) != GO:
            raise NoGoError
        begun = time.monotonic()
        connection = Connection(accepted, name, deadline=begun + self._seconds)
        try:
            yield connection
        finally:
            connection.close()
            self._seconds -= time.monotonic() - begun
        self.say(done(name))

    def _accept(self, name: str) -> socket.socket:
        """Accept one connection and no other."""
        listener = self._listeners[name]
        with selectors.DefaultSelector() as selector, listener:
            # Before a predictor is there the host has nothing to say but its end.
            selector.register(self._streams.stdin, selectors.EVENT_READ)
            selector.register(listener, selectors.EVENT_READ)
            if any(key.fileobj is not listener for key, _ in selector.select()):
                raise NoGoError
            return listener.accept()[0]


def connected(name: str) -> str:
    return f"connected {name}\n"


def done(name: str) -> str:
    return f"done {name}\n"


def measure(served: Served, host: _Host, min_gain: float) -> dict[str, float]:
    """Ask A, and once A is gone B; return the metrics of a model that does not look ahead.

    Both get the same number of questions, all of one shape, completed with text that nobody scores:
    A's windows lie scattered among it. So neither can tell by them which one it is.

    Raises:
        InvalidOutputsError: one of them answered late, wrongly or not at all, or looks ahead.
        NoGoError: the host ended instead.
    """
    random = np.random.default_rng(secrets.randbits(128))
    windows, targets = served.windows[:, :-1], served.windows[:, 1:]
    (count, positions), vocabulary = windows.shape, len(served.token_bytes)
    fitting = wire.FRAME_BYTES // (4 * positions * vocabulary)
    rows = max(1, min(MOST_ROWS, fitting, count))
    # Every round in whole questions: no question holds two prefixes of one window.
    each = math.ceil(count / rows) * rows

    def questions(tokens: Tokens, lengths: Lengths, size: int) -> _Questions:
        filler = draw_filler(served.donor, size - count, positions, random)
        return _Questions(
            tokens=np.concatenate([tokens, filler]),
            targets=targets,
            lengths=lengths,
            order=random.permutation(size).reshape(-1, rows),
            vocabulary=vocabulary,
        )

    probe = draw_probe(windows, served.donor, random)
    whole = questions(windows, np.full(count, positions), len(probe.lengths) * each)
    pairs = zip(probe.questions, probe.lengths, strict=True)
    probes = [questions(tokens, lengths, each) for tokens, lengths in pairs]
    with host.predictor("a") as connection:
        whole.greet(connection)
        scored = whole.ask(connection)
    with host.predictor("b") as connection:
        whole.greet(connection)
        probed = np.stack([one.ask(connection) for one in probes])
    token_bytes = served.token_bytes[targets]
    unit = float(token_bytes.mean())
    finding = compare(scored, probed, probe.lengths, unit=unit, min_gain=min_gain)
    host.say(str(finding))
    if finding.looks_ahead:
        raise InvalidOutputsError(Code.LOOKS_AHEAD, "a")
    if finding.inconsistent:
        raise InvalidOutputsError(Code.INCONSISTENT, "a")
    return {**bits_per_byte(scored, token_bytes), **finding.metrics}


def bits_per_byte(log_probabilities: Floats, token_bytes: NDArray[np.int64]) -> dict[str, float]:
    """Return `val_bpb` and its standard error, the windows being what varies.

    Args:
        log_probabilities: [windows, positions] of the true targets, in nats.
        token_bytes: [windows, positions] bytes of each target; 0 leaves it out.
    """
    bits = np.where(token_bytes > 0, -log_probabilities, 0).sum(axis=1) / math.log(2)
    counts, total = token_bytes.sum(axis=1), float(token_bytes.sum())
    bpb, windows = float(bits.sum()) / total, len(bits)
    residue = float(((bits - bpb * counts) ** 2).sum())
    return {
        "val_bpb": bpb,
        "val_bpb_se": math.sqrt(windows / max(1, windows - 1) * residue) / total,
        "scored_tokens": float((token_bytes > 0).sum()),
        "scored_bytes": total,
    }


# -- asking -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Questions:
    """Rows for one predictor, and the order in which they go out."""

    tokens: Tokens
    """[rows, positions]; what comes after the last window is filler."""
    targets: Tokens
    """[windows, positions]"""
    lengths: Lengths
    """[windows] positions of each, from its first on, whose answers are read."""
    order: NDArray[np.int64]
    """[questions, rows per question]"""
    vocabulary: int

    def greet(self, connection: Connection) -> None:
        hello = [self.order.shape[1], self.tokens.shape[1], self.vocabulary]
        connection.send(np.array(hello, dtype="<i4"))

    def ask(self, connection: Connection) -> Floats:
        """Return float64 [windows, positions]: every true target's normalised log-probability.

        What is not read is 0.
        """
        found = np.zeros(self.targets.shape)
        for chosen in self.order:
            question = self.tokens[chosen]
            connection.send(question.astype("<i4"))
            answer = connection.receive((*question.shape, self.vocabulary))
            for row, values in zip(chosen, answer, strict=True):
                if row < len(found):
                    read = slice(self.lengths[row])
                    targets = self.targets[row, read]
                    found[row, read] = true_log_probabilities(values[read], targets)
        return found


def true_log_probabilities(answer: NDArray[np.float32], targets: Tokens) -> Floats:
    """Normalise float32 [positions, vocabulary] over the vocabulary and pick the targets, in nats.

    Logits and log-probabilities are both welcome: adding a constant to a row changes nothing.
    """
    values = answer.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    picked: Floats = values[np.arange(len(targets)), targets]
    totals: Floats = np.exp(values, out=values).sum(axis=1)
    return picked - np.log(totals)


def cut(tokens: NDArray[np.integer], *, positions: int, count: int | None = None) -> Tokens:
    """Cut a text into disjoint windows [count, positions + 1]; a remainder is left out."""
    width = positions + 1
    fitting = len(tokens) // width if count is None else count
    return tokens[: fitting * width].reshape(fitting, width).astype(np.int32)
