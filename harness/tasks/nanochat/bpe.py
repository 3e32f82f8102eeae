"""Byte-pair encoding: learn merges from text, turn text into tokens and back, byte for byte.

A text is first cut into words, and no token crosses a word. To the library `tokenizers` every byte
is a character of its own, so that bytes that are no UTF-8 survive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.raw import library

WORDS = re.compile(r" ?[^\W\d_]+| ?\d{1,2}| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+")
"""Letters, digits in twos, signs, and white space; every character is in exactly one of them."""
BYTES = [bytes([one]) for one in range(256)]


@dataclass(frozen=True)
class Bpe:
    """Tokens 0 to 255 are bytes; each merge makes the next of its pair, unless it is there."""

    merges: tuple[tuple[int, int], ...]

    @property
    def vocabulary(self) -> list[bytes]:
        """The bytes of every token."""
        found, known = [*BYTES], {*BYTES}
        for left, right in self.merges:
            token = found[left] + found[right]
            if token not in known:
                found.append(token)
                known.add(token)
        return found

    @property
    def token_bytes(self) -> NDArray[np.int64]:
        """How many bytes every token stands for."""
        return np.array([len(token) for token in self.vocabulary], dtype=np.int64)

    def encode(self, texts: Iterable[bytes]) -> NDArray[np.uint16]:
        """Return the tokens of the texts, one after the other."""
        named = [_characters(token) for token in self.vocabulary]
        merges = [(named[left], named[right]) for left, right in self.merges]
        numbers = {name: number for number, name in enumerate(named)}
        model = _tokenizers().models.BPE(numbers, merges)

        @lru_cache(maxsize=1_000_000)
        def tokens(word: bytes) -> NDArray[np.uint16]:
            return np.array([one.id for one in model.tokenize(_characters(word))], dtype=np.uint16)

        # Text by text: a list of all words of a large corpus would not fit into memory.
        return _joined(_joined(map(tokens, words(text))) for text in texts)

    def decode(self, tokens: NDArray[np.integer]) -> bytes:
        vocabulary = self.vocabulary
        return b"".join(vocabulary[token] for token in tokens.tolist())


def learn(texts: Iterable[bytes], *, vocabulary: int) -> Bpe:
    """Learn merges, the most frequent pair first, ties by the smaller tokens.

    Ends early where nothing is left to merge, with a smaller vocabulary.
    """
    library = _tokenizers()
    tokenizer = library.Tokenizer(library.models.BPE())
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=list(map(_characters, BYTES)), show_progress=False
    )
    found = (_characters(word) for text in texts for word in words(text))
    tokenizer.train_from_iterator(found, trainer)
    numbers = tokenizer.get_vocab()
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return Bpe(tuple((numbers[left], numbers[right]) for left, right in merges))


def words(text: bytes) -> Iterator[bytes]:
    for found in WORDS.finditer(text.decode("utf-8", "surrogateescape")):
        yield found[0].encode("utf-8", "surrogateescape")


def _characters(some: bytes) -> str:
    return some.decode("latin-1")


def _joined(parts: Iterable[NDArray[np.uint16]]) -> NDArray[np.uint16]:
    return np.concatenate([np.empty(0, dtype=np.uint16), *parts])


def _tokenizers() -> Any:
    return library("tokenizers", "nanochat's tokens are learnt in the image of scorers")
