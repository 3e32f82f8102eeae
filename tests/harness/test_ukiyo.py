"""A folder of Ukiyo-eVG becomes folds that share nothing, or an error that names the file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import prints_folder
import pytest
from PIL import Image

from harness import sealing
from harness.mounts import Mounts, under
from harness.scoring.outputs import Code, InvalidOutputsError
from harness.sealing import Built
from harness.tasks.eclip_ukiyo import build, deal, odvg, pictures, words
from harness.tasks.eclip_ukiyo.odvg import BadPrintsError

SEED = 3
SPLITS = ("fold0", "fold1", "fold2", "full")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ukiyo")
    prints_folder.write(folder)
    return folder


@pytest.fixture(scope="module")
def built(raw: Path) -> Built:
    return build(SEED, raw)


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, dict[str, list[prints_folder.Line]]]:
    """A folder that a test may damage, and its lines."""
    return tmp_path, prints_folder.write(tmp_path)


def load(built: Built, name: str) -> np.ndarray:
    content = {**built.public, **built.sealed}[f"{name}.npy"]
    return np.load(io.BytesIO(content), allow_pickle=False)


def rows(built: Built, name: str) -> set[bytes]:
    return {row.tobytes() for row in load(built, name)}


def test_one_seed_gives_the_same_bytes_and_another_gives_other_folds(raw, built):
    assert build(SEED, raw) == built
    assert rows(build(SEED + 1, raw), "fold0/images") != rows(built, "fold0/images")


def test_a_folder_inside_the_given_one_is_found(raw, built):
    assert odvg.find_root(raw) == raw
    assert odvg.find_root(raw.parent) == raw


def test_no_row_that_a_split_is_asked_about_is_one_it_trained_on(built):
    for split, part in zip(SPLITS, ("holdout", "holdout", "holdout", "locked"), strict=True):
        assert not rows(built, f"{split}/images") & rows(built, f"{part}/{split}/images")


def test_the_folds_ask_about_every_print_of_the_pool_once(built):
    asked = [len(load(built, f"holdout/fold{number}/images")) for number in range(3)]
    assert asked == [8, 8, 8]
    every = set().union(*(rows(built, f"holdout/fold{number}/images") for number in range(3)))
    assert every == rows(built, "full/images")
    assert len(every) == 24


def test_the_locked_prints_are_in_no_public_file(built):
    locked = load(built, "locked/full/images")
    assert len(locked) == 8
    public = b"".join(built.public.values())
    assert not any(row.tobytes() in public for row in locked)


def test_what_a_split_is_asked_about_has_no_phrases_boxes_or_partner_in_its_public_part(built):
    assert {name.rpartition("/")[2] for name in built.sealed} == {"images.npy", "captions.npy"}
    for name in ("images", "captions"):
        content = b"".join(one for path, one in built.public.items() if path.startswith("fold1/"))
        hidden = rows(built, f"holdout/fold1/{name}") - rows(built, f"fold1/{name}")
        assert hidden
        assert not any(row in content for row in hidden)


def test_every_array_has_the_shape_that_the_program_promises(built):
    for split in SPLITS:
        found = {
            name: (
                load(built, f"{split}/{name}").dtype.str,
                load(built, f"{split}/{name}").shape[1:],
            )
            for name in ("images", "captions", "phrases", "boxes")
        }
        assert found == {
            "images": ("|u1", (64, 64, 3)),
            "captions": ("<u2", (64,)),
            "phrases": ("<u2", (8, 16)),
            "boxes": ("<f4", (8, 4)),
        }


def test_boxes_are_shares_and_go_with_phrases(built):
    boxes, phrases = load(built, "full/boxes"), load(built, "full/phrases")
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert (boxes.any(axis=2) == phrases.any(axis=2)).all()
    used = boxes[boxes.any(axis=2)]
    assert (used[:, :2] < used[:, 2:]).all()


def test_captions_are_words_of_the_splits_own_training_captions(built):
    for split in SPLITS:
        vocabulary = load(built, f"{split}/vocabulary").tolist()
        assert vocabulary[:2] == ["<pad>", "<unk>"]
        said = load(built, f"{split}/captions")
        assert said.max() < len(vocabulary)
        counts = np.bincount(said.ravel(), minlength=len(vocabulary))
        assert (counts[2:] >= words.MIN_COUNT).all()


def test_a_word_that_training_never_says_is_unknown_and_teaches_nothing():
    vocabulary = words.learn(["Mount Fuji, Mount Fuji's snow", "a Mount"])
    assert vocabulary == ("<pad>", "<unk>", "mount")
    assert words.tokens(["Mount Asama", ""], vocabulary, length=3).tolist() == [
        [2, 1, 0],
        [1, 0, 0],
    ]


def test_lines_that_cannot_be_used_are_skipped_and_counted(own):
    raw, lines = own
    no_caption, no_regions, flat, twice = (
        json.loads(json.dumps(one)) for one in lines["train"][:4]
    )
    no_caption["grounding"]["caption"] = "  "
    no_regions["grounding"]["regions"] = []
    for region in flat["grounding"]["regions"]:
        region["bbox"][2] = region["bbox"][0]
    asked = lines["test"][0]
    changed = [no_caption, no_regions, flat, twice, twice, asked, *lines["train"][4:]]
    prints_folder.write_lines(raw / odvg.POOL[0], changed)
    counts = json.loads(build(SEED, raw).public["counts.json"])
    assert counts == {
        "pool": {"lines": 26, "used": 21, "no_caption": 1, "no_regions": 2, "repeated": 2},
        "locked": {"lines": 8, "used": 8},
    }


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def overwrite(path: Path) -> None:
    path.write_bytes(b"<html>not found</html>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [remove, truncate, overwrite, empty])
def test_a_missing_or_broken_image_is_an_error_with_its_name(own, damage: Callable[[Path], None]):
    raw, _ = own
    damage(raw / "images" / "val0002.jpg")
    with pytest.raises(BadPrintsError, match=r"images/val0002\.jpg"):
        build(SEED, raw)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("{", "JSONDecodeError", id="not json"),
        pytest.param("[]", "TypeError", id="not an object"),
        pytest.param('{"filename": "a.jpg"}', "'grounding'", id="no grounding"),
        pytest.param(
            '{"filename": "../a.jpg", "width": 1, "height": 1, "grounding": {}}',
            "not a name below",
            id="out of the folder",
        ),
        pytest.param(
            '{"filename": "a.jpg", "width": 0, "height": 1, "grounding": {"caption": "a",'
            ' "regions": [{"phrase": "a", "bbox": [0, 0, 1, 1]}]}}',
            "the box",
            id="no width",
        ),
    ],
)
def test_a_line_of_another_format_is_an_error_with_its_place(own, line, said):
    raw, _ = own
    path = raw / odvg.POOL[1]
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(BadPrintsError, match=r"val_pgt_odvg\.jsonl, line 7: .*" + said):
        build(SEED, raw)


def test_missing_annotations_are_named(own, tmp_path):
    raw, _ = own
    (raw / odvg.LOCKED[0]).unlink()
    with pytest.raises(BadPrintsError, match=r"ukiyoe_vg_test_annotated\.jsonl"):
        build(SEED, raw)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadPrintsError, match="annotations/Ukiyo-eVG"):
        odvg.find_root(tmp_path / "nothing")
    with pytest.raises(BadPrintsError, match="none was given"):
        build(SEED, None)


def test_too_few_prints_are_said_so(tmp_path):
    prints_folder.write(tmp_path, {"train": 2, "val": 1, "test": 3})
    with pytest.raises(BadPrintsError, match="too few usable prints: 3"):
        build(SEED, tmp_path)


def test_images_of_every_mode_and_size_become_small_colour_squares(tmp_path):
    for name, mode in (("grey.png", "L"), ("alpha.png", "RGBA"), ("palette.png", "P")):
        Image.new(mode, (300, 20)).save(tmp_path / name)
    assert pictures.read(tmp_path, ["grey.png", "alpha.png", "palette.png"]).shape == (3, 64, 64, 3)


# -- scoring --------------------------------------------------------------------------------


@pytest.fixture
def mounts(tmp_path: Path, built: Built) -> Mounts:
    folders = under(tmp_path / "mounts")
    sealing.write(built, task="eclip-ukiyo", seed=SEED, mounts=folders)
    for predictor in ("images", "captions"):
        (folders.outputs / predictor).mkdir(parents=True)
    return folders


def score(mounts: Mounts, images: np.ndarray, captions: np.ndarray, dealt=None) -> float:
    dealt = dealt or deal(mounts.sealed, "holdout", "fold0")
    for name, array in (("images", images), ("captions", captions)):
        np.save(mounts.outputs / name / "embeddings.npy", array.astype(np.float32))
    return dealt.measure(mounts.outputs)["mean_rank"]


def knowing(sealed: np.ndarray, given: np.ndarray) -> np.ndarray:
    place = {row.tobytes(): number for number, row in enumerate(sealed)}
    return np.eye(len(sealed))[[place[row.tobytes()] for row in given]]


def test_a_model_that_knows_every_pair_has_rank_zero_and_position_says_nothing(mounts, built):
    dealt = deal(mounts.sealed, "holdout", "fold0")
    known = [
        knowing(load(built, f"holdout/fold0/{name}"), dealt.inputs[f"{name}/{name}.npy"])
        for name in ("images", "captions")
    ]
    assert score(mounts, *known, dealt) == 0
    assert score(mounts, np.eye(8), np.eye(8)) > 0


def test_equal_embeddings_are_worst(mounts):
    assert score(mounts, np.ones((8, 2)), np.ones((8, 2))) == 7


@pytest.mark.parametrize(
    ("images", "code"),
    [
        pytest.param(np.eye(7, 8), Code.WRONG_SHAPE, id="a row dropped"),
        pytest.param(np.eye(9, 8), Code.WRONG_SHAPE, id="a row added"),
        pytest.param(np.eye(16, 8), Code.WRONG_SHAPE, id="another split's number of rows"),
        pytest.param(np.full((8, 8), np.nan), Code.NOT_FINITE, id="nan"),
    ],
)
def test_other_rows_than_those_asked_about_are_refused(mounts, images, code):
    with pytest.raises(InvalidOutputsError) as refused:
        score(mounts, images, np.eye(8))
    assert refused.value.code is code


def test_reordered_rows_and_another_splits_answers_cost_their_rank(mounts, built):
    dealt = deal(mounts.sealed, "holdout", "fold0")
    images, captions = (
        knowing(load(built, f"holdout/fold0/{name}"), dealt.inputs[f"{name}/{name}.npy"])
        for name in ("images", "captions")
    )
    assert score(mounts, np.roll(images, 1, axis=0), captions, dealt) > 0
    other = deal(mounts.sealed, "holdout", "fold1")
    from_other = knowing(load(built, "holdout/fold1/images"), other.inputs["images/images.npy"])
    assert score(mounts, from_other, captions, dealt) > 0
