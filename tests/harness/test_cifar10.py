"""Official batches become a training part and two sealed ones; only knowing a label names it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import photographs
import pytest

from harness import sealing, verbs
from harness.mounts import Mounts, under
from harness.scoring.outputs import Code, InvalidOutputsError
from harness.scoring.protocol import Dealt
from harness.sealing import Built
from harness.tasks.cifar10 import build, deal, records
from harness.tasks.cifar10.prepare import draw_holdout
from harness.tasks.cifar10.records import BadBatchError
from tests.harness.real_files import REAL

SEED = 4
ASKED = 10


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cifar")
    photographs.write(folder)
    return folder


@pytest.fixture(scope="module")
def built(raw: Path) -> Built:
    return build(SEED, raw)


@pytest.fixture
def mounts(tmp_path: Path, built: Built) -> Mounts:
    folders = under(tmp_path)
    sealing.write(built, task="cifar10", seed=SEED, mounts=folders)
    (folders.outputs / "images").mkdir(parents=True)
    return folders


def load(built: Built, name: str) -> np.ndarray:
    content = {**built.public, **built.sealed}[f"{name}.npy"]
    return np.load(io.BytesIO(content), allow_pickle=False)


def rows(built: Built, name: str) -> set[bytes]:
    return {row.tobytes() for row in load(built, name)}


def test_records_are_read_as_the_format_says(tmp_path):
    """Label byte, then the red plane, the green and the blue, each row by row."""
    (tmp_path / "data_batch_1.bin").write_bytes(bytes([7]) + bytes(range(256)) * 12)
    found = records.read_training(tmp_path)
    assert found.labels.tolist() == [7]
    assert found.images.shape == (1, 32, 32, 3)
    plane = np.arange(1024) % 256
    for channel in range(3):
        assert found.images[0, :, :, channel].ravel().tolist() == plane.tolist()


def test_one_seed_gives_the_same_bytes_and_another_another_holdout(raw, built):
    assert build(SEED, raw) == built
    other = build(SEED + 1, raw)
    assert rows(other, "holdout/train/images") != rows(built, "holdout/train/images")
    assert other.sealed["locked/train/images.npy"] == built.sealed["locked/train/images.npy"]


def test_the_batches_are_found_in_their_folder_and_outside_of_it(raw, built):
    assert build(SEED, raw / records.FOLDER) == built


def test_parts_share_no_photograph_and_every_training_record_is_in_one(built):
    train, holdout, locked = (
        rows(built, name)
        for name in ("train/images", "holdout/train/images", "locked/train/images")
    )
    assert not train & holdout
    assert not (train | holdout) & locked
    assert (len(train), len(holdout), len(locked)) == (90, 10, 30)


def test_the_holdout_has_the_same_share_of_every_class(built):
    assert sorted(load(built, "holdout/train/labels").tolist()) == list(range(10))


def test_the_official_sizes_give_five_thousand_held_out():
    held_out = draw_holdout(np.repeat(np.arange(10), 5_000), 1)
    assert held_out.reshape(10, 5_000).sum(axis=1).tolist() == [500] * 10


def test_evaluation_labels_and_photographs_are_in_no_public_file(built):
    assert set(built.public) == {f"train/{name}.npy" for name in ("images", "labels", "names")}
    content = b"".join(built.public.values())
    for part in ("holdout", "locked"):
        assert not any(row in content for row in rows(built, f"{part}/train/images"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "0 bytes", id="empty"),
        pytest.param(b"\0" * 3072, "3072 bytes", id="cut off"),
        pytest.param(b"\x1f\x8b" + b"\0" * 4000, "4002 bytes", id="still an archive"),
        pytest.param(
            b"\0" * 3073 + b"\x0a" + b"\0" * 3072, "record 1 has the label 10", id="label"
        ),
    ],
)
def test_a_batch_of_another_format_is_an_error_with_its_name(tmp_path, content, said):
    photographs.write(tmp_path)
    (tmp_path / records.FOLDER / "data_batch_2.bin").write_bytes(content)
    with pytest.raises(BadBatchError, match=rf"data_batch_2\.bin: .*{said}"):
        build(SEED, tmp_path)


@pytest.mark.parametrize("names", [("data_batch_1",), ("test_batch",), ()])
def test_a_missing_batch_is_named(tmp_path, names):
    photographs.write(tmp_path, dict.fromkeys(names, 20))
    missing = "test_batch" if "data_batch_1" in names else r"data_batch_\*"
    with pytest.raises(BadBatchError, match=rf"there is no cifar-10-batches-bin/{missing}\.bin"):
        build(SEED, tmp_path)


def test_it_is_not_made_from_nothing():
    with pytest.raises(BadBatchError, match="none were given"):
        build(SEED, None)


# -- scoring --------------------------------------------------------------------------------


def score(mounts: Mounts, dealt: Dealt, scores: np.ndarray) -> float:
    np.save(mounts.outputs / "images" / "scores.npy", scores)
    return dealt.measure(mounts.outputs)["error_rate"]


def dealt_labels(built: Built, dealt: Dealt) -> np.ndarray:
    """What only the scorer knows: the label of each photograph in the dealt order."""
    images, labels = (load(built, f"holdout/train/{name}") for name in ("images", "labels"))
    label = {row.tobytes(): one for row, one in zip(images, labels, strict=True)}
    return np.array([label[row.tobytes()] for row in dealt.inputs["images/images.npy"]])


def one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(10, dtype=np.float32)[labels]


@pytest.fixture
def dealt(mounts: Mounts) -> Dealt:
    return deal(mounts.sealed, "holdout", "train")


def test_only_images_are_dealt_in_an_order_drawn_each_time(mounts, built):
    orders = set()
    for _ in range(3):
        inputs = deal(mounts.sealed, "holdout", "train").inputs
        assert list(inputs) == ["images/images.npy"]
        assert {row.tobytes() for row in inputs["images/images.npy"]} == rows(
            built, "holdout/train/images"
        )
        orders.add(inputs["images/images.npy"].tobytes())
    assert len(orders) == 3


def test_knowing_every_label_makes_no_error_and_knowing_none_of_them_only_errors(
    mounts, built, dealt
):
    labels = dealt_labels(built, dealt)
    assert score(mounts, dealt, one_hot(labels)) == 0
    assert score(mounts, dealt, one_hot((labels + 1) % 10)) == 1
    half = one_hot(np.where(np.arange(ASKED) < 5, labels, (labels + 1) % 10))
    assert score(mounts, dealt, half) == 0.5


@pytest.mark.parametrize("value", [0.0, 1.0, -3e38, 3e38])
def test_equal_scores_are_always_wrong(mounts, dealt, value):
    assert score(mounts, dealt, np.full((ASKED, 10), value, np.float32)) == 1


def test_a_tie_with_one_other_class_is_an_error(mounts, built, dealt):
    labels = dealt_labels(built, dealt)
    assert score(mounts, dealt, one_hot(labels) + one_hot((labels + 1) % 10)) == 1


def test_one_class_for_all_is_right_for_its_own_only(mounts, dealt):
    assert score(mounts, dealt, one_hot(np.full(ASKED, 3))) == pytest.approx(0.9)


def test_reordered_answers_and_those_of_another_trial_are_wrong_rows(mounts, built, dealt):
    labels = dealt_labels(built, dealt)
    assert score(mounts, dealt, one_hot(np.roll(labels, 1))) > 0
    assert score(mounts, dealt, one_hot(load(built, "holdout/train/labels"))) > 0


@pytest.mark.parametrize(
    ("scores", "code"),
    [
        pytest.param(np.zeros((9, 10), "f4"), Code.WRONG_SHAPE, id="a row dropped"),
        pytest.param(np.zeros((11, 10), "f4"), Code.WRONG_SHAPE, id="a row added"),
        pytest.param(np.zeros((30, 10), "f4"), Code.WRONG_SHAPE, id="the locked rows instead"),
        pytest.param(np.zeros((10, 11), "f4"), Code.WRONG_SHAPE, id="a class added"),
        pytest.param(np.zeros(10, "i8"), Code.WRONG_DTYPE, id="labels instead of scores"),
        pytest.param(np.zeros((10, 10), "f8"), Code.WRONG_DTYPE, id="float64"),
        pytest.param(np.full((10, 10), np.nan, "f4"), Code.NOT_FINITE, id="nan"),
        pytest.param(np.full((10, 10), np.inf, "f4"), Code.NOT_FINITE, id="infinity"),
    ],
)
def test_other_arrays_than_the_one_asked_for_are_refused(mounts, dealt, scores, code):
    with pytest.raises(InvalidOutputsError) as refused:
        score(mounts, dealt, scores)
    assert refused.value.code is code


def test_the_locked_part_is_the_test_batch(mounts, raw):
    inputs = deal(mounts.sealed, "locked", "train").inputs["images/images.npy"]
    official = records.read_test(raw).images
    assert sorted(map(bytes, inputs)) == sorted(map(bytes, official))


def test_preparing_from_bad_files_ends_with_one_sentence_and_no_traceback(tmp_path, capsys):
    arguments = ["prepare", "cifar10", "--raw", str(tmp_path), "--root", str(tmp_path / "mounts")]
    assert verbs.main(arguments) == verbs.BAD_RAW_DATA
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("there is no cifar-10-batches-bin/data_batch_")
    assert not (tmp_path / "mounts").exists()


@pytest.mark.skipif(not (REAL / records.FOLDER).is_dir(), reason="no official batches here")
def test_official_batches_are_divided_by_class_and_show_photographs():
    built = build(SEED, REAL)
    train, holdout, locked = (
        np.bincount(load(built, f"{part}/labels"), minlength=10)
        for part in ("train", "holdout/train", "locked/train")
    )
    assert holdout.tolist() == [round(0.1 * one) for one in (train + holdout)]
    assert (locked > 0).all()
    images = load(built, "train/images")[:500].astype(float)
    across = np.abs(np.diff(images, axis=2)).mean()
    assert across < images.std() / 3  # neighbours are alike, so the planes were read as planes
