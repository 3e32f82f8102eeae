"""Integers from a seed, the same on every platform and in every version of Python and numpy.

SHAKE-256 of a key gives as many bytes as are asked for; nothing is ever a float.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")

CHOICES = 256


class Draws:
    """A finite stream of choices that belongs to one key."""

    def __init__(self, key: str) -> None:
        self._key = key
        stream = hashlib.shake_256(f"{key}/choices".encode()).digest(4 * CHOICES)
        self._words = iter(np.frombuffer(stream, dtype="<u4").tolist())

    def below(self, limit: int) -> int:
        """Return an integer in [0, limit); the bias is below limit / 2**32."""
        return int(next(self._words)) * limit >> 32

    def around(self, centre: int, spread: int) -> int:
        """Return an integer in [centre - spread, centre + spread]."""
        return centre - spread + self.below(2 * spread + 1)

    def one_of(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Return `count` different items in drawn order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def noise(self, shape: tuple[int, ...], spread: int, *, name: str) -> NDArray[np.int64]:
        """Return integers in [-spread, spread]; `name` separates one noise from another."""
        size = int(np.prod(shape))
        stream = hashlib.shake_256(f"{self._key}/{name}".encode()).digest(2 * size)
        words = np.frombuffer(stream, dtype="<u2").astype(np.int64)
        return (words * (2 * spread + 1) >> 16).reshape(shape) - spread
