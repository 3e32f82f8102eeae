"""From a project that says its own score to one whose score is sealed, in real containers."""

from __future__ import annotations

import difflib
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Home, copied_project

from runner.records import SELF_REPORTED

pytestmark = pytest.mark.docker

TRAIN = """
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

df = pd.read_csv("data/wine.csv")
X = df.drop(columns=["good"])
y = df["good"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=3)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)
model = LogisticRegression(max_iter=20)
model.fit(X_train, y_train)
print(f"accuracy: {accuracy_score(y_test, model.predict(X_test)):.4f}")
"""
FORGED = """
import sklearn.metrics
sklearn.metrics.accuracy_score = lambda *_: 0.999
"""
ROWS = 800


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Iterator[Home]:
    """A copy of the runner, as a person has it who takes a project in."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    copy = Home(tmp_path_factory.mktemp("seal-home"), project=root)
    yield copy
    copy.sweep()


@pytest.fixture(scope="module")
def sealed(copy, tmp_path_factory) -> str:
    """Adopt a project with a scaler of its own, seal it, and return what sealing said."""
    root = tmp_path_factory.mktemp("theirs") / "wine"
    (root / "data").mkdir(parents=True)
    (root / "train.py").write_text(TRAIN)
    draw = random.Random(1)  # noqa: S311 - rows, no secret
    lines = ["acid,sugar,salt,good"]
    for _ in range(ROWS):
        acid, sugar, salt = draw.gauss(0, 1), draw.gauss(0, 1), draw.gauss(0, 1)
        good = acid + sugar + draw.gauss(0, 0.7) > 0
        # On scales so far apart that without the scaler a model says something else.
        row = (3 + acid / 5, 2000 + 500 * sugar, 0.05 + salt / 100)
        lines.append(",".join([*(f"{value:.5f}" for value in row), "yes" if good else "no"]))
    (root / "data" / "wine.csv").write_text("\n".join(lines) + "\n")
    copy.ok("adopt", str(root), "--metric", "accuracy: {}", "--maximize", "--yes")
    return copy.ok("seal", "wine")


def test_an_adopted_project_is_sealed_with_few_lines(copy, sealed):
    [changed] = re.findall(r"(\d+) lines changed or added", sealed)
    assert int(changed) <= 25
    assert "scaler" in (copy.project / "workspace-template/wine-sealed/predict.py").read_text()
    assert not list((copy.project / "workspace-template" / "wine-sealed").rglob("*.csv"))


def test_the_sealed_score_agrees_with_the_reported_one(copy, sealed):
    found = copy.json("task", "check", "wine-sealed", "--no-cheats")
    assert found["fine"]
    assert found["missing"] == found["wrong"] == []
    noise = 3 * 2**0.5 * found["template"]["error"]
    assert found["reported"]["score"] == pytest.approx(found["template"]["score"], abs=noise)


def forge(copy: Home, folder: Path, task: str) -> dict:
    """Propose the honest script with a patched metric, and return what became of it."""
    before = (copy.project / "workspace-template" / task / "train.py").read_text()
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), (FORGED + before).splitlines(keepends=True),
        "a/train.py", "b/train.py",
    )  # fmt: skip
    (folder / "change.patch").write_text("".join(lines))
    copy.ok("baseline", task, "--tag", task)
    copy.ok("propose", str(folder / "change.patch"), "--tag", task, "-m", "a kinder metric")
    return copy.json("show", "1", task)


def test_a_patched_metric_is_kept_and_marked_where_the_code_reports(copy, sealed, tmp_path):
    found = forge(copy, tmp_path, "wine")
    assert (found["status"], found["score"]) == ("kept", 0.999)
    assert SELF_REPORTED in copy.ok("status", "wine")


def test_the_same_patch_gains_nothing_where_the_score_is_sealed(copy, sealed, tmp_path):
    found = forge(copy, tmp_path, "wine-sealed")
    assert found["status"] == "reverted"
    assert found["score"] == copy.json("show", "0", "wine-sealed")["score"] < 0.99
    assert SELF_REPORTED not in copy.ok("status", "wine-sealed")
