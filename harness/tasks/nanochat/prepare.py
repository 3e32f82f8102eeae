"""Learn a tokenizer from the training text alone, freeze it, and turn every part into tokens."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np

from harness.arrays import npy
from harness.raw import BadRawDataError
from harness.scoring.causality import Tokens
from harness.scoring.served import cut
from harness.sealing import Built
from harness.tasks.nanochat import bpe
from harness.tasks.nanochat.corpus import Corpus, Profile, read

SPLIT = "train"


def build(_seed: int, raw: Path | None, profile: Profile | None = None) -> Built:
    """Return the public and the sealed part; the seed changes nothing.

    Public, below `train/`: `tokens` uint16 [n], `token_bytes` int64 [vocabulary], `shape` int64
    [positions, vocabulary], and `merges.json`, the tokenizer. Sealed, per part: `windows` int32
    [windows, positions + 1], `donor` uint16 [n], and `token_bytes`.

    Raises:
        BadRawDataError: there is no raw folder, or not enough text in it.
    """
    if raw is None:
        raise BadRawDataError(
            "nanochat is prepared from a folder with parquet shards or text files"
        )
    found, corpus = read(raw)
    return tokenized(corpus, profile or found)


def tokenized(corpus: Corpus, profile: Profile) -> Built:
    tokenizer = bpe.learn(
        _first_bytes(corpus.train, profile.bpe_bytes), vocabulary=profile.vocabulary
    )
    token_bytes = tokenizer.token_bytes
    public = {
        "tokens.npy": npy(tokenizer.encode(_first_bytes(corpus.train, profile.train_bytes))),
        "token_bytes.npy": npy(token_bytes),
        "shape.npy": npy(np.array([profile.positions, len(token_bytes)])),
        "merges.json": json.dumps(tokenizer.merges).encode(),
    }
    donor = tokenizer.encode(corpus.donor)
    sealed = {}
    for part, texts in (("holdout", corpus.holdout), ("locked", corpus.locked)):
        sealed[f"{part}/{SPLIT}/windows.npy"] = npy(_windows(tokenizer.encode(texts), profile))
        sealed[f"{part}/{SPLIT}/donor.npy"] = npy(donor)
        sealed[f"{part}/{SPLIT}/token_bytes.npy"] = npy(token_bytes)
    return Built(
        public={f"{SPLIT}/{name}": content for name, content in public.items()}, sealed=sealed
    )


def _first_bytes(texts: list[bytes], size: int) -> list[bytes]:
    """Return whole texts, and of the last as much as fits."""
    ends = np.cumsum([len(text) for text in texts])
    whole = int(np.searchsorted(ends, size))
    left = size - (int(ends[whole - 1]) if whole else 0)
    return [*texts[:whole], *(text[:left] for text in islice(texts, whole, whole + 1))]


def _windows(tokens: np.ndarray[tuple[int], np.dtype[np.uint16]], profile: Profile) -> Tokens:
    needed = profile.windows * (profile.positions + 1)
    if len(tokens) < needed:
        raise BadRawDataError(
            f"too little text: a part has {len(tokens)} tokens and needs {needed}"
        )
    return cut(tokens, positions=profile.positions, count=profile.windows)
