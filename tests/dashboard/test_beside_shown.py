"""What an agent tried in its containers stands beside its experiments in every view."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from dashboards import entered
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import paths
from runner.cli import cli
from runner.journal.reader import open_reader
from runner.records import BOX_ENDED
from runner.scheduler import run_loop
from runner.views import summary
from runner.views.standing import standing_of

TOOK = {
    1: {"seconds": 75.0, "cpu_seconds": 40.5, "why": None},
    2: {"seconds": 1800.0, "cpu_seconds": None, "why": "it took more than 30 minutes"},
}
ALL = "2 containers of its agent, 31.2 min, of processors 40 s"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    edits = [edit("WIDTH = 32", "WIDTH = 64"), edit("WIDTH = 32", "WIDTH = 48")]
    with make_session(folder, FakeSandbox(lambda spec: scored(9.0 - spec.experiment))) as session:
        run_loop(session, ScriptedAgent(edits), experiments=2)
        for number, took in TOOK.items():
            session.journal.event(TAG, BOX_ENDED, experiment=number, **took)
    return folder / "state"


@pytest.fixture
def invoke(home, monkeypatch, tmp_path):
    monkeypatch.setenv("RUNNER_HOME", str(home))
    monkeypatch.chdir(tmp_path)

    def invoked(*arguments: str) -> str:
        result = CliRunner().invoke(cli, [*arguments])
        assert result.exit_code == 0, result.output
        return result.output

    return invoked


def test_beside_each_experiment(invoke, home):
    assert "1.2 min, of processors 40 s" in invoke("show", "1", TAG)
    limit = "30.0 min, of processors unknown; it took more than 30 minutes"
    assert limit in invoke("show", "2", TAG)
    [box] = json.loads(invoke("show", "1", TAG, "--json"))["boxes"]
    assert box == {"experiment": 1} | TOOK[1]
    assert limit in entered(home).get(f"/runs/{TAG}/experiments/2").text


def test_and_of_the_whole_run(invoke, home, tmp_path):
    assert ALL in invoke("status", TAG)
    total = json.loads(invoke("status", TAG, "--json"))["boxes"]
    assert total == {"count": 2, "seconds": 1875.0, "cpu_seconds": 40.5}
    state = paths.State(home)
    with open_reader(state.journal) as journal:
        standing = standing_of(journal, journal.run(TAG))
    assert ALL in summary.summary(standing, state, reason="over", experiments=2)
    assert ALL in entered(home).get(f"/runs/{TAG}").text
    for name in ("report.html", "report.md"):
        invoke("report", TAG, "--output", name)
        assert ALL in (tmp_path / name).read_text()
    assert ">40.5<" in (tmp_path / "report.html").read_text(), "in the row of its experiment"
