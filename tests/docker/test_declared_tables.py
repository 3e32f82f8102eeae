"""Tables and arrays from a file to a scored trial: a declaration in real containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from homes import Home, copied_project

from runner import engines, paths
from runner.engines import images
from runner.records import Image
from runner.task_check.image import Search
from tests import tables

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Iterator[Home]:
    """A copy of the project, as a person has it who adds tasks to it."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    copy = Home(tmp_path_factory.mktemp("declared-home"), project=root)
    yield copy
    copy.sweep()


def case(name: str) -> tables.Case:
    return next(each for each in tables.CASES if each.name == name)


def new_task(copy: Home, name: str, *arguments: str) -> None:
    """Write a task whose containers leave the kernel's caches alone, which are others' tests."""
    copy.ok("new-task", name, *arguments)
    policy = copy.project / "policies" / f"{name}.yaml"
    policy.write_text(policy.read_text().replace("flush: null", "flush: false"))


def template_score(said: str) -> float:
    [line] = [line for line in said.splitlines() if line.startswith("ok ") and " template " in line]
    return float(line.split()[3])


@pytest.mark.parametrize(
    ("name", "task", "least", "most"),
    [
        ("semicolons and decimal commas", "two", 0.65, 0.95),
        ("three classes", "three", 0.0, 1.0),
        ("amounts of money", "amounts", 5_000, 60_000),
        ("iso dates as order", "times", 0.55, 0.95),
    ],
)
def test_a_table_becomes_a_scored_trial(copy, tmp_path, name, task, least, most):
    chosen = case(name)
    path = tmp_path / chosen.file
    path.write_bytes(chosen.content())
    new_task(copy, task, "--csv", str(path), *chosen.options)
    said = copy.ok("task", "check", task, "--no-cheats", "--quick")
    assert "none of the data lies in the template" in said
    assert "none of the data lies in the image" in said
    assert least < template_score(said) <= most, said


SHIPPED = ("5.1,3.5,1.4,0.2", "4.9,3.0,1.4,0.2", "4.7,3.2,1.3,0.2", "4.6,3.1,1.5,0.2",
           "5.0,3.6,1.4,0.2", "5.4,3.9,1.7,0.4")  # fmt: skip
"""Rows of a well-known table, which scikit-learn brings along."""


def test_rows_that_a_package_of_the_image_brings_along_are_found(copy, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", copy.project)
    others = [f"{at}.5,{at * 7 % 5}.25,{at}.75,{at * 3 % 7}.125" for at in range(20)]
    rows = "".join(f"{row},{'ab'[at % 2]}\n" for at, row in enumerate([*SHIPPED, *others]))
    (tmp_path / "flowers.csv").write_text(f"long,wide,more,less,kind\n{rows}")
    new_task(copy, "flowers", "--csv", str(tmp_path / "flowers.csv"), "--target", "kind")
    raw = paths.State(copy.path).downloads("flowers")
    with closing(engines.connect()) as engine:
        search = Search(
            engine=engine, state=paths.State(copy.path), task="flowers",
            image_id=images.require_image(engine, Image(base="tabular")),
            scorer_image_id=images.require_image(engine, images.SCORER),
        )  # fmt: skip
        found = search.copies(raw)
    assert found == ["sklearn/datasets/data/iris.csv holds 6 rows of the data"]


def test_a_blank_task_runs_as_it_is_written(copy):
    new_task(copy, "blank", "--blank")
    for folder in ("harness/tasks/blank", "workspace-template/blank", "policies"):
        for path in (copy.project / folder).rglob("*"):
            if path.is_file() and "TODO" in (text := path.read_text(errors="replace")):
                path.write_text(text.replace("TODO", "done"))
    said = copy.ok("task", "check", "blank", "--no-cheats")
    assert 0.7 < template_score(said) < 1.3


TRAIN = """
import kit
import numpy
import pandas
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

table = pandas.read_csv("/data/rows.csv", sep=";", decimal=",")
model = make_pipeline(StandardScaler(), LogisticRegression())
model.fit(table[["age"]], table["sick"])
found = model.predict_proba(pandas.DataFrame({"age": numpy.arange(130.0)}))
numpy.save(kit.artifacts.path("found.npy"), found)
"""
RUN = """#!/bin/sh
export PYTHONPATH="$PYTHONPATH:/workspace"
case "$1" in
train) exec python -P /workspace/train.py ;;
predict) exec python -P -m kit.asking predict.py:predict ;;
esac
"""
PREDICT = """
import kit
import numpy

def predict(table):
    assert "sick" not in table
    found = numpy.load(kit.artifacts.path("found.npy"))
    return found[table["age"].round().astype(int)]
"""


def test_a_projects_own_script_gets_the_file_that_it_knows(copy, tmp_path):
    """The declaration gives rows as a file: the training script reads them as it always did."""
    chosen = case("semicolons and decimal commas")
    path = tmp_path / chosen.file
    path.write_bytes(chosen.content().replace(b".", b""))
    new_task(copy, "own", "--csv", str(path), *chosen.options)
    harness = copy.project / "harness" / "tasks" / "own" / "task.yaml"
    text = harness.read_text().replace("given: columns", "given: file")
    harness.write_text(text[: text.index("ask:")] + "ask: predict.py:predict\n")
    template = copy.project / "workspace-template" / "own"
    for name in ("features.py", "main.py", "model.py"):
        (template / name).unlink()
    (template / "train.py").write_text(TRAIN)
    (template / "predict.py").write_text(PREDICT)
    (template / "run.sh").write_text(RUN)
    policy = copy.project / "policies" / "own.yaml"
    policy.write_text(policy.read_text().replace("model.py, features.py", "train.py, predict.py"))
    score = template_score(copy.ok("task", "check", "own", "--no-cheats", "--quick"))
    assert 0.65 < score < 0.95
    (template / "notes.csv").write_bytes(b"\n".join(path.read_bytes().splitlines()[5:9]))
    found = copy.runner("task", "check", "own", "--no-cheats")
    assert found.returncode == 1
    assert "notes.csv holds 4 rows of the data: take them out" in found.stdout


def test_arrays_with_a_holdout_of_their_own_kind(copy, tmp_path):
    """The blank task with other arrays: images of three classes, accuracy, labels as answers."""
    draw = np.random.default_rng(2)
    classes = np.array([3, 5, 8])[draw.integers(0, 3, 240)]
    images = draw.normal(size=(240, 4, 4)) + classes[:, None, None]
    downloads = copy.path / "downloads" / "blank"
    np.save(downloads / "inputs.npy", images.astype(np.float32))
    np.save(downloads / "targets.npy", classes)
    harness = copy.project / "harness" / "tasks" / "blank"
    (harness / "raw.yaml").write_text(
        "files:\n" + "".join(
            f"  - {{name: {name}.npy, url: null, sha256: null, licence: ours, page: none}}\n"
            for name in ("inputs", "targets")
        )
    )  # fmt: skip
    (harness / "task.yaml").write_text(
        "data: {inputs: inputs.npy, targets: targets.npy}\n"
        "split: {holdout: 0.2, locked: 0.2}\n"
        "score: {metric: accuracy, also: [balanced_accuracy]}\n"
        "ask: predict.py:predict\n"
    )
    template = copy.project / "workspace-template" / "blank"
    (template / "train.py").write_text(
        "import kit, numpy as np\n"
        "x, y = kit.data.load('inputs').mean((1, 2)), kit.data.load('targets')\n"
        "np.save(kit.artifacts.path('m.npy'), [[c, x[y == c].mean()] for c in np.unique(y)])\n"
    )
    (template / "predict.py").write_text(
        "import kit, numpy as np\n"
        "def predict(inputs):\n"
        "    m = np.load(kit.artifacts.path('m.npy'))\n"
        "    near = np.abs(inputs.mean((1, 2))[:, None] - m[:, 1]).argmin(1)\n"
        "    return m[near, 0].astype(int)\n"
    )
    policy = copy.project / "policies" / "blank.yaml"
    policy.write_text(
        policy.read_text().replace("name: rmse", "name: accuracy")
        .replace("direction: minimize", "direction: maximize")
    )  # fmt: skip
    copy.ok("prepare", "blank", "--from", str(downloads))
    copy.ok("baseline", "blank", "--tag", "arrays")
    [baseline] = copy.json("list", "arrays")
    assert baseline["score"] > 0.9
