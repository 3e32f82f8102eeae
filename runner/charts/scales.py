"""Where a number is in a picture, and which few round numbers its axis names; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LARGEST = 1e100
"""A score of more is drawn as one of so much: what diverged has no place on an axis."""
DECADES = 3
"""Ticks of a logarithmic axis are powers of ten from so many on."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Numbers from `low` to `high` lie from `start` to `end` pixels; beyond, at the edge."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        return self.start + (self.end - self.start) * self.share(value)

    def share(self, value: float) -> float:
        """Return how far along a value is, from 0 to 1."""
        low, high, here = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, here = math.log(low), math.log(high), math.log(here)
        return (here - low) / (high - low) if high > low else 0.5

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self, most: int = 5, *, whole: bool = False) -> tuple[tuple[float, str], ...]:
        """Return a few round numbers, each with how it is written; `whole`: of what is counted."""
        if self.logarithmic:
            found = _decades(self.low, self.high, most)
            if len(found) >= 2:
                return tuple((value, f"{value:g}") for value in found)
        step = step_of(self.high - self.low, most)
        if whole:
            step = max(1.0, float(int(step)))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        found = [count * step for count in range(first, last + 1)]
        return tuple((value, written(value, step)) for value in found)


def step_of(span: float, most: int) -> float:
    """Return a round step that divides a span into no more than so many."""
    raw = span / most
    if not raw > 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(raw))
    return next((n * size for n in (1, 2, 2.5, 5) if n * size >= raw * (1 - 1e-9)), 10 * size)


def written(value: float, step: float) -> str:
    """Write a tick with the decimals of its step, or with the digits that tell it from the next."""
    value = value if abs(value) > step / 1e6 else 0.0
    if value and (step >= 1e6 or step < 1e-5):
        apart = math.floor(math.log10(abs(value))) - math.floor(math.log10(step) + 1e-9)
        return f"{value:.{max(3, apart + 2)}g}"  # a step of 2.5 has a digit more
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    if round(step, places) != float(f"{step:.6g}"):
        places += 1
    return f"{value:,.{places}f}"


def _decades(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    several = math.log10(high / low) >= DECADES
    every = max(1, math.ceil((math.log10(high / low)) / most))
    steps = (1,) if several else (1, 2, 5)
    powers = range(first, last + 1, every if several else 1)
    found = [n * 10.0**power for power in powers for n in steps]
    return [value for value in found if low <= value <= high]


def cut(value: float) -> float:
    """Return a number that arithmetic can be done with."""
    return 0.0 if math.isnan(value) else min(max(value, -LARGEST), LARGEST)


def around(values: Iterable[float], *, pad: float = 0.06) -> tuple[float, float]:
    """Return a range with some room around all values; `(0, 1)` where there are none."""
    found = list(values)
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    room = (high - low) * pad or abs(high) * pad or 1.0
    return low - room, high + room


def typical(core: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Return a range that holds all of the core, and of the others what lies near it.

    One run that diverged must not press everything else flat.
    """
    found = sorted(others)
    if not core and not found:
        return around(())
    middle = found[len(found) // 20 : len(found) - len(found) // 20] or found
    quarter = len(found) // 4
    spread = found[-1 - quarter] - found[quarter] if found else 0.0
    inner = core or middle
    reach = max(max(inner) - min(inner), 1.5 * spread)
    low = max(min((*inner, *middle)), min(inner) - reach)
    high = min(max((*inner, *middle)), max(inner) + reach)
    return around((min(low, *inner), max(high, *inner)))
