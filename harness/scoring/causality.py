"""Does a served language model look ahead? Two predictors that share nothing are asked.

A gets the scored windows. B gets of each window a prefix, continued by another document, in another
order. At the last token of a prefix, A's question holds the true next token further right and B's
does not; so what A's answer gained there by looking, B cannot reproduce, though it may know that
it is B.

The prefixes' lengths are uniform over 1 … T, and A cannot know them. An honest model's answer about
x[t] hangs on what stands before it and on nothing else, so that

    d = log2 p_A(x[t] | A's window) - log2 p_B(x[t] | B's window)

is rounding, upwards as well as downwards. Refused is

    looks-ahead    the root mean square of d at the cuts is beyond the tolerance
    inconsistent   that of d before the cuts is, or any |d| is beyond 1 nat

By Cauchy and Schwarz the mean of d, which is what A gained per token, is at most its root mean
square, whatever its signs: a model that errs as much as it gains is refused for both. Nothing is
taken from d for continuations that happen to begin with the true token: those are drawn without
knowing it, so B's answers are in any case a forecast made without it.

What this does not protect against: gains within the tolerance, and large ones at so few positions
that no cut falls on them; `docs/served.md` says how much that is. What a model learns from tokens
that it was asked about *before* is adaptation to the evaluation text, not looking ahead; it is
refused only as far as it makes A and B differ, who are asked in different orders.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]
Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]

LEAST_PROBES = 384
"""Where there are fewer windows, each is cut more than once."""
SHARE_OF_MIN_GAIN = 1 / 5
ROUNDING_BITS = 0.01
"""Per token, what the tolerance is at least. In questions of one shape honest models differ by
nothing; in bfloat16 rounded quite otherwise, by 0.006 to 0.018 (bench/lookahead.py)."""
SANITY_NATS = 1.0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """B's questions: in round k, row i shares its first `lengths[k, i]` tokens with window i.

    From round to round each window's prefix becomes longer, so that none gives away the answer of
    one that is still to come.
    """

    questions: Tokens
    """[rounds, windows, positions]"""
    lengths: Lengths
    """[rounds, windows]"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the two predictors' answers say, in bits per byte but for `largest_nats`."""

    prefixes: int
    at_the_cut: float
    """Root mean square; no gain from looking ahead is larger."""
    before_the_cut: float
    tolerance: float
    largest_nats: float

    @property
    def metrics(self) -> dict[str, float]:
        return {
            "probed_prefixes": float(self.prefixes),
            "lookahead_rms_bpb": self.at_the_cut,
            "lookahead_tolerance_bpb": self.tolerance,
            "largest_difference_nats": self.largest_nats,
        }

    def __str__(self) -> str:
        return (
            f"looking ahead: {self.prefixes} prefixes probed, root mean square difference"
            f" {self.at_the_cut:.2g} bits per byte at their ends, {self.before_the_cut:.2g}"
            f" before; {self.tolerance:.2g} is allowed;"
            f" largest difference {self.largest_nats:.2g} nats\n"
        )

    @property
    def looks_ahead(self) -> bool:
        return self.at_the_cut > self.tolerance

    @property
    def inconsistent(self) -> bool:
        return self.before_the_cut > self.tolerance or self.largest_nats > SANITY_NATS


def draw_probe(questions: Tokens, donor: Tokens, random: np.random.Generator) -> Probe:
    """Cut every window at places of its own and go on with natural text from `donor`.

    The last position is a place like the others: its target is in no question, but other rows may
    tell of it.

    Args:
        questions: [windows, positions], what A is asked.
        donor: [n] tokens of documents of which nothing is scored, n > positions.
        random: from the operating system's randomness; nothing inside may guess the places.
    """
    count, positions = questions.shape
    rounds = min(positions, math.ceil(LEAST_PROBES / count))
    every = np.broadcast_to(np.arange(1, positions + 1), (count, positions))
    lengths = np.sort(random.permuted(every, axis=1)[:, :rounds], axis=1).T
    place = np.arange(positions)
    starts = random.integers(0, len(donor) - positions, size=lengths.shape)
    suffixes = donor[starts[..., None] + np.maximum(place - lengths[..., None], 0)]
    spliced = np.where(place < lengths[..., None], questions, suffixes).astype(np.int32)
    return Probe(questions=spliced, lengths=lengths)


def draw_filler(donor: Tokens, count: int, positions: int, random: np.random.Generator) -> Tokens:
    """Return natural text [count, positions] from `donor`, to complete questions with."""
    starts = random.integers(0, len(donor) - positions, size=(count, 1))
    filler: Tokens = donor[starts + np.arange(positions)].astype(np.int32)
    return filler


def compare(
    scored: Floats, probed: Floats, lengths: Lengths, *, unit: float, min_gain: float
) -> Finding:
    """Compare the true targets' log-probabilities (nats) on the shared prefixes.

    Args:
        scored: [windows, positions] from A; column i is about the token after i + 1 given ones.
        probed: [rounds, windows, positions] from B, about the same targets.
        lengths: [rounds, windows] of the shared prefixes.
        unit: bytes per token.
        min_gain: bits per byte that the policy asks of an improvement.
    """
    difference = scored - probed
    place, last = np.arange(scored.shape[1]), lengths[..., None] - 1
    at_the_cut, before = difference[place == last], difference[place < last]
    return Finding(
        prefixes=lengths.size,
        at_the_cut=_root_mean_square(at_the_cut) / (math.log(2) * unit),
        before_the_cut=_root_mean_square(before) / (math.log(2) * unit),
        tolerance=max(SHARE_OF_MIN_GAIN * min_gain, ROUNDING_BITS / unit),
        largest_nats=float(np.abs(difference[place <= last]).max()),
    )


def _root_mean_square(values: Floats) -> float:
    return math.sqrt(float(np.square(values).mean())) if values.size else 0.0
