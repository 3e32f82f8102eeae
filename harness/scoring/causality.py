"""Does a served language model look ahead? Two predictors that share nothing are asked.

A gets the scored windows. B gets of each window a prefix of random length, continued by another
document, in another order and in other batches. At the last token of a prefix, A's question holds
the true next token further right and B's does not; so what A's answer gained there by looking, B
cannot reproduce, though it may know that it is B.

The length t of a prefix is uniform over 1 … T-1, and A cannot know it. So the mean over prefixes of

    d = log2 p_A(x[t] | A's window) - log2 p_B(x[t] | B's window)

estimates what looking ahead gained per token; divided by the mean bytes per token it is in the
unit of `val_bpb`. Honest models differ by rounding only. Refused is

    looks-ahead    mean d > 3 standard errors, and mean d > min_gain / 5
    inconsistent   any |d| > 1 nat at any token of any shared prefix: a sanity check

Looking ahead that gains G bits at a share f of the positions, chosen at random, has the mean f G
and the standard error G sqrt(f / n) over n prefixes. It goes unseen by the first rule while

    f G < max(3 G sqrt(f / n), min_gain / 5)      that is f < 9 / n, or a gain below min_gain / 5

and if G is more than a nat (1.44 bits), by the second rule with the probability (1 - f)^n.
Per token, with 95 % confidence, no more goes unseen than

    max(min_gain / 5, 9 * 1.44 / n, 3 G / n) bits

What this does not protect against: gains below that bound; a share c of suffixes whose first token
happens to be the true one, which hides the share c of a gain (about 6 % for bytes of English); and
what a model learns from tokens that it was asked about *before*, in windows or prefixes that both
predictors got. That is adaptation to the evaluation text, not looking ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]
Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]

STANDARD_ERRORS = 3.0
SHARE_OF_MIN_GAIN = 1 / 5
ROUNDING_BITS = 1e-5
"""Where `min_gain` is 0: differences of this size come from the order of additions."""
SANITY_NATS = 1.0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """B's questions: row i shares its first `lengths[i]` tokens with window i."""

    questions: Tokens
    """[windows, positions]"""
    lengths: Lengths


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the two predictors' answers say, in bits per byte but for `largest_nats`."""

    prefixes: int
    mean: float
    standard_error: float
    largest_nats: float

    @property
    def metrics(self) -> dict[str, float]:
        return {
            "probed_prefixes": float(self.prefixes),
            "lookahead_bpb": self.mean,
            "lookahead_bpb_se": self.standard_error,
            "largest_difference_nats": self.largest_nats,
        }

    def looks_ahead(self, min_gain: float) -> bool:
        least = max(SHARE_OF_MIN_GAIN * min_gain, ROUNDING_BITS)
        return self.mean > STANDARD_ERRORS * self.standard_error and self.mean > least

    @property
    def inconsistent(self) -> bool:
        return self.largest_nats > SANITY_NATS


def draw_probe(questions: Tokens, donor: Tokens, random: np.random.Generator) -> Probe:
    """Cut every window at a place of its own and go on with natural text from `donor`.

    Args:
        questions: [windows, positions], what A is asked.
        donor: [n] tokens of documents of which nothing is scored, n > positions.
        random: from the operating system's randomness; nothing inside may guess the places.
    """
    count, positions = questions.shape
    lengths = random.integers(1, positions, size=(count,))
    starts = random.integers(0, len(donor) - positions, size=(count,))
    place = np.arange(positions)
    suffixes = donor[starts[:, None] + np.maximum(place - lengths[:, None], 0)]
    spliced = np.where(place < lengths[:, None], questions, suffixes).astype(np.int32)
    return Probe(questions=spliced, lengths=lengths)


def compare(scored: Floats, probed: Floats, lengths: Lengths, unit: float) -> Finding:
    """Compare the true targets' log-probabilities (nats) on the shared prefixes.

    Args:
        scored: [windows, positions] from A; column i is about the token after i + 1 given ones.
        probed: [windows, positions] from B, about the same targets.
        lengths: [windows] of the shared prefixes.
        unit: bytes per token.
    """
    difference = scored - probed
    shared = np.arange(scored.shape[1]) < lengths[:, None]
    at_the_cut = difference[np.arange(len(lengths)), lengths - 1] / (math.log(2) * unit)
    error = at_the_cut.std(ddof=1) / math.sqrt(len(lengths)) if len(lengths) > 1 else math.inf
    return Finding(
        prefixes=len(lengths),
        mean=float(at_the_cut.mean()),
        standard_error=float(error),
        largest_nats=float(np.abs(difference[shared]).max()),
    )
