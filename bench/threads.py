"""Steps of small models in a trial's container, alone and beside a busy process.

python bench/threads.py [ROUNDS]

Each way of waiting for threads is a column; rounds go through all of them in turn, so that what
else the machine does falls on each alike. Steps and processor seconds are medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from runner import engines
from runner.data import RESOURCES
from runner.engines import images
from runner.engines.container import Deadline, started
from runner.engines.protocol import AGENT_USER, MIB, ContainerSpec

SECONDS = 6.0
STARTUP_SECONDS = 120.0
COUNT = f"""
import time
for _ in range(3): step()
steps, begun, cpu = 0, time.monotonic(), time.process_time()
while time.monotonic() - begun < {SECONDS}:
    step()
    steps += 1
print(steps, time.process_time() - cpu)
"""
TORCH = """
import torch
from torch import nn
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
                      nn.Linear(256, 10))
optimizer = torch.optim.AdamW(model.parameters())
x, y = torch.randn(256, 64), torch.randint(0, 10, (256,))
def step():
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""
NUMPY = """
import numpy
a = numpy.ones((256, 256))
def step(): a @ a
"""
ROWS = """
import numpy
x = numpy.random.default_rng(1).normal(size=(2000, 10))
y = (x[:, 0] > 0).astype(int)
"""
LIGHTGBM = (
    ROWS
    + """
import lightgbm
def step(): lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(x, y)
"""
)
XGBOOST = (
    ROWS
    + """
import xgboost
def step(): xgboost.XGBClassifier(n_estimators=10).fit(x, y)
"""
)
SKLEARN = (
    ROWS
    + """
from sklearn.ensemble import HistGradientBoostingClassifier
def step(): HistGradientBoostingClassifier(max_iter=10).fit(x, y)
"""
)
WORK = {
    "torch, small": ("cpu", TORCH),
    "numpy, product": ("tabular", NUMPY),
    "LightGBM": ("tabular", LIGHTGBM),
    "XGBoost": ("tabular", XGBOOST),
    "scikit-learn": ("tabular", SKLEARN),
}
WAYS: dict[str, list[str]] = {
    "library's default": ["-u", "OMP_WAIT_POLICY"],
    "passive": [],
    "passive, OpenBLAS too": ["OPENBLAS_THREAD_TIMEOUT=4"],
}
"""What `env` changes of what every container gets."""


def steps(client, image_id: str, code: str, way: list[str]) -> tuple[int, float]:
    """Return the steps of one container, and the processor seconds that they took."""
    spec = ContainerSpec(
        name=f"runner-bench-threads-{os.getpid()}",
        image_id=image_id,
        user=AGENT_USER,
        command=["env", *way, "python", "-W", "ignore", "-c", code + COUNT],
        mounts=[],
        resources=replace(RESOURCES, memory_bytes=2048 * MIB),
        labels={"runner.bench": "threads"},
    )
    seconds = STARTUP_SECONDS + SECONDS
    with started(client, spec, seconds=seconds) as running:
        result = running.finish(Deadline.after(seconds), threading.Event())
    assert result.exit_code == 0, result.output.decode()
    made, spent = result.stdout.split()
    return int(made), float(spent)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    spin = [sys.executable, "-c", "while True: pass"]
    neighbours = [subprocess.Popen(spin) for _ in range(processes)]
    try:
        yield
    finally:
        for each in neighbours:
            each.kill()
            each.wait()


def main(rounds: int) -> None:
    client = engines.connect()
    table = Table("work", "beside it", *(f"{way}: steps (CPU s)" for way in WAYS))
    for name, (image, code) in WORK.items():
        image_id = images.require_image(client, image)
        for neighbours in (0, 1):
            found: dict[str, list[tuple[int, float]]] = {way: [] for way in WAYS}
            for _ in range(rounds):
                for way, changed in WAYS.items():
                    with busy(neighbours):
                        found[way].append(steps(client, image_id, code, changed))
            cells = (
                " ".join(f"{statistics.median(each):.{digits}f}" for each, digits in shown)
                for shown in (
                    zip(zip(*pairs, strict=True), (0, 1), strict=True) for pairs in found.values()
                )
            )
            table.add_row(name, "a busy process" if neighbours else "nothing of ours", *cells)
    Console(width=120).print(table)
    load = os.getloadavg()[0]
    Console().print(f"{rounds} rounds of {SECONDS:g} s, 2 cores; load at the end {load:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
