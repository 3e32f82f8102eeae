"""eclip-ukiyo's WordPiece: words of a split in the pieces of a pretrained vocabulary."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from runner.paths import PROJECT

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "fuji",
    "wave",
    "##s",
    "##form",
    "w",
    "'",
    "kobe",
    "8",
]


@pytest.fixture(scope="module")
def wordpiece() -> ModuleType:
    path = PROJECT / "workspace-template" / "eclip-ukiyo" / "wordpiece.py"
    spec = importlib.util.spec_from_file_location("wordpiece", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        pytest.param("fuji", ["fuji"], id="a whole word"),
        pytest.param("Fuji", ["fuji"], id="lower case"),
        pytest.param("waves", ["wave", "##s"], id="the longest piece first"),
        pytest.param("waveforms", ["wave", "##form", "##s"], id="again and again"),
        pytest.param("kōbe's", ["kobe", "'", "[UNK]"], id="no accents, marks apart"),
        pytest.param("wavex", ["[UNK]"], id="what cannot be spelt to its end is one unknown piece"),
        pytest.param("swave", ["[UNK]"], id="a word does not start with a piece that goes on"),
        pytest.param("88", ["[UNK]"], id="nor goes on with one that starts"),
    ],
)
def test_a_word_is_made_of_the_longest_pieces(
    wordpiece: ModuleType, word: str, pieces: list[str]
) -> None:
    numbers = {piece: number for number, piece in enumerate(PIECES)}
    assert wordpiece.pieces(word, numbers) == [PIECES.index(piece) for piece in pieces]


def test_a_pieces_number_is_its_line(wordpiece: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    numbers = wordpiece.read_vocabulary(tmp_path / "vocab.txt")
    assert numbers == {piece: number for number, piece in enumerate(PIECES)}


def test_a_line_separator_inside_a_piece_ends_no_line(
    wordpiece: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "vocab.txt").write_text("a\u2028b\nc\n", encoding="utf-8")
    assert wordpiece.read_vocabulary(tmp_path / "vocab.txt") == {"a\u2028b": 0, "c": 1}


def test_padding_has_no_piece_and_an_unknown_word_has_one(wordpiece: ModuleType) -> None:
    numbers = {piece: number for number, piece in enumerate(PIECES)}
    table = wordpiece.table(["<pad>", "<unk>", "waves", "fuji"], numbers)
    assert table == [[0, 0], [1, 0], [5, 6], [4, 0]]
