"""A project of several files in real containers: a new module trains, and what is frozen stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import yaml
from homes import Home, copied_project

from runner.paths import PROJECT

pytestmark = pytest.mark.docker

TRAIN = '''\
"""Tell two half-moons apart, and find out what can be written."""

import pathlib
import sys

import kit
import numpy as np
from src.features import features

HERE = pathlib.Path(__file__).parent


def refused(path):
    try:
        (HERE / path).write_text("mine")
    except OSError:
        return True
    return False


def train(points, labels):
    rows, weights = features(points), 0
    for rate in (0.1,) * 2000:
        chance = 1 / (1 + np.exp(-rows @ (np.zeros(rows.shape[1]) + weights)))
        weights = weights + rate * rows.T @ (labels - chance) / len(rows)
    return weights


saved = kit.artifacts.path("weights.npy")
if sys.argv[1] == "train":
    assert all(map(refused, ("src/scale.py", "src/new.py", "new.py", "run.sh")))
    (HERE / "src" / "features.py").write_text("SPOILT = 1")
    np.save(saved, train(kit.data.load("points"), kit.data.load("labels")))
else:
    said = features(kit.inputs.load(sys.argv[2])) @ np.load(saved)
    kit.outputs.save("classes", said[:, None].astype(np.float32))
'''
FEATURES = """\
import numpy as np
from src.scale import SCALE


def features(points):
    return np.stack([points[:, 0] * 0 + SCALE, points[:, 0], points[:, 1]], axis=1)
"""
POWERS = """\
import numpy as np


def powers(points, degree):
    x, y = points.T
    pairs = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack([x**i * y**j for i, j in pairs], axis=1)
"""
CALLS = """\
from src.parts.powers import powers


def features(points):
    return powers(points, 3)
"""
FILES = """\
files:
  mutable: [train.py, 'src/**/*.py']
  frozen: [src/scale.py]
  may_add: true
  notes: [scratchpad.md]
"""
ENTRIES = [
    {
        "hypothesis": "the boundary is a cubic",
        "category": "features",
        "changes": [
            {"path": "src/features.py", "text": CALLS},
            {"path": "src/parts/powers.py", "text": POWERS},
        ],
    },
    {
        "hypothesis": "a package in place of the frozen module",
        "changes": [{"path": "src/scale/__init__.py", "text": "SCALE = 0\n"}],
    },
    {
        "hypothesis": "the same in one file again",
        "changes": [
            {"path": "src/parts/powers.py", "delete": True},
            {"path": "src/features.py", "text": POWERS + CALLS.partition("\n")[2]},
        ],
    },
]


@pytest.fixture
def home(tmp_path) -> Iterator[Home]:
    project = copied_project(tmp_path / "project")
    shutil.copytree(PROJECT / "docs" / "examples" / "points", project, dirs_exist_ok=True)
    template, policy = project / "workspace-template/points", project / "policies/points.yaml"
    text = policy.read_text().replace("files: {mutable: [train.py], notes: [scratchpad.md]}", FILES)
    text = text.replace("allow: [kit,", "allow: [kit, pathlib,")
    times = "{startup: 30s, train: 30s, predict: 30s, score: 30s}"  # a busy machine
    text = text.replace("{startup: 4s, train: 2s, predict: 3s, score: 10s}", times)
    policy.write_text(text.replace("max_files: 1", "max_files: 3"))
    run = template / "run.sh"
    run.write_text(run.read_text().replace("exec ", 'PYTHONPATH="$PYTHONPATH:/workspace" exec '))
    (template / "src").mkdir()
    (template / "train.py").write_text(TRAIN)
    (template / "src" / "features.py").write_text(FEATURES)
    (template / "src" / "scale.py").write_text("SCALE = 1.0\n")
    home = Home(tmp_path / "home", project=project)
    yield home
    home.sweep()


def test_a_project_of_several_files_trains_with_a_module_that_was_added(home, tmp_path):
    script = tmp_path / "script.yaml"
    script.write_text(yaml.safe_dump(ENTRIES))
    home.ok("prepare", "points", "--seed", "7")
    home.ok("run", "points", "--tag", "several", "--agent", f"stub:{script}")
    template, added, shadow, inlined = home.json("list", "several")
    assert [one["status"] for one in (template, added)] == ["kept", "kept"]
    assert added["score"] > template["score"] + 0.05
    assert (shadow["status"], shadow["rule"]) == ("refused", "path-shadows")
    assert inlined["score"] == added["score"], "the file that went is missed by nothing"
    for trial in home.json("show", "1", "several")["trials"]:
        assert trial["self_modified"] == ["src/features.py"], "which was thrown away"
    assert ": clean" in home.ok("audit", "several")
