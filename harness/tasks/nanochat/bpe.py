"""Byte-pair encoding: learn merges from text, turn text into tokens and back, byte for byte.

A text is first cut into words, and no token crosses a word. Bytes that are no UTF-8 survive.
Written out because the image that prepares the data holds no tokenizer, and this is all of one
that is needed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]

WORDS = re.compile(r" ?[^\W\d_]+| ?\d{1,2}| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+")
"""Letters, digits in twos, signs, and white space; every character is in exactly one of them."""
SINGLE = 256


@dataclass(frozen=True)
class Bpe:
    """Tokens 0 to 255 are bytes; token 256 + i is what merge i makes of its pair."""

    merges: tuple[Pair, ...]

    @property
    def vocabulary(self) -> list[bytes]:
        """The bytes of every token."""
        found = [bytes([one]) for one in range(SINGLE)]
        for left, right in self.merges:
            found.append(found[left] + found[right])
        return found

    @property
    def token_bytes(self) -> NDArray[np.int64]:
        """How many bytes every token stands for."""
        return np.array([len(token) for token in self.vocabulary], dtype=np.int64)

    def encode(self, texts: Iterable[bytes]) -> NDArray[np.uint16]:
        """Return the tokens of the texts, one after the other."""
        ranks = {pair: rank for rank, pair in enumerate(self.merges)}

        @lru_cache(maxsize=1_000_000)
        def tokens(word: str) -> NDArray[np.uint16]:
            return np.array(_merged(list(_bytes(word)), ranks), dtype=np.uint16)

        # Text by text: a list of all words of a large corpus would not fit into memory.
        return _joined(_joined(map(tokens, words(text))) for text in texts)

    def decode(self, tokens: NDArray[np.integer]) -> bytes:
        vocabulary = self.vocabulary
        return b"".join(vocabulary[token] for token in tokens.tolist())


def _joined(parts: Iterable[NDArray[np.uint16]]) -> NDArray[np.uint16]:
    return np.concatenate([np.empty(0, dtype=np.uint16), *parts])


def words(text: bytes) -> Iterator[str]:
    return (found[0] for found in WORDS.finditer(text.decode("utf-8", "surrogateescape")))


def learn(texts: Iterable[bytes], *, vocabulary: int) -> Bpe:
    """Learn merges, the most frequent pair first, ties by the smaller tokens.

    Ends early where nothing is left to merge, with a smaller vocabulary.
    """
    counts = Counter(word for text in texts for word in words(text))
    return Bpe(tuple(_merges(_Corpus(counts), vocabulary - SINGLE)))


class _Corpus:
    """The distinct words as tokens, how often each pair stands in them, and where."""

    def __init__(self, counts: Counter[str]) -> None:
        ordered = sorted(counts.items())
        self.words = [list(_bytes(word)) for word, _ in ordered]
        self.counts = [count for _, count in ordered]
        self.pairs: Counter[Pair] = Counter()
        self.where: defaultdict[Pair, set[int]] = defaultdict(set)
        for index in range(len(self.words)):
            self._count(index, 1)

    def _count(self, index: int, sign: int) -> set[Pair]:
        word = self.words[index]
        pairs = list(pairwise(word))
        for pair in pairs:
            self.pairs[pair] += sign * self.counts[index]
            if sign > 0:
                self.where[pair].add(index)
        return set(pairs)

    def merge(self, pair: Pair, token: int) -> set[Pair]:
        """Replace the pair everywhere; return the pairs that may have changed their count."""
        touched: set[Pair] = set()
        for index in self.where.pop(pair):
            touched |= self._count(index, -1)
            self.words[index] = _replace(self.words[index], pair, token)
            touched |= self._count(index, 1)
        return touched


def _merges(corpus: _Corpus, most: int) -> Iterator[Pair]:
    heap = [(-count, pair) for pair, count in corpus.pairs.items()]
    heapify(heap)
    made = 0
    while made < most and heap:
        count, pair = heappop(heap)
        if -count != corpus.pairs[pair] or count == 0:
            continue  # an earlier merge changed it; its present count is in the heap too
        yield pair
        for touched in corpus.merge(pair, SINGLE + made):
            heappush(heap, (-corpus.pairs[touched], touched))
        made += 1


def _merged(word: list[int], ranks: dict[Pair, int]) -> list[int]:
    while len(word) > 1:
        best = min(pairwise(word), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        word = _replace(word, best, SINGLE + ranks[best])
    return word


def _replace(word: list[int], pair: Pair, token: int) -> list[int]:
    found, place = [], 0
    while place < len(word):
        if tuple(word[place : place + 2]) == pair:
            found.append(token)
            place += 2
        else:
            found.append(word[place])
            place += 1
    return found


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")
