"""The image `tabular`: its libraries fit a model under a trial's own options."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from bench import containers
from runner.sandbox import engine, images
from runner.sandbox.options import MIB

pytestmark = pytest.mark.docker

SCRIPT = """
import importlib.util
import numpy as np, pandas as pd
import lightgbm, xgboost, flaml
from sklearn.linear_model import LogisticRegression

rows = pd.DataFrame(np.random.default_rng(1).normal(size=(200, 3)), columns=list("abc"))
target = (rows["a"] > 0).to_numpy().astype(int)
search = flaml.AutoML()
search.fit(rows, target, task="classification", metric="roc_auc", time_budget=2,
           estimator_list=["lgbm"], verbose=0)
models = [
    LogisticRegression(),
    lightgbm.LGBMClassifier(n_estimators=20, verbose=-1),
    xgboost.XGBClassifier(n_estimators=20),
]
for model in [search, *(each.fit(rows, target) for each in models)]:
    assert ((model.predict_proba(rows)[:, 1] > 0.5) == target).mean() > 0.9, model
assert importlib.util.find_spec("torch") is None
print("all of them")
"""
RESOURCES = replace(
    containers.RESOURCES, cpus=2, memory_bytes=1024 * MIB, pids=128, shm_bytes=64 * MIB
)


def test_every_library_fits_a_model_without_network_and_on_a_read_only_root():
    with closing(engine.connect()) as client:
        image, command = images.require_image(client, "tabular"), ("python", "-W", "ignore", "-c")
        spec = containers.one(image, *command, SCRIPT, resources=RESOURCES, seconds=90)
        result = containers.finished(client, spec)
    assert result.exit_code == 0, result.output.decode()[-2000:]
    assert result.stdout == b"all of them\n"
