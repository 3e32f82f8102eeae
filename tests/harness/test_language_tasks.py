"""Shakespeare and nanochat: what is prepared from text, and what is dealt of it."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from harness import sealing
from harness.arrays import from_npy
from harness.mounts import under
from harness.raw import BadRawDataError
from harness.tasks.nanochat import bpe, corpus, prepare
from harness.tasks.nanochat import deal as deal_tokens
from harness.tasks.shakespeare import build, deal
from harness.tasks.shakespeare.prepare import Sizes
from tests.harness.real_files import REAL
from tests.harness.served_models import ask

SMALL = Sizes(holdout=2_000, donor=500, locked=1_500)
TINY = corpus.Profile(
    vocabulary=300, positions=16, windows=20, train_bytes=100_000, bpe_bytes=50_000
)


def sentences(size: int) -> bytes:
    draws = random.Random(1)  # noqa: S311 - text, no secret
    words = "the king is dead; long live that KING, and 1789 naïve Éclairs!\n"
    return " ".join(draws.choices(words.split(" "), k=size // 5)).encode()[:size]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "tinyshakespeare.txt").write_bytes(sentences(12_000))
    return folder


# -- shakespeare ------------------------------------------------------------------------------


def test_position_keeps_the_parts_of_shakespeare_apart(raw):
    built = build(1, raw, SMALL)
    assert list(built.public) == ["train/text.npy"]
    parts = [
        built.public["train/text.npy"],
        built.sealed["holdout/train/text.npy"],
        built.sealed["holdout/train/donor.npy"],
        built.sealed["locked/train/text.npy"],
    ]
    arrays = [from_npy(part) for part in parts]
    assert [len(array) for array in arrays] == [8_000, 2_000, 500, 1_500]
    assert np.concatenate(arrays).tobytes() == (raw / "tinyshakespeare.txt").read_bytes()


def test_shakespeare_is_dealt_in_windows_of_bytes(raw, tmp_path):
    mounts = under(tmp_path)
    sealing.write(build(1, raw, SMALL), task="shakespeare", seed=1, mounts=mounts)
    dealt = deal(mounts.sealed, "holdout", "train")
    assert dealt.windows.shape == (2_000 // 129, 129)
    assert dealt.windows.ravel().tolist() == list(
        (raw / "tinyshakespeare.txt").read_bytes()[8_000 : 8_000 + dealt.windows.size]
    )
    assert dealt.token_bytes.tolist() == [1] * 256


def test_a_damaged_part_is_noticed(raw, tmp_path):
    mounts = under(tmp_path)
    sealing.write(build(1, raw, SMALL), task="shakespeare", seed=1, mounts=mounts)
    (mounts.sealed / "locked/train/text.npy").write_bytes(b"other")
    with pytest.raises(sealing.SealedDataDamagedError):
        deal(mounts.sealed, "locked", "train")


@pytest.mark.parametrize("size", [0, 4_000])
def test_a_text_that_is_too_short_is_refused(raw, size):
    (raw / "tinyshakespeare.txt").write_bytes(b"x" * size)
    with pytest.raises(BadRawDataError, match=f"has {size} bytes; more than 4000 are needed"):
        build(1, raw, SMALL)


@pytest.mark.skipif(
    not (REAL / "tinyshakespeare.txt").is_file(), reason="the real text is not here"
)
def test_the_real_shakespeare_leaves_most_of_it_to_train_on():
    built = build(1, REAL)
    assert len(from_npy(built.public["train/text.npy"])) == 1_115_394 - 250_000


def ask_about_bytes(built, tmp_path, answer):
    mounts = under(tmp_path)
    sealing.write(built, task="shakespeare", seed=1, mounts=mounts)
    return ask(lambda: answer, served=deal(mounts.sealed, "holdout", "train")).document


def test_a_model_of_bytes_that_looks_at_the_next_one_is_refused(raw, tmp_path):
    def looks_ahead(tokens):
        found = np.zeros((*tokens.shape, 256))
        np.put_along_axis(found[:, :-1], tokens[:, 1:, None], 8.0, axis=2)
        return found

    assert ask_about_bytes(build(1, raw, SMALL), tmp_path, looks_ahead)["code"] == "looks-ahead"


def test_a_model_that_knows_no_byte_needs_eight_bits_for_each(raw, tmp_path):
    document = ask_about_bytes(
        build(1, raw, SMALL), tmp_path, lambda tokens: np.zeros((*tokens.shape, 256))
    )
    assert document["metrics"]["val_bpb"] == pytest.approx(8)


# -- the tokenizer ----------------------------------------------------------------------------

ODD = [
    b"",
    b" ",
    b"  two  spaces \n\n and lines\t",
    b"\xff\xfe not utf-8 \x80",
    "naïve ça ½ ²".encode(),
    b"1234567 snake_case don't",
    "日本語 🙂".encode(),
    b"\x00\x01",
]


@pytest.mark.parametrize("text", ODD)
def test_decoding_gives_the_bytes_back(text):
    tokenizer = bpe.learn([sentences(20_000)], vocabulary=400)
    tokens = tokenizer.encode([text])
    assert tokenizer.decode(tokens) == text
    assert tokenizer.token_bytes[tokens].sum() == len(text)


def joined(word: list[int], pair: tuple[int, int], token: int) -> list[int]:
    found: list[int] = []
    for one in word:
        if found and (found[-1], one) == pair:
            found[-1] = token
        else:
            found.append(one)
    return found


def test_merges_and_tokens_are_what_a_plain_count_would_choose():
    """The library against counting everything again before each merge; so it is the same always."""
    text = sentences(3_000)
    words = Counter(bpe.words(text))
    pieces = {word: list(word) for word in words}
    expected = []
    for number in range(30):
        counts = Counter(
            pair
            for word, one in pieces.items()
            for pair in pairwise(one)
            for _ in range(words[word])
        )
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        expected.append(best)
        pieces = {word: joined(one, best, 256 + number) for word, one in pieces.items()}
    tokenizer = bpe.learn([text], vocabulary=286)
    assert list(tokenizer.merges) == expected
    tokens = [token for word in bpe.words(text) for token in pieces[word]]
    assert tokenizer.encode([text]).tolist() == tokens


def test_a_merge_that_makes_a_token_again_adds_none():
    again = bpe.Bpe(((97, 98), (98, 99), (256, 99), (97, 257)))
    assert again.vocabulary[256:] == [b"ab", b"bc", b"abc"]
    assert again.decode(again.encode([b"abc"])) == b"abc"


def test_an_image_without_the_tokenizer_says_which_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(BadRawDataError, match="image of scorers"):
        bpe.learn([b"abc"], vocabulary=300)


def test_a_short_text_gives_a_small_vocabulary():
    assert len(bpe.learn([b"aaaa"], vocabulary=1_000).vocabulary) == 258


def test_no_token_crosses_a_word():
    tokenizer = bpe.learn([b"of the of the of the " * 50], vocabulary=400)
    assert all(b" " not in token[1:] for token in tokenizer.vocabulary)


# -- nanochat ---------------------------------------------------------------------------------


def tokenized() -> sealing.Built:
    return prepare.tokenized(corpus.from_text(sentences(40_000)), TINY)


def test_the_tokenizer_is_learnt_from_training_text_alone():
    parts = corpus.from_text(sentences(40_000))
    other = corpus.Corpus(
        train=parts.train, holdout=[sentences(9_000)[::-1]], donor=parts.donor, locked=parts.locked
    )
    merges = [prepare.tokenized(one, TINY).public["train/merges.json"] for one in (parts, other)]
    assert merges[0] == merges[1]


def test_every_part_of_nanochat_is_its_text_in_tokens():
    built, parts = tokenized(), corpus.from_text(sentences(40_000))
    merges = json.loads(built.public["train/merges.json"])
    tokenizer = bpe.Bpe(tuple((left, right) for left, right in merges))
    assert tokenizer.decode(from_npy(built.public["train/tokens.npy"])) == parts.train[0]
    windows = from_npy(built.sealed["holdout/train/windows.npy"])
    assert windows.shape == (20, 17)
    assert parts.holdout[0].startswith(tokenizer.decode(windows.ravel()))
    assert from_npy(built.public["train/shape.npy"]).tolist() == [16, 300]


def test_nanochat_is_dealt_with_the_bytes_of_its_tokens(tmp_path):
    mounts = under(tmp_path)
    sealing.write(tokenized(), task="nanochat", seed=1, mounts=mounts)
    dealt = deal_tokens(mounts.sealed, "locked", "train")
    assert dealt.windows.max() < len(dealt.token_bytes) == 300
    assert dealt.token_bytes[:256].tolist() == [1] * 256
    assert len(dealt.donor) > 16


def test_too_little_text_is_refused_with_numbers():
    with pytest.raises(BadRawDataError, match=r"has [0-9]+ tokens and needs 340"):
        prepare.tokenized(corpus.from_text(sentences(4_000)), TINY)


def test_a_folder_of_nothing_is_refused(tmp_path):
    with pytest.raises(BadRawDataError, match=r"no \.parquet and no \.txt"):
        corpus.read(tmp_path)


def test_shards_without_the_pinned_one_are_refused(tmp_path):
    (tmp_path / "shard_00000.parquet").touch()
    with pytest.raises(BadRawDataError, match=r"shard_06542\.parquet"):
        corpus.read(tmp_path)


def write_shard(path: Path, documents: list[str], column: str = "text") -> None:
    """As the data set has them: a column of strings, row groups, compressed with zstd."""
    rows = pyarrow.table({column: documents})
    parquet.write_table(rows, path, row_group_size=16, compression="zstd")


def documents(name: str, count: int) -> list[str]:
    draws = random.Random(name)  # noqa: S311 - text, no secret
    words = sentences(300).decode().split()
    return [f"{name}{number} {' '.join(draws.choices(words, k=80))}" for number in range(count)]


def test_shards_are_trained_on_but_for_the_pinned_one_which_is_dealt_in_turn(tmp_path):
    for name in ("shard_00000", "shard_00001", "shard_06542"):
        write_shard(tmp_path / f"{name}.parquet", documents(name, 60))
    profile, found = corpus.read(tmp_path)
    assert profile == corpus.FULL
    expected = documents("shard_00000", 60) + documents("shard_00001", 60)
    assert found.train == [f"{text}\n\n".encode() for text in expected]
    pinned = [f"{text}\n\n".encode() for text in documents("shard_06542", 60)]
    assert [found.holdout, found.donor, found.locked] == [pinned[part::3] for part in range(3)]


def test_a_task_is_built_from_shards(tmp_path):
    for name in ("shard_00000", "shard_06542"):
        write_shard(tmp_path / f"{name}.parquet", documents(name, 60))
    built = prepare.build(1, tmp_path, TINY)
    assert from_npy(built.sealed["locked/train/windows.npy"]).shape == (20, 17)
    train = from_npy(built.public["train/tokens.npy"])
    tokenizer = bpe.Bpe(tuple(map(tuple, json.loads(built.public["train/merges.json"]))))
    assert tokenizer.decode(train).startswith(b"shard_000000 ")
    assert b"shard_06542" not in tokenizer.decode(train)


def test_a_shard_of_another_format_is_named(tmp_path):
    write_shard(tmp_path / "shard_06542.parquet", ["a"])
    write_shard(tmp_path / "shard_00000.parquet", ["a"], column="content")
    with pytest.raises(BadRawDataError, match=r"shard_00000\.parquet has no column 'text'"):
        corpus.read(tmp_path)


def test_an_image_that_cannot_read_shards_says_which_can(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    write_shard(tmp_path / "shard_06542.parquet", ["a"])
    write_shard(tmp_path / "shard_00000.parquet", ["a"])
    with pytest.raises(BadRawDataError, match="in the image of scorers"):
        corpus.read(tmp_path)


def test_text_files_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).write_bytes(name[:1].encode() * 50)
    profile, found = corpus.read(tmp_path)
    assert profile == corpus.SMALL
    assert found.train == [(b"a" * 50 + b"\n\n" + b"b" * 50)[:82]]


def test_the_full_profile_scores_what_the_issue_says():
    assert corpus.FULL.windows * corpus.FULL.positions == 131_072
    assert corpus.SMALL.windows * corpus.SMALL.positions == 16_384


def test_training_text_is_cut_at_its_limit():
    assert prepare._first_bytes([b"abc", b"defg", b"hi"], 5) == [b"abc", b"de"]
    assert prepare._first_bytes([b"abc", b"de"], 50) == [b"abc", b"de"]
    assert prepare._first_bytes([b"abc", b"de"], 3) == [b"abc"]
