"""Raw files → texts to train on, to decide by, to splice from, to audit by.

What this does not protect against: a model that has read the text elsewhere. It is public.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from harness.raw import BadRawDataError, library

VALIDATION_SHARD = "shard_06542.parquet"
"""The original pins it; training never reads it."""
SHARES = (0.80, 0.08, 0.04, 0.08)
"""Of a plain text, by position: train, holdout, donor, locked."""
BETWEEN = b"\n\n"
COLUMN = "text"
"""Of a shard; one document a row."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How large the task is."""

    vocabulary: int
    positions: int
    windows: int
    """Of each part; windows times positions are the scored tokens."""
    train_bytes: int
    """Text to train on at most."""
    bpe_bytes: int
    """Text to learn the tokenizer from at most."""


FULL = Profile(
    vocabulary=8_192, positions=512, windows=256,
    train_bytes=1_000_000_000, bpe_bytes=50_000_000,
)  # fmt: skip
SMALL = Profile(
    vocabulary=1_024, positions=128, windows=128,
    train_bytes=100_000_000, bpe_bytes=5_000_000,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The texts of every part."""

    train: list[bytes]
    holdout: list[bytes]
    donor: list[bytes]
    locked: list[bytes]


def read(raw: Path) -> tuple[Profile, Corpus]:
    """Return the profile that the folder's files stand for, and their texts.

    Raises:
        BadRawDataError: the folder holds neither shards nor text, or shards that cannot be used.
        PermissionError: other users, of whom the preparing one is, may not read it.
    """
    files = sorted(raw.iterdir())  # a glob would take a closed folder for an empty one
    shards = [path for path in files if path.suffix == ".parquet"]
    if shards:
        return FULL, _from_shards(raw, shards)
    texts = [path for path in files if path.suffix == ".txt"]
    if not texts:
        raise BadRawDataError(f"no .parquet and no .txt file in {raw}")
    return SMALL, from_text(BETWEEN.join(path.read_bytes() for path in texts))


def from_text(text: bytes) -> Corpus:
    """Cut one text by position."""
    ends = [round(len(text) * sum(SHARES[: count + 1])) for count in range(len(SHARES))]
    parts = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    train, holdout, donor, locked = ([part] for part in parts)
    return Corpus(train=train, holdout=holdout, donor=donor, locked=locked)


def _from_shards(raw: Path, shards: list[Path]) -> Corpus:
    validation = raw / VALIDATION_SHARD
    training = [path for path in shards if path != validation]
    if validation not in shards or not training:
        raise BadRawDataError(f"{VALIDATION_SHARD} and at least one other shard are needed")
    documents = chain.from_iterable(map(_documents, training))
    evaluation = list(_up_to(_documents(validation), 8_000_000))
    return Corpus(
        train=list(_up_to(documents, FULL.train_bytes)),
        holdout=evaluation[0::3],
        donor=evaluation[1::3],
        locked=evaluation[2::3],
    )


def _documents(path: Path) -> Iterator[bytes]:
    """Yield the documents of a shard, the column `text`, in their order."""
    shard = library(
        "pyarrow.parquet",
        "parquet shards are read in the image of scorers",
    ).ParquetFile(path)
    if COLUMN not in shard.schema_arrow.names:
        raise BadRawDataError(f"{path.name} has no column {COLUMN!r}")
    for batch in shard.iter_batches(columns=[COLUMN]):
        for text in batch.column(COLUMN).to_pylist():
            yield text.encode() + BETWEEN


def _up_to(documents: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield whole documents until they reach this many bytes."""
    seen = 0
    for document in documents:
        yield document
        seen += len(document)
        if seen >= size:
            return
