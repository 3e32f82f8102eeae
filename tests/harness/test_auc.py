"""The area under the ROC curve is exact, fair to ties, and the kit's agrees with the scorer's."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from harness.kit import analysis
from harness.scoring.classification import auc


def by_counting(targets, scores) -> float:
    """The definition: of all pairs, how many a positive wins, a tie being half a win."""
    pairs = itertools.product(scores[targets == 1], scores[targets == 0])
    wins = [Fraction(int(up > down) * 2 + int(up == down), 2) for up, down in pairs]
    return float(sum(wins) / len(wins))


@pytest.mark.parametrize(
    ("targets", "scores", "expected"),
    [
        pytest.param([0, 0, 1, 1], [1, 2, 3, 4], 1.0, id="perfect"),
        pytest.param([1, 1, 0, 0], [1, 2, 3, 4], 0.0, id="perfectly wrong"),
        pytest.param([0, 1, 0, 1], [7, 7, 7, 7], 0.5, id="a constant is a coin"),
        pytest.param([0, 1], [-0.0, 0.0], 0.5, id="zeros of both signs are equal"),
        pytest.param([0, 0, 1], [1, 2, 2], 0.75, id="a tie is half a win"),
        pytest.param([0, 1, 1], [-1e308, 1e308, -1e308], 0.75, id="only the order counts"),
        pytest.param([0, 1], [1.0, 1.0 + 2**-52], 1.0, id="the smallest difference counts"),
    ],
)
def test_known_values(targets, scores, expected):
    assert auc(np.array(targets), np.array(scores, dtype=np.float64)) == expected


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_counting_every_pair_says(seed):
    bits = np.random.default_rng(seed)
    targets = np.array([0, 1, *bits.integers(0, 2, 60)], dtype=np.uint8)
    scores = bits.integers(0, bits.integers(2, 40), len(targets)).astype(np.float64)
    assert auc(targets, scores) == by_counting(targets, scores)
    assert analysis.auc(targets, scores) == pytest.approx(auc(targets, scores), abs=1e-12)


def test_a_monotonous_change_of_scores_changes_nothing():
    bits = np.random.default_rng(0)
    targets, scores = bits.integers(0, 2, 500), bits.normal(size=500)
    assert auc(targets, scores) == auc(targets, np.exp(scores))


def test_it_is_exact_where_the_pairs_leave_32_bits():
    half = 100_000
    targets = np.repeat([0, 1], half).astype(np.uint8)
    scores = np.arange(2 * half, dtype=np.float64)
    scores[half] = -1  # one positive loses every pair
    assert auc(targets, scores) == (half * half - half) / (half * half)


@pytest.mark.parametrize(
    ("targets", "scores"),
    [
        pytest.param([1, 1], [0, 1], id="one class"),
        pytest.param([0, 2], [0, 1], id="a third class"),
        pytest.param([0, 1], [0, np.nan], id="nan"),
        pytest.param([0, 1], [0, np.inf], id="infinity"),
        pytest.param([0, 1], [0, 1, 2], id="another length"),
        pytest.param([[0, 1]], [[0, 1]], id="no vector"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_what_has_no_area_is_refused(targets, scores):
    with pytest.raises(ValueError, match=r"must"):
        auc(np.array(targets), np.array(scores, dtype=np.float64))


def test_the_kit_says_nan_where_there_is_one_class():
    assert np.isnan(analysis.auc(np.array([1, 1]), np.array([0.0, 1.0])))
