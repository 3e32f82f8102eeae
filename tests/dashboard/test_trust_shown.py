"""Whatever shows a score says so where the code printed it, or where its agent saw the host."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
from click.testing import CliRunner
from dashboards import entered
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import trackers
from runner.cli import cli
from runner.journal.reader import open_reader
from runner.notify.events import _ending
from runner.records import LOG
from runner.scheduler import run_loop

SAID = "SELF-REPORTED"
RUN = f"/runs/{TAG}"
PAGES = (
    "/",
    RUN,
    f"{RUN}/experiments/1",
    f"{RUN}/lineage",
    f"{RUN}/compare",
    "/compare",
    f"{RUN}/log",
)
PRINTED = (
    ["status"], ["list"], ["list", TAG], ["show", "1"], ["show", "1", "--trials"], ["log"],
    ["watch", "--plain"],
    ["export", "-o", "-"],
    *(["export", "--format", form, "-o", "-"] for form in ("karpathy", "edu", "tabular", "csv")),
)  # fmt: skip


def made(folder: Path, **changes: object) -> Path:
    """Return the state folder of a run that differs from the usual one."""
    record = fakes.run_record
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fakes, "run_record", lambda *a: replace(record(*a), **changes))
        with make_session(folder, FakeSandbox(lambda s: scored(9.0 - s.experiment))) as session:
            run_loop(session, ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")]), experiments=1)
    return folder / "state"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return made(tmp_path_factory.mktemp("own"), self_reported=True)


@pytest.fixture(scope="module")
def advisory(tmp_path_factory):
    return made(tmp_path_factory.mktemp("shell"), agent_isolation="none")


@pytest.fixture
def invoke(home, monkeypatch, tmp_path):
    monkeypatch.setenv("RUNNER_HOME", str(home))

    def invoked(*arguments: str) -> str:
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    return invoked


@pytest.mark.parametrize("arguments", PRINTED, ids=" ".join)
def test_a_command_says_it(invoke, arguments):
    assert SAID in invoke(*arguments)


def test_a_log_that_is_followed_says_it_first(home, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(home))

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    assert CliRunner().invoke(cli, ["log", "--follow"]).output.startswith(SAID)


def test_every_document_says_it(invoke):
    listed, status = (json.loads(invoke(*a, "--json")) for a in (["list", TAG], ["status"]))
    lines = invoke("export", "--format", "jsonl", "-o", "-").splitlines()
    for each in (*listed, *map(json.loads, lines), status, status["best"], status["baseline"]):
        assert each["self_reported"] is True
    assert all(SAID in row["trust"] for row in json.loads(invoke("export", "--json")))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_dashboard_says_it(home, page):
    assert SAID in entered(home).get(page).text


def test_a_score_that_the_code_prints_waits_for_no_locked_part(home):
    said = entered(home).get(RUN).text
    assert "a score that the code prints has no locked part" in said
    assert "not scored for both yet" not in said


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_a_run_whose_agent_could_read_the_host_says_advisory(advisory, page):
    assert "ADVISORY" in entered(advisory).get(page).text


def test_a_message_of_its_end_says_advisory(advisory):
    with open_reader(advisory / "journal.sqlite") as journal:
        said = list(_ending(journal, journal.run(TAG), "over"))
    assert any(line.startswith("trust: ADVISORY") for line in said)


def test_a_report_the_log_and_a_tracker_say_it(invoke, home, tmp_path):
    for name in ("r.html", "r.md"):
        invoke("report", "-o", str(tmp_path / name), "--card", str(tmp_path / "card.png"))
        assert SAID in (tmp_path / name).read_text()
    assert SAID in (home / "runs" / TAG / LOG).read_text()
    with open_reader(home / "journal.sqlite") as journal:
        run, experiment = journal.run(TAG), journal.experiment(TAG, 1)
    assert SAID in trackers._words(run, experiment)["trust"]
