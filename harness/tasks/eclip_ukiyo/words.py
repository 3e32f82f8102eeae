"""Captions as numbers: a vocabulary from the training captions of one split, and nothing else.

A word that a split's training captions do not hold often enough is unknown to that split, in its
evaluation captions too, so the vocabulary tells a trainer nothing about what it is asked later.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
PADDING, UNKNOWN = "<pad>", "<unk>"
MIN_COUNT = 2
MAX_WORDS = 10_000

Vocabulary = tuple[str, ...]


def learn(captions: Iterable[str]) -> Vocabulary:
    """Return padding, unknown, then words from the most frequent on, ties by alphabet."""
    counts = Counter(word for caption in captions for word in split(caption))
    often = sorted((-count, word) for word, count in counts.items() if count >= MIN_COUNT)
    return (PADDING, UNKNOWN, *(word for _, word in often[: MAX_WORDS - 2]))


def tokens(texts: Sequence[str], vocabulary: Vocabulary, *, length: int) -> NDArray[np.uint16]:
    """Return [n, length]: each text's words, cut at the end, then padding, which is 0."""
    number = {word: token for token, word in enumerate(vocabulary)}
    unknown = number[UNKNOWN]
    found = np.zeros((len(texts), length), dtype=np.uint16)
    for row, text in enumerate(texts):
        words = [number.get(word, unknown) for word in split(text)[:length]] or [unknown]
        found[row, : len(words)] = words
    return found


def split(text: str) -> list[str]:
    return WORD.findall(text.casefold())
