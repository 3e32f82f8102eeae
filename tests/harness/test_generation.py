"""The data set is a function of its seed, and its parts share nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest

from harness.sealing import Built
from harness.tasks.eclip import scenes
from harness.tasks.eclip.draws import Draws
from harness.tasks.eclip.prepare import Sizes, build
from harness.tasks.eclip.prints import box, paint

SMALL = Sizes(train=24, holdout=20, locked=20)


def load(content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(content), allow_pickle=False)


def every_row(built: Built, name: str) -> list[bytes]:
    """Every row of one kind of array, over all three parts."""
    arrays = [built.public[f"train/{name}.npy"]]
    arrays += [built.sealed[f"{part}/train/{name}.npy"] for part in ("holdout", "locked")]
    return [row.tobytes() for content in arrays for row in load(content)]


def test_one_seed_gives_the_same_bytes(built):
    again = build(5, sizes=SMALL)
    assert again == built


def test_the_bytes_are_those_that_every_platform_gives(built):
    """Pinned, so that a change of the generator or of a platform's arithmetic shows itself."""
    images, captions = (
        load(built.sealed[f"locked/train/{name}.npy"]) for name in ("images", "captions")
    )
    assert (int(images.astype(np.int64).sum()), int(captions.sum())) == (13909738, 3948)


def test_another_seed_gives_other_prints_and_captions(built):
    other = build(6, sizes=SMALL)
    assert not set(every_row(other, "images")) & set(every_row(built, "images"))
    assert set(every_row(other, "captions")) != set(every_row(built, "captions"))


@pytest.mark.parametrize("name", ["images", "captions"])
def test_no_row_occurs_twice_in_any_part(built, name):
    rows = every_row(built, name)
    assert len(set(rows)) == len(rows) == 64


def test_the_same_things_in_another_order_are_not_another_caption():
    built = build(1, sizes=Sizes(train=300, holdout=100, locked=100))
    sentences = [sentence(np.frombuffer(row, np.uint8)) for row in every_row(built, "captions")]
    unordered = {tuple(sorted(one.split(" and "))) for one in sentences}
    assert len(unordered) == 500


def sentence(tokens: np.ndarray) -> str:
    return " ".join(scenes.VOCABULARY[token] for token in tokens if token)


def test_the_public_part_holds_training_data_only(built):
    assert set(built.public) == {
        "samples.png",
        *(f"train/{name}.npy" for name in ("images", "captions", "phrases", "boxes", "vocabulary")),
    }


def test_phrases_are_the_captions_parts_and_boxes_go_with_phrases(built):
    train = {
        name: load(built.public[f"train/{name}.npy"]) for name in ("captions", "phrases", "boxes")
    }
    for caption, phrases, boxes in zip(*train.values(), strict=True):
        said = [sentence(phrase) for phrase in phrases if phrase.any()]
        assert " and ".join(said) == sentence(caption)
        assert [bool(one.any()) for one in phrases] == [bool(one.any()) for one in boxes]
        for x0, y0, x1, y1 in boxes[: len(said)]:
            assert 0 <= x0 < x1 <= scenes.SIDE
            assert 0 <= y0 < y1 <= scenes.SIDE


def test_a_box_holds_everything_that_its_thing_paints():
    draws = Draws("one")
    thing = scenes.draw_scene(draws)[0]
    with_it, without_it = (paint(scene, Draws("same ground")) for scene in ((thing,), ()))
    changed = np.argwhere((with_it != without_it).any(axis=2))
    x0, y0, x1, y1 = box(thing)
    assert len(changed) > 0
    assert changed.min(axis=0).tolist() >= [y0, x0]
    assert (changed.max(axis=0) < [y1, x1]).all()


def test_draws_cover_their_range_and_nothing_else():
    draws = Draws("range")
    assert {draws.below(3) for _ in range(100)} == {0, 1, 2}
    noise = Draws("range").noise((40, 40), 2, name="any")
    assert set(noise.ravel().tolist()) == {-2, -1, 0, 1, 2}


def test_the_picture_is_a_png(built):
    assert built.public["samples.png"].startswith(b"\x89PNG\r\n")
