"""What was done for an experiment stands beside it in every view: its agent's boxes, analyses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from dashboards import entered
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import paths
from runner.cli import cli
from runner.journal.reader import open_reader
from runner.records import BOX_ENDED, Analysis, AskedBy
from runner.scheduler import run_loop
from runner.views import summary
from runner.views.standing import standing_of

TOOK = {
    1: {"seconds": 75.0, "cpu_seconds": 40.5, "why": None},
    2: {"seconds": 1800.0, "cpu_seconds": None, "why": "it took more than 30 minutes"},
}
ALL = "2 containers of its agent, 31.2 min, of processors 40 s"
ANALYSIS = Analysis(
    experiment=2, asked_by=AskedBy.AGENT, script_digest="ab" * 32, at="2026-11-29T12:00:00+00:00"
)
ENDED = {"seconds": 12.5, "exit_code": 1, "failure": "exit 1"}
LOOKED = "12.5 s by agent, script abababababab, exit 1"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    edits = [edit("WIDTH = 32", "WIDTH = 64"), edit("WIDTH = 32", "WIDTH = 48")]
    with make_session(folder, FakeSandbox(lambda spec: scored(9.0 - spec.experiment))) as session:
        run_loop(session, ScriptedAgent(edits), experiments=2)
        for number, took in TOOK.items():
            session.journal.event(TAG, BOX_ENDED, experiment=number, **took)
        begun = session.journal.analysis_begun(TAG, ANALYSIS)
        session.journal.analysis_ended(TAG, begun.seq, **ENDED)
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
    assert f"1 before it, 12 s: {LOOKED}" in invoke("show", "2", TAG)
    assert LOOKED in entered(home).get(f"/runs/{TAG}/experiments/2").text


def test_no_document_says_that_there_was_nothing_where_there_was_something(invoke):
    shown = json.loads(invoke("show", "2", TAG, "--json"))
    assert (len(shown["boxes"]), len(shown["analyses"])) == (1, 1)
    listed = json.loads(invoke("list", TAG, "--json"))[2]
    exported = json.loads(invoke("export", TAG, "--format", "jsonl", "-o", "-").splitlines()[2])
    best = json.loads(invoke("status", TAG, "--json"))["best"]
    for each in (listed, exported, best):
        assert {name: value for name, value in each.items() if name != "running"} == {
            name: value for name, value in shown.items() if name not in ("diff", "log")
        }


def test_and_of_the_whole_run(invoke, home, tmp_path):
    assert ALL in invoke("status", TAG)
    total = json.loads(invoke("status", TAG, "--json"))["boxes"]
    assert total == {"count": 2, "seconds": 1875.0, "cpu_seconds": 40.5}
    state = paths.State(home)
    with open_reader(state.journal) as journal:
        standing = standing_of(journal, journal.run(TAG))
    assert ALL in summary.summary(standing, state, reason="over", experiments=2)
    overview = entered(home).get(f"/runs/{TAG}").text
    assert ALL in overview
    assert "analyses: 1 of training rows, 12 s in all" in overview
    for name in ("report.html", "report.md"):
        invoke("report", TAG, "--output", name)
        assert ALL in (tmp_path / name).read_text()
    assert ">40.5<" in (tmp_path / "report.html").read_text(), "in the row of its experiment"
    assert ">1 before it, 12 s<" in (tmp_path / "report.html").read_text()
