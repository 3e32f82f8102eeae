"""What is called of MLflow and trackio fits the signatures of the real packages.

`tests/trackers.json` has those; `bench/trackers.py` holds that file, and what arrives, against
the packages themselves.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from fakes import TAG, FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored

from runner.cli import cli
from runner.scheduler import run_loop

RECORDED = json.loads(Path(__file__).with_name("trackers.json").read_text())
USED = set[str]()
HOSTILE = "try \x1b[2J\u202e it"


def fits(name: str, /, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call by their names, as the real signature binds them."""
    USED.add(name)
    signature = inspect.Signature(
        [
            inspect.Parameter(
                each,
                inspect._ParameterKind[kind],
                default=None if default else inspect.Parameter.empty,
            )
            for each, kind, default in RECORDED[name]
        ]
    )
    return dict(signature.bind(*args, **kwargs).arguments)


class Client:
    """Keeps what it is told, under the real signatures."""

    runs: dict[str, SimpleNamespace]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fits("mlflow.MlflowClient", *args, **kwargs)

    def get_experiment_by_name(self, *args: Any, **kwargs: Any) -> Any:
        fits("mlflow.MlflowClient.get_experiment_by_name", self, *args, **kwargs)
        return SimpleNamespace(experiment_id="1") if self.runs else None

    def create_experiment(self, *args: Any, **kwargs: Any) -> str:
        fits("mlflow.MlflowClient.create_experiment", self, *args, **kwargs)
        return "1"

    def create_run(self, *args: Any, **kwargs: Any) -> Any:
        said = fits("mlflow.MlflowClient.create_run", self, *args, **kwargs)
        name = str(len(self.runs))
        self.runs[name] = SimpleNamespace(
            info=SimpleNamespace(run_id=name), data=SimpleNamespace(tags=said["tags"]), batches=[]
        )
        return self.runs[name]

    def log_batch(self, *args: Any, **kwargs: Any) -> None:
        said = fits("mlflow.MlflowClient.log_batch", self, *args, **kwargs)
        self.runs[said["run_id"]].batches.append(said)

    def set_terminated(self, *args: Any, **kwargs: Any) -> None:
        said = fits("mlflow.MlflowClient.set_terminated", self, *args, **kwargs)
        self.runs[said["run_id"]].status = said.get("status")

    def search_runs(self, *args: Any, **kwargs: Any) -> Any:
        said = fits("mlflow.MlflowClient.search_runs", self, *args, **kwargs)
        assert f"'{TAG}'" in said["filter_string"]

        class Page(list):
            token = None

        return Page(self.runs.values())


def fake_trackio(runs: dict[str, list[dict]]) -> ModuleType:
    class Run:
        def __init__(self, name: str) -> None:
            self.name = name

        def log(self, *args: Any, **kwargs: Any) -> None:
            runs[self.name].append(fits("trackio.Run.log", self, *args, **kwargs))

        def finish(self, *args: Any, **kwargs: Any) -> None:
            fits("trackio.Run.finish", self, *args, **kwargs)

    def init(*args: Any, **kwargs: Any) -> Run:
        said = fits("trackio.init", *args, **kwargs)
        runs[said["name"]] = [said["config"]]
        return Run(said["name"])

    class Api:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            fits("trackio.Api", *args, **kwargs)

        def runs(self, *args: Any, **kwargs: Any) -> list[Run]:
            fits("trackio.Api.runs", self, *args, **kwargs)
            if not runs:
                raise ValueError("there is no such project")
            return [Run(name) for name in runs]

    module = ModuleType("trackio")
    module.init, module.Api = init, Api
    return module


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trackers")

    def answer(spec):
        if spec.experiment == 2:
            return crashed("train: ValueError: ![no](//e) <b>")
        return scored(100.0 - spec.experiment * 9)

    edits = [edit("WIDTH = 32", f"WIDTH = {n}", HOSTILE) for n in (64, 48)]
    with make_session(folder, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(edits), experiments=None)
    return folder / "state"


@pytest.fixture
def home(made, monkeypatch) -> None:
    monkeypatch.setenv("RUNNER_HOME", str(made))


def exported(*words: str) -> str:
    result = CliRunner().invoke(cli, ["export", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_what_mlflow_is_told_fits_it_and_is_told_once(home, monkeypatch):
    monkeypatch.setattr(Client, "runs", {}, raising=False)
    mlflow, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    mlflow.MlflowClient = Client
    entities.Metric = lambda *args: fits("mlflow.entities.Metric", *args)
    entities.Param = lambda *args: fits("mlflow.entities.Param", *args)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    assert "3 experiments added to MLflow, 0 were there" in exported("--mlflow", "file:x")
    assert "0 experiments added to MLflow, 3 were there" in exported("--mlflow", "file:x")
    whole, baseline, kept, crash = Client.runs.values()
    assert [each.status for each in (baseline, kept, crash)] == ["FINISHED", "FINISHED", "FAILED"]
    assert whole.info.run_id == kept.data.tags["mlflow.parentRunId"]
    [batch] = kept.batches
    assert {each["key"]: each["value"] for each in batch["metrics"]}["mean_rank"] == 91.0
    assert {each["key"]: each["value"] for each in batch["params"]}["hypothesis"] == "try it"
    assert "!\\[no](//e) \\<b>" in crash.data.tags["mlflow.note.content"]
    assert "mean_rank" not in {each["key"] for each in crash.batches[0]["metrics"]}
    assert {name for name in RECORDED if name.startswith("mlflow")} <= USED


def test_what_trackio_is_told_fits_it_and_is_told_once(home, monkeypatch):
    runs: dict[str, list[dict]] = {}
    monkeypatch.setitem(sys.modules, "trackio", fake_trackio(runs))
    assert "3 experiments added to trackio, 0 were there" in exported("--trackio", "p")
    assert "0 experiments added to trackio, 3 were there" in exported("--trackio", "p")
    config, *logged = runs[f"{TAG} 0001"]
    assert (config["hypothesis"], config["status"]) == ("try it", "kept")
    assert logged[-1]["metrics"]["mean_rank"] == 91.0
    assert {name for name in RECORDED if name.startswith("trackio")} <= USED


@pytest.mark.parametrize("words", [("--mlflow", "http://me:s3cr3t@host/x"), ("--trackio", "p")])
def test_what_goes_wrong_there_is_one_line_without_an_address(words, home, monkeypatch):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("cannot reach http://me:s3cr3t@host/x\nmore")

    for name in ("mlflow", "mlflow.entities", "trackio"):
        module = ModuleType(name)
        module.MlflowClient = module.Api = fails
        monkeypatch.setitem(sys.modules, name, module)
    result = CliRunner().invoke(cli, ["export", *words])
    assert result.exit_code == 3
    assert "RuntimeError: cannot reach (address)" in result.output
    assert "s3cr3t" not in result.output


@pytest.mark.parametrize("name", ["mlflow", "trackio"])
def test_without_the_package_it_says_how_to_get_it(name, home, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    result = CliRunner().invoke(cli, ["export", f"--{name}", "x"])
    assert result.exit_code == 2
    assert f".venv/bin/pip install -e '.[{name}]'" in result.output
