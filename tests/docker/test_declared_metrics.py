"""Every metric of a declaration, computed by the scikit-learn of the image that scores."""

from __future__ import annotations

import json
import math
import threading
import uuid
from dataclasses import replace
from typing import Any

import pytest
from single import RESOURCES

from runner import engines
from runner.engines import images
from runner.engines.container import Deadline, started
from runner.engines.protocol import MIB, SCORER_USER, ContainerSpec, Mount
from runner.paths import PROJECT

pytestmark = pytest.mark.docker

SECONDS = 300

CODE = """
import json, sys, tempfile
from pathlib import Path
import numpy as np
from sklearn import metrics as known
sys.path.append("/")
from harness.declared import metrics
from harness.scoring import resampling
from harness.declared.targets import Target

draw = np.random.default_rng(1)
two = (draw.random(60) < 0.4).astype(np.uint8)
six = np.arange(60) % 6
labels = (draw.random((60, 3)) < 0.5).astype(np.uint8)
amounts = draw.uniform(1, 9, 60)
targets = {
    "binary": Target(kind="binary", why="", values=two, classes=("no", "yes")),
    "multi-class": Target(kind="multi-class", why="", values=six, classes=tuple("abcdef")),
    "multi-label": Target(kind="multi-label", why="", values=labels, classes=("x", "y", "z")),
    "regression": Target(kind="regression", why="", values=amounts),
    "ranking": Target(kind="ranking", why="", values=(np.arange(60) % 12 == 2).astype(float)),
}
answers = {
    "binary": {"perfect": two.astype(float), "constant": np.full(60, 0.25)},
    "multi-class": {"perfect": np.eye(6)[six], "constant": np.full((60, 6), 7.0)},
    "multi-label": {"perfect": labels.astype(float), "constant": np.zeros((60, 3))},
    "regression": {"perfect": amounts, "constant": np.full(60, amounts.mean()),
                   "huge": np.full(60, 1e300)},
    "ranking": {"perfect": targets["ranking"].values, "constant": np.zeros(60)},
}
resampling.DRAWS = resampling.FEWEST = 30
found = {}
for (kind, name), metric in metrics.METRICS.items():
    for which, answer in answers[kind].items():
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "a.npy", answer)
            read, places = metrics.read_answer(
                Path(folder), "a.npy", targets[kind], needs=metric.needs)
        lists = np.arange(60) // 12 if kind == "ranking" else None
        said = metrics.measure(targets[kind], read, metric, (), places=places, groups=lists)
        found[f"{kind} {name} {which}"] = [metric.higher, said[name], said.get(name + "_se")]
scores = draw.normal(size=(5, 12))
truth = targets["ranking"].values.reshape(5, 12)
same = {
    "mean_reciprocal_rank": known.label_ranking_average_precision_score(truth, scores),
    "mean_rank": known.coverage_error(truth, scores),
    "recall_at_5": known.top_k_accuracy_score(truth.argmax(1), scores, k=5, labels=range(12)),
    "ndcg_at_5": known.ndcg_score(truth, scores, k=5),
}
for name, value in same.items():
    said = metrics.measure(targets["ranking"], scores.ravel(), metrics.find("ranking", name), (),
                           places=False, groups=np.arange(60) // 12)
    same[name] = [said[name], value]
groups = np.arange(60) // 10
wrong = six.copy()
wrong[:20] = (wrong[:20] + 1) % 6
metric = metrics.find("multi-class", "accuracy")
for name, given in (("rows", None), ("groups", groups)):
    said = metrics.measure(targets["multi-class"], wrong, metric, (), places=True, groups=given)
    found[f"accuracy by {name}"] = [True, said["accuracy"], said["accuracy_se"]]
print(json.dumps({"found": found, "same": same, "share": float(two.mean())}))
"""


@pytest.fixture(scope="module")
def document(client) -> dict[str, Any]:
    spec = ContainerSpec(
        name=f"test-{uuid.uuid4().hex[:8]}-metrics",
        image_id=images.require_image(client, "scorer"),
        user=SCORER_USER,
        command=["python", "-c", CODE],
        mounts=[Mount(source=str(PROJECT / "harness"), target="/harness")],
        resources=replace(RESOURCES, cpus=2, memory_bytes=1024 * MIB),
        labels={engines.HOME_LABEL: "test"},
    )
    with started(client, spec, seconds=SECONDS) as running:
        done = running.finish(Deadline.after(SECONDS), threading.Event())
    assert done.exit_code == 0, done
    return json.loads(done.stdout)


def test_a_perfect_answer_is_best_by_every_metric(document):
    found = document["found"]
    for place, (higher, value, error) in found.items():
        if not place.endswith("perfect"):
            continue
        best = 1.0 if higher or "mean_rank" in place else 0.0
        assert value == pytest.approx(best, abs=1e-9), place
        constant = found[place.replace("perfect", "constant")][1]
        assert (value > constant) if higher else (value < constant), place
        assert error == pytest.approx(0.0, abs=1e-9), place


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("binary roc_auc constant", 0.5),
        ("binary balanced_accuracy constant", 0.5),
        ("binary matthews_corrcoef constant", 0.0),
        ("binary f1 constant", 0.0),
        ("multi-class log_loss constant", math.log(6)),
        ("multi-class accuracy constant", 1 / 6),
        ("multi-class top_3_accuracy constant", 1 / 2),
        ("multi-class roc_auc_ovr constant", 0.5),
        ("multi-label roc_auc_macro constant", 0.5),
        ("regression r2 constant", 0.0),
        ("accuracy by rows", 2 / 3),
    ],
)
def test_a_constant_is_worth_what_it_is(document, place, expected):
    assert document["found"][place][1] == pytest.approx(expected)


def test_with_one_relevant_row_rankings_are_what_scikit_learn_has_under_other_names(document):
    for name, (ours, theirs) in document["same"].items():
        assert ours == pytest.approx(theirs), name


def test_a_binary_constant_is_right_about_the_larger_class(document):
    found, share = document["found"], document["share"]
    assert found["binary accuracy constant"][1] == pytest.approx(1 - share)
    assert found["binary brier constant"][1] == pytest.approx(
        share * 0.75**2 + (1 - share) * 0.25**2
    )


def test_what_is_very_wrong_is_a_finite_number(document):
    huge = [value for place, (_, value, _) in document["found"].items() if place.endswith("huge")]
    assert len(huge) > 5
    assert all(abs(value) < float("inf") for value in huge)


def test_a_standard_error_knows_that_rows_of_a_group_go_together(document):
    by_rows, by_groups = (
        document["found"][f"accuracy by {name}"][2] for name in ("rows", "groups")
    )
    assert by_rows == pytest.approx(0.061, abs=0.02)
    assert by_groups > 2 * by_rows
