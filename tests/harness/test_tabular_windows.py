"""Windows: the public part of each is its past and nothing else, and the last is locked."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from harness.raw import BadRawDataError
from harness.tasks import tabular
from harness.tasks.tabular.table import BadTableError, Description, read_table
from harness.tasks.tabular.windows import build, build_table, cut_windows
from harness.verbs import BAD_RAW_DATA, main
from tests.harness.real_files import REAL

ROWS = 100
HOLDOUT = ["w0", "w1", "w2", "w3", "w4"]
PLAIN = Description(file="x.csv", target="y", positive="yes")


def content(rows: int = ROWS, day=lambda row: row) -> bytes:
    """Rows that carry their number, so that each can be followed."""
    answers = ["yes" if row % 7 in (0, 3) else "no" for row in range(rows)]
    lines = [f"{day(row)},{row},w{row % 3},{answer}" for row, answer in enumerate(answers)]
    return ("day,number,word,y\n" + "\n".join(lines) + "\n").encode()


def array(files, name):
    return np.load(io.BytesIO(files[name]), allow_pickle=False)


def numbers(files, folder):
    return array(files, f"{folder}/numbers.npy")[:, 1].astype(int).tolist()


@pytest.fixture(scope="module")
def built():
    return build_table(read_table(content(), PLAIN), PLAIN)


def test_every_window_trains_on_its_past_and_is_asked_about_what_comes_next(built):
    for place, split in enumerate(HOLDOUT):
        cut = 40 + 10 * place
        assert numbers(built.public, split) == list(range(cut))
        assert numbers(built.sealed, f"holdout/{split}") == list(range(cut, cut + 10))


def test_the_last_window_is_locked(built):
    assert numbers(built.public, "last") == list(range(90))
    assert numbers(built.sealed, "locked/last") == list(range(90, 100))
    assert not any(name.startswith("holdout/last") for name in built.sealed)


def test_analysis_sees_what_every_window_trains_on(built):
    seen = set(numbers(built.public, "analysis"))
    assert seen == set.intersection(*(set(numbers(built.public, split)) for split in HOLDOUT))


def test_no_public_part_of_a_window_holds_a_row_that_it_is_asked_about(built):
    for split in HOLDOUT:
        asked = set(numbers(built.sealed, f"holdout/{split}"))
        assert not asked & set(numbers(built.public, split))


def test_rows_words_and_targets_stay_together(built):
    for files, folder in ((built.public, "w1"), (built.sealed, "holdout/w1")):
        rows = numbers(files, folder)
        words = array(files, f"{folder}/words.npy")[:, 0]
        assert [word.decode() for word in words] == [f"w{row % 3}" for row in rows]
        targets = array(files, f"{folder}/targets.npy").tolist()
        assert targets == [int(row % 7 in (0, 3)) for row in rows]


def test_rows_of_one_time_are_on_one_side_of_a_cut():
    description = Description(file="x", target="y", positive="yes", time="day")
    found = read_table(content(day=lambda row: row // 8), description)
    windows = list(cut_windows(found, description))
    assert [window.cut for window in windows] == [40, 56, 64, 72, 80, 96]
    assert all(window.cut % 8 == 0 for window in windows)


def test_too_few_rows_are_explained():
    with pytest.raises(BadTableError, match="window w0"):
        build_table(read_table(content(rows=4), PLAIN), PLAIN)


def test_a_window_of_one_class_is_explained_with_its_lines():
    lines = content().decode().splitlines()
    lines[61:71] = [line.replace("yes", "no") for line in lines[61:71]]
    text = "\n".join(lines).encode()
    with pytest.raises(BadTableError, match=r"future of window w2 \(lines 62 to 71\)"):
        build_table(read_table(text, PLAIN), PLAIN)


@pytest.mark.parametrize("cuts", [(), (0.5,), (0.5, 0.4), (0.0, 0.5), (0.5, 1.0)])
def test_odd_cuts_are_refused(cuts):
    description = Description(file="x", target="y", positive="yes", cuts=cuts)
    with pytest.raises(BadTableError, match="cuts must be"):
        build_table(read_table(content(), description), description)


@pytest.mark.parametrize("folder", [None, Path("/nonexistent")])
def test_a_missing_file_is_named(folder):
    with pytest.raises(BadRawDataError, match=r"no x\.csv among the raw files"):
        build(0, folder, PLAIN)


def test_building_is_the_same_every_time(tmp_path):
    (tmp_path / "x.csv").write_bytes(content())
    assert build(1, tmp_path, PLAIN) == build(2, tmp_path, PLAIN)


@pytest.mark.skipif(
    not (REAL / tabular.DESCRIPTION.file).is_file(), reason="the real file lies elsewhere"
)
@pytest.mark.slow
def test_the_real_file_has_its_rows_and_no_duration():
    built = tabular.build(0, REAL)
    names = array(built.public, "w0/number_names.npy").tolist()
    assert "duration" not in names
    assert len(names) == 9
    assert array(built.public, "last/targets.npy").shape == (37069,)
    assert array(built.sealed, "locked/last/targets.npy").shape == (4119,)
    assert sum(len(one) for one in built.public.values()) < 64 * 2**20


def test_a_bad_file_ends_prepare_with_one_sentence(tmp_path, capsys):
    (tmp_path / "bank-additional-full.csv").write_text('"age";"y"\n1;"no"\n')
    arguments = ["prepare", "tabular", "--raw", str(tmp_path), "--root", str(tmp_path / "root")]
    assert main(arguments) == BAD_RAW_DATA
    assert capsys.readouterr().err == ("there is no column 'duration'; the file has age, y\n")
