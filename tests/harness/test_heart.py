"""Heart: five folds that share nothing but the table, and a locked fifth that none of them has."""

from __future__ import annotations

import io

import numpy as np
import pytest

from harness.raw import BadRawDataError
from harness.sealing import Built
from harness.tasks import heart
from harness.tasks.heart.prepare import FILE, FOLDS, NAMES, build, divide, draw_folds, read_rows
from harness.tasks.tabular.table import BadTableError
from tests.harness.real_files import REAL

ROWS = 203
SEED = 2**127 + 5
EVALUATED = [*(f"holdout/fold{number}" for number in range(FOLDS)), "locked/full"]


def content(rows: int = ROWS) -> bytes:
    """Rows in the official format whose age is their number, some of them with gaps."""
    middle = "1.0,4.0,130.0,250.0,0.0,2.0,150.0,0.0,1.5,2.0"
    lines = [
        f"{row}.0,{middle},{'?' if row % 50 == 3 else '1.0'},3.0,{max(0, row % 9 - 4)}"
        for row in range(rows)
    ]
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture(scope="module")
def built() -> Built:
    return divide(SEED, read_rows(content()))


def array(built: Built, name: str) -> np.ndarray:
    files = built.sealed if name.startswith(("holdout", "locked")) else built.public
    return np.load(io.BytesIO(files[f"{name}.npy"]), allow_pickle=False)


def people(built: Built, folder: str) -> list[int]:
    return array(built, f"{folder}/numbers")[:, 0].astype(int).tolist()


def test_everybody_is_evaluated_once(built):
    found = [one for folder in EVALUATED for one in people(built, folder)]
    assert sorted(found) == list(range(ROWS))


def test_a_fold_trains_on_the_other_four_and_never_on_the_locked(built):
    locked = set(people(built, "locked/full"))
    for number in range(FOLDS):
        trained, asked = (set(people(built, f"{part}fold{number}")) for part in ("", "holdout/"))
        assert not trained & (asked | locked)
        assert len(trained | asked | locked) == ROWS


def test_full_trains_on_all_five_folds(built):
    folds = {one for number in range(FOLDS) for one in people(built, f"holdout/fold{number}")}
    assert set(people(built, "full")) == folds


def test_a_fifth_is_locked_and_every_part_has_its_share_of_each_class(built):
    assert len(people(built, "locked/full")) == pytest.approx(0.2 * ROWS, abs=1)
    share = np.mean([max(0, row % 9 - 4) > 0 for row in range(ROWS)])
    for folder in EVALUATED:
        targets = array(built, f"{folder}/targets")
        assert targets.mean() == pytest.approx(share, abs=1.1 / len(targets))


def test_rows_keep_their_targets_and_gaps(built):
    for folder in (*EVALUATED, "full", "fold2"):
        rows = array(built, f"{folder}/numbers")
        targets = array(built, f"{folder}/targets")
        assert targets.tolist() == [int(int(row[0]) % 9 > 4) for row in rows]
        gaps = np.isnan(rows[:, NAMES.index("ca")])
        assert gaps.tolist() == [int(row[0]) % 50 == 3 for row in rows]


def test_the_division_is_the_seeds_and_nothing_elses():
    table = read_rows(content())
    assert divide(SEED, table) == divide(SEED, table)
    others = [people(divide(seed, table), "locked/full") for seed in range(4)]
    assert len({tuple(other) for other in others}) == 4


def test_folds_differ_in_size_by_one_at_most():
    for positives in range(5, 12):
        targets = np.array([1] * positives + [0] * 14, dtype=np.uint8)
        sizes = np.bincount(draw_folds(np.random.default_rng(1), targets))
        assert len(sizes) == FOLDS
        assert sizes.max() - sizes.min() <= 1


def test_nobody_is_a_training_row_of_every_fold_so_there_is_nothing_to_analyse(built):
    every = set.intersection(*(set(people(built, f"fold{number}")) for number in range(FOLDS)))
    assert every == set()
    assert not any(name.startswith("analysis/") for name in built.public)


ROW = "0.0,1.0,4.0,130.0,250.0,0.0,2.0,150.0,0.0,1.5,2.0,1.0,3.0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(f"{ROW},0\n{ROW},1\n{ROW},low\n", "line 3: could not", id="word"),
        pytest.param(f"{ROW},0\n{ROW}\n", "line 2: not 13 measurements", id="short"),
        pytest.param(f"{ROW},?\n{ROW},1\n", "line 1: not 13 measurements", id="no target"),
        pytest.param(f"{ROW},0\n{ROW},0\n", "with the disease and rows without", id="one class"),
        pytest.param("", "with the disease and rows without", id="empty"),
    ],
)
def test_a_file_that_is_not_the_official_one_is_explained(text, said):
    with pytest.raises(BadTableError, match=said):
        read_rows(text.encode())


def test_a_missing_file_is_named(tmp_path):
    for folder in (None, tmp_path):
        with pytest.raises(BadRawDataError, match=FILE):
            build(SEED, folder)


@pytest.mark.skipif(not (REAL / FILE).is_file(), reason="the real file lies elsewhere")
def test_the_real_file_has_its_303_rows():
    built = heart.build(SEED, REAL)
    assert len(array(built, "full/targets")) == 242
    assert len(array(built, "locked/full/targets")) == 61
    assert array(built, "full/number_names").tolist() == list(NAMES)
    gaps = (
        np.isnan(array(built, "full/numbers")).sum()
        + np.isnan(array(built, "locked/full/numbers")).sum()
    )
    assert gaps == 6
