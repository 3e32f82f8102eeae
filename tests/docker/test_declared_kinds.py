"""Declared tasks whose data are no rows of a table: a folder by class, a text, and pairs."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import numpy as np
import pytest
from homes import Home, copied_project

from runner.new_task.layout import raw_yaml

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Iterator[Home]:
    root = copied_project(tmp_path_factory.mktemp("project"))
    copy = Home(tmp_path_factory.mktemp("kinds-home"), project=root)
    yield copy
    copy.sweep()


def checked(
    copy: Home,
    name: str,
    raw: dict[str, bytes],
    declaration: str,
    train: str,
    predict: str,
    policy: dict[str, str],
) -> float:
    """Write a task by hand, over a blank one, and return what its template scores."""
    copy.ok("new-task", name, "--blank")
    harness, template = (
        copy.project / "harness" / "tasks" / name, copy.project / "workspace-template" / name
    )  # fmt: skip
    (harness / "task.yaml").write_text(declaration)
    (harness / "raw.yaml").write_text(raw_yaml(raw))
    for path, content in raw.items():
        place = copy.path / "downloads" / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    (template / "train.py").write_text(train)
    (template / "predict.py").write_text(predict)
    (template / "program.md").write_text("By more than 0.003.\n")
    place = copy.project / "policies" / f"{name}.yaml"
    text = place.read_text().replace("TODO: ", "").replace("flush: null", "flush: false")
    for old, new in policy.items():
        assert old in text, old
        text = text.replace(old, new)
    place.write_text(text)
    found = copy.json("task", "check", name, "--no-cheats")
    assert found["missing"] == found["wrong"] == []
    return found["template"]["score"]


IN_FOLDERS = """
from pathlib import Path
import kit
import numpy as np

Path("/workspace/logs/train.txt").write_text("seen")
try:
    Path("/workspace/more.txt").write_text("seen")
    raise SystemExit("the workspace can be written")
except OSError:
    pass
shine = {kind.name: [np.frombuffer(one.read_bytes(), np.uint8).mean() for one in kind.iterdir()]
         for kind in (kit.data.FOLDER / "pictures").iterdir()}
np.save(kit.artifacts.path("cut.npy"), np.mean([np.mean(each) for each in shine.values()]))
"""
OF_FILES = """
from pathlib import Path
import kit
import numpy as np

def predict(paths):
    assert not list(Path("/workspace/logs").iterdir())
    cut = np.load(kit.artifacts.path("cut.npy"))
    shine = [np.frombuffer(path.read_bytes(), np.uint8).mean() for path in paths]
    return ["bright" if one > cut else "dim" for one in shine]
"""


def test_files_by_class_are_asked_without_their_class_and_code_may_write_where_it_says(copy):
    draw = random.Random(1)  # noqa: S311 - pictures, no secret
    pictures = {
        f"pictures/{kind}/{number}.raw": draw.randbytes(64).translate(
            bytes(value // 2 + most for value in range(256))
        )
        for kind, most in (("dim", 0), ("bright", 20)) for number in range(60)
    }  # fmt: skip
    score = checked(
        copy, "pictures", pictures,
        "data: {folder: pictures}\nsplit: {holdout: 0.3, locked: 0.3}\n"
        "score: {metric: accuracy}\nask: predict.py:predict\n",
        IN_FOLDERS, OF_FILES,
        {"name: rmse": "name: accuracy", "minimize": "maximize", "scratch: []": "scratch: [logs]",
         "kit, math,": "kit, math, pathlib,"},
    )  # fmt: skip
    assert 0.75 < score <= 1


COUNTS = """
import kit
import numpy as np

text = np.frombuffer((kit.data.FOLDER / "tale.txt").read_bytes(), np.uint8)
counts = np.full((256, 256), 0.01)
np.add.at(counts, (text[:-1], text[1:]), 1)
np.save(kit.artifacts.path("counts.npy"), np.log(counts))
"""
FOLLOWERS = """
import kit
import numpy as np

counts = np.load(kit.artifacts.path("counts.npy"))

def predict(tokens):
    return counts[tokens]
"""


def test_a_text_is_served(copy):
    draw = random.Random(2)  # noqa: S311 - words, no secret
    tale = "".join(draw.choice(("abba ", "cad ", "dada ")) for _ in range(6000)).encode()
    score = checked(
        copy, "tale", {"tale.txt": tale},
        "data: {text: tale.txt, positions: 32}\n"
        "split: {by: order, holdout: 0.1, locked: 0.1}\nask: predict.py:predict\n",
        COUNTS, FOLLOWERS,
        {"name: rmse": "name: val_bpb", "shape: two-step": "shape: served",
         "predict: [rows]": "predict: []"},
    )  # fmt: skip
    assert 0.3 < score < 1.5


MEANING = """
import kit
import numpy as np

asks, texts = kit.data.load("asks"), kit.data.load("texts")
np.save(kit.artifacts.path("turn.npy"), np.linalg.lstsq(asks, texts, rcond=None)[0])
"""
EMBED = """
import kit
import numpy as np

def predict(rows, side):
    return rows @ np.load(kit.artifacts.path("turn.npy")) if side == "queries" else rows
"""


def test_pairs_are_found_again_by_two_predictors_that_never_meet(copy):
    draw = np.random.default_rng(3)
    asks, turn = draw.normal(size=(200, 6)), draw.normal(size=(6, 6))
    files = {"asks.npy": asks, "texts.npy": asks @ turn + draw.normal(size=(200, 6)) / 4}
    raw = {}
    for name, array in files.items():
        stream = io.BytesIO()
        np.save(stream, array)
        raw[name] = stream.getvalue()
    score = checked(
        copy, "pairs", raw,
        "data: {queries: asks.npy, documents: texts.npy}\nsplit: {holdout: 0.3, locked: 0.3}\n"
        "score: {metric: mean_reciprocal_rank}\nask: predict.py:predict\n",
        MEANING, EMBED,
        {"name: rmse": "name: mean_reciprocal_rank", "minimize": "maximize",
         "predict: [rows]": "predict: [queries, documents]"},
    )  # fmt: skip
    assert 0.6 < score <= 1
