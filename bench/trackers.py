"""Export a run of 20 experiments to the real MLflow and trackio, read it back, and compare.

    python bench/trackers.py [--record]

Both packages go into an environment of their own in a temporary folder (about 270 MB), so that
nothing here needs them. What is read back by their own programs is held against what
`runner export --format jsonl` says. The signatures of what is called are held against
`tests/trackers.json`, by which `make test` tries the calls; `--record` writes that file anew.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
COUNT, TAG, GROUP = 20, "t1", "evening"
SIGNATURES = PROJECT / "tests" / "trackers.json"
READ = """
import importlib.metadata, inspect, json, sys
import mlflow, trackio
from mlflow import entities
from trackio.sqlite_storage import SQLiteStorage

uri, group = sys.argv[1:]
client = mlflow.MlflowClient(tracking_uri=uri)
runs = client.search_runs([client.get_experiment_by_name("eclip").experiment_id])
tags = {each.info.run_id: each.data.tags for each in runs}
flow = {
    tags[each.info.run_id].get("runner.experiment", "run"): {
        "numbers": each.data.metrics,
        "words": each.data.params,
        "status": each.info.status,
        "below": tags.get(tags[each.info.run_id].get("mlflow.parentRunId"), {}).get("runner.tag"),
        "curve": [
            [point.step, point.value]
            for point in client.get_metric_history(each.info.run_id, "curve/loss")
        ],
    }
    for each in runs
}
track = {}
for each in trackio.Api().runs(group):
    logs = SQLiteStorage.get_logs(group, each.name, run_id=each.id)
    numbers = {k: v for log in logs for k, v in log.items() if k not in ("timestamp", "step")}
    track[each.name] = {
        "numbers": {k: v for k, v in numbers.items() if not k.startswith("curve/")},
        "words": {k: v for k, v in each.config.items() if not k.startswith("_")},
        "curve": [[log["step"], log["curve/loss"]] for log in logs if "curve/loss" in log],
    }
called = {
    "mlflow.MlflowClient": mlflow.MlflowClient,
    **{f"mlflow.MlflowClient.{name}": getattr(mlflow.MlflowClient, name) for name in (
        "get_experiment_by_name", "create_experiment", "create_run", "search_runs", "log_batch",
        "set_terminated",
    )},
    "mlflow.entities.Metric": entities.Metric,
    "mlflow.entities.Param": entities.Param,
    "trackio.init": trackio.init,
    "trackio.Api": trackio.Api,
    "trackio.Api.runs": trackio.Api.runs,
    "trackio.Run.log": trackio.Run.log,
    "trackio.Run.finish": trackio.Run.finish,
}
signatures = {
    name: [[each.name, each.kind.name, each.default is not each.empty]
           for each in inspect.signature(what).parameters.values()]
    for name, what in called.items()
}
versions = {name: importlib.metadata.version(name) for name in ("mlflow-skinny", "trackio")}
print(json.dumps({
    "flow": flow, "track": track, "signatures": signatures, "versions": versions,
}))
"""


@dataclass
class Environment:
    """An environment with both packages, and with ours behind them."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        return str(self.folder / "venv" / "bin" / "python")

    def run(self, *words: str) -> str:
        env = {**os.environ, **self.variables}
        done = subprocess.run(
            [self.python, *words], env=env, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def export(self, *words: str) -> str:
        return self.run("-m", "runner", "export", TAG, *words)


def made(folder: Path) -> Environment:
    """Install what the extras say, and let it see the packages of this environment."""
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    found = Environment(
        folder,
        {
            "PYTHONPATH": str(PROJECT),
            "RUNNER_HOME": str(folder / "run" / "state"),
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "TRACKIO_DIR": str(folder / "trackio"),
            "HF_HUB_OFFLINE": "1",
        },
    )
    quiet = ("-q", "-q", "--disable-pip-version-check")
    found.run("-m", "pip", "install", *quiet, *extras["mlflow"], *extras["trackio"])
    [theirs] = (folder / "venv" / "lib").glob("python*/site-packages")
    ours = [each for each in sys.path if each.endswith("site-packages")]
    (theirs / "zz.pth").write_text("\n".join(ours))
    return found


def make_run(folder: Path) -> None:
    sys.path[:0] = [str(PROJECT), str(PROJECT / "tests"), str(PROJECT / "tests" / "dashboard")]
    import a_run

    with a_run.made_up_time():
        a_run.make(folder, COUNT, TAG)


def wrong(ours: Sequence[Mapping[str, Any]], read: Mapping[str, Any]) -> list[str]:
    """Return what is not in both as it is here."""
    found = []
    for each in ours:
        number = each["number"]
        numbers = {
            "mean_rank": each["score"],
            "gain": each["gain"],
            "probability_better": each["probability_better"],
            "audit_mean_rank": each["audit_score"],
            "wall_seconds": each["wall_seconds"],
            "usd": each["spent"] and each["spent"]["usd"],
        }
        known = {name: value for name, value in numbers.items() if value is not None}
        first = next((one for one in each["trials"] if one["purpose"] == "decision"), None)
        curve = first["curves"].get("loss", []) if first else []
        flow = read["flow"][str(number)]
        track = read["track"][f"{TAG} {number:04d}"]
        for name, there in (("MLflow", flow), ("trackio", track)):
            seen = there["numbers"]
            for key in numbers:
                if key in known and abs(seen.get(key, float("nan")) - known[key]) < 1e-9:
                    continue
                if key in known or key in seen:
                    found.append(
                        f"{name}, {number}: {key} is {seen.get(key)}, not {known.get(key)}"
                    )
            if sorted(there["curve"]) != sorted([int(x), y] for x, y in curve):
                found.append(f"{name}, {number}: the curve is another")
            if (there["words"]["hypothesis"], there["words"]["status"]) != (
                each["hypothesis"],
                each["status"],
            ):
                found.append(f"{name}, {number}: what was tried is another")
        ended = "FINISHED" if each["status"] in ("kept", "reverted") else "FAILED"
        if (flow["status"], flow["below"]) != (ended, TAG):
            found.append(f"MLflow, {number}: {flow['status']} below {flow['below']}")
    counts = len(read["flow"]) - 1, len(read["track"])  # MLflow has one for the whole run
    if counts != (len(ours), len(ours)):
        found.append(f"{counts} experiments are there, not {len(ours)}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true", help="write tests/trackers.json anew")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, begun = Path(name), time.monotonic()
        there = made(folder)
        size = sum(each.stat().st_size for each in (folder / "venv").rglob("*") if each.is_file())
        print(f"both packages: {time.monotonic() - begun:.0f} s, {size / 1e6:.0f} MB")
        make_run(folder / "run")
        uri = (folder / "mlruns").as_uri()
        for words in (("--mlflow", uri), ("--trackio", GROUP)) * 2:
            begun = time.monotonic()
            said = there.export(*words).splitlines()[0]
            print(f"{said} ({time.monotonic() - begun:.1f} s)")
        ours = [
            json.loads(line) for line in there.export("--format", "jsonl", "-o", "-").splitlines()
        ]
        read = json.loads(there.run("-c", READ, uri, GROUP))
    print(", ".join(f"{name} {version}" for name, version in read["versions"].items()))
    if given.record:
        SIGNATURES.write_text(json.dumps(read["signatures"], indent=1) + "\n")
    differences = wrong(ours, read)
    if json.loads(SIGNATURES.read_text()) != read["signatures"]:
        differences.append("tests/trackers.json is of other signatures: look, then --record")
    points = sum(len(each["curve"]) for each in read["flow"].values())
    print(f"{len(ours)} experiments with {points} points of curves read back from each, compared")
    print("\n".join(differences) or "no differences")
    raise SystemExit(bool(differences))


if __name__ == "__main__":
    main()
