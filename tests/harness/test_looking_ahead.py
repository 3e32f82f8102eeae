"""What the two predictors' answers say about looking ahead, drawn many times over."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.scoring.causality import LEAST_PROBES, ROUNDING_BITS, Finding, compare, draw_probe

WINDOWS, POSITIONS, MIN_GAIN = 775, 128, 0.05
"""As shakespeare has them."""
DRAWS = 50
QUESTIONS = np.arange(WINDOWS * POSITIONS, dtype=np.int32).reshape(WINDOWS, POSITIONS)
DONOR = -np.arange(1, 1_000, dtype=np.int32)


def findings(bits, *, draws=DRAWS, windows=WINDOWS):
    """Draw probes, and what a model gains at the cuts [rounds, windows] that stand in them."""
    random = np.random.default_rng(1)
    for _ in range(draws):
        lengths = draw_probe(QUESTIONS[:windows], DONOR, random).lengths
        scored = np.zeros((windows, POSITIONS))
        probed = np.zeros((len(lengths), windows, POSITIONS))
        at = (np.arange(len(lengths))[:, None], np.arange(windows), lengths - 1)
        probed[at] = -math.log(2) * bits(random, lengths)
        yield compare(scored, probed, lengths, unit=1.0, min_gain=MIN_GAIN)


def refused(found: Finding) -> bool:
    return found.looks_ahead or found.inconsistent


@pytest.mark.parametrize("nats", [0.99, 0.5, 0.2])
@pytest.mark.parametrize("gain", [0.06, 0.10])
def test_a_balanced_gain_is_refused_in_every_draw(gain, nats):
    bits = nats / math.log(2)

    def balanced(random, lengths):
        return np.where(random.random(lengths.shape) < (1 + gain / bits) / 2, bits, -bits)

    assert all(found.looks_ahead for found in findings(balanced))


@pytest.mark.parametrize("gain", [0.06, 0.10])
@pytest.mark.parametrize("bits", [0.2, 1.4, 5.0, 10.0])
def test_a_gain_at_few_positions_is_refused_in_nearly_every_draw(gain, bits):
    def rare(random, lengths):
        return np.where(random.random(lengths.shape) < gain / bits, bits, 0.0)

    found = [refused(one) for one in findings(rare)]
    # 10 bits at 0.6 % of the positions is seen but for a chance of 0.994 ** 775.
    assert np.mean(found) > 0.97


def test_a_small_gain_everywhere_is_refused():
    assert all(found.looks_ahead for found in findings(lambda _, at: np.full(at.shape, 0.011)))


@pytest.mark.parametrize("bits", [1e-6, 0.008])
def test_rounding_as_of_float32_and_bfloat16_is_never_refused(bits):
    noise = lambda random, lengths: random.normal(0, bits, lengths.shape)  # noqa: E731
    assert not any(refused(found) for found in findings(noise))


def test_no_mean_gain_exceeds_what_is_reported():
    random = np.random.default_rng(2)
    for skew in (0.1, 1.0, 10.0):
        gains = random.gamma(skew, size=(1, WINDOWS)) - random.random()
        (found,) = findings(lambda _r, _at, gains=gains: gains, draws=1)
        assert abs(gains.mean()) <= found.at_the_cut


def test_the_tolerance_is_a_fifth_of_the_policy_s_gain_but_not_less_than_rounding():
    def tolerance(unit, min_gain):
        lengths = np.ones((1, 2), dtype=np.int64)
        nothing = np.zeros((2, 3))
        return compare(nothing, nothing[None], lengths, unit=unit, min_gain=min_gain).tolerance

    assert tolerance(1.0, 0.5) == pytest.approx(0.1)
    assert tolerance(4.0, 0.0) == pytest.approx(ROUNDING_BITS / 4)


def test_every_position_may_be_the_last_of_a_prefix():
    random = np.random.default_rng(1)
    found = [draw_probe(QUESTIONS, DONOR, random).lengths for _ in range(20)]
    counts = np.bincount(np.concatenate(found).ravel(), minlength=POSITIONS + 1)
    assert counts[0] == 0
    assert counts[1:].min() > 0.6 * counts[1:].mean()


@pytest.mark.parametrize("windows", [1, 20, 128, 775])
def test_few_windows_are_cut_more_than_once_and_shorter_prefixes_come_first(windows):
    probe = draw_probe(QUESTIONS[:windows], DONOR, np.random.default_rng(1))
    assert probe.lengths.size >= min(LEAST_PROBES, windows * POSITIONS)
    assert (np.diff(probe.lengths, axis=0) > 0).all()
    shared = np.arange(POSITIONS) < probe.lengths[..., None]
    assert (np.where(shared, probe.questions, QUESTIONS[:windows]) == QUESTIONS[:windows]).all()
    assert (probe.questions[~shared] < 0).all()
