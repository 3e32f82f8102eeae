"""Intervals of shares and of means: quantiles by bisection, where no library is at hand; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, stdev

CONFIDENCE = 0.95
"""Of both sides together."""


def share(successes: int, count: int) -> tuple[float, float]:
    """Return the interval of a share by Clopper and Pearson, which never covers too little.

    Args:
        successes: how many of `count`.
        count: at least 1.
    """
    miss = (1 - CONFIDENCE) / 2
    low, high = 0.0, 1.0
    if successes:
        low = _crossing(lambda p: _at_least(successes, count, p), miss)
    if successes < count:
        high = 1 - _crossing(lambda q: _at_least(count - successes, count, q), miss)
    return low, high


def of_mean(values: Sequence[float]) -> tuple[float, float | None]:
    """Return a mean and half of its interval by Student; one value has none."""
    if len(values) < 2:
        return fmean(values), None
    error = stdev(values) / math.sqrt(len(values))
    return fmean(values), student(len(values) - 1) * error


def student(freedom: int) -> float:
    """Return the t within which `CONFIDENCE` of Student's distribution lies, on both sides of 0.

    Args:
        freedom: degrees of it, at least 1.
    """
    angle = _crossing(lambda part: _within(part * math.pi / 2, freedom), CONFIDENCE)
    return math.sqrt(freedom) * math.tan(angle * math.pi / 2)


def _at_least(successes: int, count: int, chance: float) -> float:
    """Return the probability of so many successes or more."""
    if chance in (0.0, 1.0):
        return chance
    whole, yes, no = math.lgamma(count + 1), math.log(chance), math.log1p(-chance)
    return math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * yes + (count - k) * no
        )
        for k in range(successes, count + 1)
    )


def _within(angle: float, freedom: int) -> float:
    """Return how much of Student's distribution lies within √freedom times the angle's tangent.

    For whole degrees of freedom it is a sum (Abramowitz and Stegun, 26.7.3 and 26.7.4).
    """
    sine, cosine, odd = math.sin(angle), math.cos(angle), freedom % 2
    term = total = 0.0 if freedom == 1 else cosine if odd else 1.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    return (angle + sine * total) * 2 / math.pi if odd else sine * total


def _crossing(rising: Callable[[float], float], wanted: float) -> float:
    """Return where a function that rises from 0 to 1 over 0 to 1 comes to a value."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2
