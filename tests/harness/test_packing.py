"""A packing is feasible or it is not, exactly, and every doubt has a code."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from harness.scoring.outputs import Code, InvalidOutputsError
from harness.tasks.packing import build, deal
from harness.tasks.packing.score import CIRCLES, TOLERANCE, Circle, require_packing

GRID = [(x / 12, y / 12) for y in range(1, 12, 2) for x in range(1, 12, 2)][:CIRCLES]
RADIUS = 1 / 12


@pytest.fixture
def centers() -> np.ndarray:
    return np.array(GRID, dtype=np.float64)


@pytest.fixture
def radii() -> np.ndarray:
    return np.full(CIRCLES, RADIUS - 1e-6)


def score(folder: Path, centers: np.ndarray, radii: np.ndarray) -> dict[str, float]:
    np.save(folder / "centers.npy", centers)
    np.save(folder / "radii.npy", radii)
    return dict(deal(folder, "holdout", "square").measure(folder))


def refusal(folder: Path, centers: np.ndarray, radii: np.ndarray) -> Code:
    with pytest.raises(InvalidOutputsError) as refused:
        score(folder, centers, radii)
    return refused.value.code


def test_an_honest_packing_scores_the_exact_sum_of_its_radii(tmp_path, centers, radii):
    radii[0] = 0.0
    assert score(tmp_path, centers, radii) == {"sum_radii": math.fsum(radii)}


def test_nothing_is_sealed_and_the_trainer_gets_the_number_of_circles():
    built = build(1)
    assert built == build(2)
    assert built.sealed == {}
    assert list(built.public) == ["square/circles.npy"]


def test_there_are_no_inputs(tmp_path):
    assert deal(tmp_path, "holdout", "square").inputs == {}


def changed(array: np.ndarray, place: object, value: float) -> np.ndarray:
    copy = array.copy()
    copy[place] = value
    return copy


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_refused(tmp_path, centers, radii, value):
    assert refusal(tmp_path, changed(centers, (3, 0), value), radii) is Code.NOT_FINITE
    assert refusal(tmp_path, centers, changed(radii, 3, value)) is Code.NOT_FINITE


@pytest.mark.parametrize("value", [-1e-300, -1e-12, -1.0])
def test_a_negative_radius_is_refused_however_small(tmp_path, centers, radii, value):
    assert refusal(tmp_path, centers, changed(radii, 3, value)) is Code.NEGATIVE


def test_a_huge_negative_radius_cannot_pay_for_large_circles(tmp_path, centers, radii):
    assert refusal(tmp_path, centers, changed(radii, 3, -1e300)) is Code.NEGATIVE


@pytest.mark.parametrize("place", [(0, 0), (0, 1)])
@pytest.mark.parametrize("value", [-0.5, 1.5, 1e300, 0.0, 1.0])
def test_a_circle_that_reaches_outside_is_refused(tmp_path, centers, radii, place, value):
    assert refusal(tmp_path, changed(centers, place, value), radii) is Code.OUTSIDE


def test_overlapping_circles_are_refused(tmp_path, centers, radii):
    both = centers.copy()
    both[1] = both[0]
    assert refusal(tmp_path, both, radii) is Code.OVERLAPPING
    assert refusal(tmp_path, centers, changed(radii, 14, RADIUS + 1e-3)) is Code.OVERLAPPING


@pytest.mark.parametrize(
    ("centers", "radii", "code"),
    [
        pytest.param(np.zeros((25, 2)), np.zeros(26), Code.WRONG_SHAPE, id="a circle dropped"),
        pytest.param(np.zeros((27, 2)), np.zeros(27), Code.WRONG_SHAPE, id="a circle added"),
        pytest.param(np.zeros((26, 2)), np.zeros(27), Code.WRONG_SHAPE, id="a radius added"),
        pytest.param(np.zeros((26, 2)), np.zeros((26, 1)), Code.WRONG_SHAPE, id="another shape"),
        pytest.param(np.zeros((26, 2), "f4"), np.zeros(26), Code.WRONG_DTYPE, id="float32"),
        pytest.param(np.zeros((26, 2)), np.zeros(26, "i8"), Code.WRONG_DTYPE, id="integers"),
    ],
)
def test_arrays_of_another_shape_or_kind_are_refused(tmp_path, centers, radii, code):
    assert refusal(tmp_path, centers, radii) is code


def test_nothing_written_is_missing(tmp_path):
    with pytest.raises(InvalidOutputsError) as refused:
        deal(tmp_path, "holdout", "square").measure(tmp_path)
    assert refused.value.code is Code.MISSING


# -- the tolerance, to the last bit ---------------------------------------------------------

LEAST = Fraction(1, 2**200)
HALF = Fraction(1, 2)


def circle(x: Fraction, radius: Fraction) -> Circle:
    return Circle(x=x, y=HALF, radius=radius)


@pytest.mark.parametrize("left", [True, False])
def test_a_wall_may_be_missed_by_the_tolerance_and_by_nothing_more(left):
    radius = Fraction(1, 10)
    at_limit = radius - TOLERANCE if left else 1 + TOLERANCE - radius
    beyond = at_limit - LEAST if left else at_limit + LEAST
    require_packing([circle(at_limit, radius)])
    with pytest.raises(InvalidOutputsError) as refused:
        require_packing([circle(beyond, radius)])
    assert refused.value.code is Code.OUTSIDE


def test_circles_may_overlap_by_the_tolerance_and_by_nothing_more():
    """Centres 3/10 and 4/10 apart along the axes are exactly 1/2 apart."""
    low, high = Fraction(35, 100), Fraction(65, 100)
    one = Circle(x=low, y=Fraction(3, 10), radius=Fraction(1, 4))
    at_limit = Circle(x=high, y=Fraction(7, 10), radius=Fraction(1, 4) + TOLERANCE)
    beyond = Circle(x=high, y=Fraction(7, 10), radius=Fraction(1, 4) + TOLERANCE + LEAST)
    require_packing([one, at_limit])
    with pytest.raises(InvalidOutputsError) as refused:
        require_packing([one, beyond])
    assert refused.value.code is Code.OVERLAPPING


@pytest.mark.parametrize(("excess", "fits"), [(-1e-12, True), (1e-12, False)])
def test_a_thousandth_of_the_tolerance_more_or_less_decides(tmp_path, centers, radii, excess, fits):
    radii[:] = 1e-3
    centers[0], radii[0] = (0.1, 0.1), 0.1 + 1e-9 + excess
    centers[1:] = np.linspace(0.3, 0.9, CIRCLES - 1)[:, None]
    radii[1:] = 0
    if fits:
        assert score(tmp_path, centers, radii)["sum_radii"] == radii[0]
    else:
        assert refusal(tmp_path, centers, radii) is Code.OUTSIDE


def test_what_float_arithmetic_rounds_into_the_square_is_still_outside(tmp_path, centers, radii):
    """Just beyond the limit, `x + r <= 1 + 1e-9` holds in float64, and is not true."""
    radii[:] = 0
    radii[0] = radius = 0.3
    x = 1 + 1e-9 - radius
    while not (x + radius <= 1 + 1e-9 and Fraction(x) + Fraction(radius) > 1 + TOLERANCE):
        x = math.nextafter(x, 1)
    centers[:] = np.linspace(0.1, 0.3, CIRCLES)[:, None]
    centers[0] = x, 0.5
    assert refusal(tmp_path, centers, radii) is Code.OUTSIDE
    assert score(tmp_path, changed(centers, (0, 0), math.nextafter(x, 0) - 1e-15), radii)


def test_the_tolerance_is_worth_less_than_any_gain_that_counts():
    assert Fraction(1, 10**7) > CIRCLES * TOLERANCE


def test_tiny_and_huge_floats_do_not_break_the_arithmetic(tmp_path, centers, radii):
    assert score(tmp_path, changed(centers, (0, 0), RADIUS), changed(radii, 5, 5e-324))
    assert refusal(tmp_path, centers, changed(radii, 5, 1.7e308)) is Code.OUTSIDE
