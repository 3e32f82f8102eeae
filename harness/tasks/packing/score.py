"""Say whether circles lie in the unit square without overlapping, exactly, and add their radii.

Every float64 is a fraction with a power of two below the line, so the checks are done in fractions
and never round: a packing passes if and only if no inequality is missed by more than `TOLERANCE`.

The tolerance is there because optimisers work in floating point. It is worth little: a packing
that passes, each radius made smaller by the tolerance, is a packing without any tolerance. So the
sum of the radii can be too large by 26 times 1e-9 at most, which is far below any `min_gain`.

What this does not protect against: an answer that was looked up. The best known packings are
published, so a good score says that the program is good only as far as its source can be read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path

from harness.scoring.outputs import Code, InvalidOutputsError, Layout, read_array
from harness.scoring.protocol import Dealt

CIRCLES = 26
SPLIT = "square"
TOLERANCE = Fraction(1, 10**9)
CENTERS, RADII = "centers.npy", "radii.npy"


@dataclass(frozen=True, kw_only=True)
class Circle:
    """One circle, exactly as the program wrote it."""

    x: Fraction
    y: Fraction
    radius: Fraction


def deal(_sealed: Path, _part: str, _split: str) -> Dealt:
    """Return no inputs, and the measure: every part asks the same of the same square."""
    return Dealt(inputs={}, measure=measure)


def measure(outputs: Path) -> dict[str, float]:
    """Return `sum_radii` of a packing.

    Raises:
        InvalidOutputsError: the arrays are not float64 [26, 2] and [26], or the first of these
            that holds of the circles: `negative`, `outside`, `overlapping`.
    """
    centers = read_array(outputs, CENTERS, Layout(dtype="<f8", shape=(CIRCLES, 2)))
    radii = read_array(outputs, RADII, Layout(dtype="<f8", shape=(CIRCLES,)))
    circles = [
        Circle(x=Fraction(x), y=Fraction(y), radius=Fraction(radius))
        for (x, y), radius in zip(centers.tolist(), radii.tolist(), strict=True)
    ]
    require_packing(circles)
    return {"sum_radii": math.fsum(radii.tolist())}


def require_packing(circles: Sequence[Circle]) -> None:
    """Raise `InvalidOutputsError` unless these circles are a packing, up to the tolerance."""
    if any(circle.radius < 0 for circle in circles):
        raise InvalidOutputsError(Code.NEGATIVE, RADII)
    if not all(_is_inside(circle) for circle in circles):
        raise InvalidOutputsError(Code.OUTSIDE, CENTERS)
    if any(_overlap(one, other) for one, other in combinations(circles, 2)):
        raise InvalidOutputsError(Code.OVERLAPPING, CENTERS)


def _is_inside(circle: Circle) -> bool:
    least, most = circle.radius - TOLERANCE, 1 + TOLERANCE - circle.radius
    return least <= circle.x <= most and least <= circle.y <= most


def _overlap(one: Circle, other: Circle) -> bool:
    """Compare squares, so that no root is taken: what has no root in fractions needs none."""
    needed = one.radius + other.radius - TOLERANCE
    squared = (one.x - other.x) ** 2 + (one.y - other.y) ** 2
    return needed > 0 and squared < needed**2
