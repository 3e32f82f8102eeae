"""The image `tabular`: its libraries fit a model under a trial's own options."""

from __future__ import annotations

import threading
import uuid
from contextlib import closing

import pytest

from runner import engines
from runner.engines import images
from runner.engines.container import Deadline, started
from runner.engines.protocol import AGENT_USER, MIB, ContainerSpec
from runner.records import Resources

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
RESOURCES = Resources(
    cpus=2,
    memory_bytes=1024 * MIB,
    pids=128,
    shm_bytes=64 * MIB,
    artifacts_bytes=64 * MIB,
    outputs_bytes=8 * MIB,
    output_log_bytes=MIB,
    gpus=0,
)


def test_every_library_fits_a_model_without_network_and_on_a_read_only_root():
    with closing(engines.connect()) as client:
        spec = ContainerSpec(
            name=f"test-{uuid.uuid4().hex[:8]}-tabular",
            image_id=images.require_image(client, "tabular"),
            user=AGENT_USER,
            command=["python", "-W", "ignore", "-c", SCRIPT],
            mounts=[],
            resources=RESOURCES,
            labels={engines.HOME_LABEL: "test"},
        )
        with started(client, spec, seconds=90) as running:
            result = running.finish(Deadline.after(90), threading.Event())
    assert result.exit_code == 0, result.output.decode()[-2000:]
    assert result.stdout == b"all of them\n"
