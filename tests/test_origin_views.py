"""Where proposals came from and what they cost, as the reading commands show it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner.cli import cli
from runner.history import unguarded
from runner.journal.store import open_journal
from runner.records import (
    Beside,
    Descent,
    Experiment,
    ExperimentStatus,
    HypothesisStatus,
    ModelCall,
    Origin,
    Proposal,
    Run,
    Usage,
    Violation,
)
from runner.scheduler import run_loop
from runner.seams import Context, Supervisor
from runner.views import lines, summary
from runner.views.page import heading

ESCAPES = "\x1b[2J\u202e"
SCORES = {0: 100.0, 1: 90.0, 3: 80.0}
CUT_OFF = Violation(rule="answer-cut-off", message=f"the answer was cut off{ESCAPES}")


@dataclass
class Researcher:
    """Answers a person, is sent back, and forfeits once."""

    name: str = "claude"
    isolation: str = "api"
    ahead = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        if context.number > 2:
            return None
        supervisor.record(
            ModelCall(
                experiment=context.number, agent="claude", model="m", usd=0.25, seconds=2.0,
                usage=Usage(input_tokens=100, cache_read_tokens=300, output_tokens=50),
                outcome="end_turn",
            )
        )  # fmt: skip
        if context.number == 2:
            return Proposal(hypothesis="(none)", model="m", forfeit=CUT_OFF)
        supervisor.send_back(Proposal(hypothesis="too early"))
        change = edit("WIDTH = 32", "WIDTH = 64", f"wider{ESCAPES}")
        return Proposal(
            hypothesis=change.hypothesis,
            changes=change.changes,
            expectation="two steps better [bold]",
            takeaway="the template is narrow",
            answers=context.hypotheses[0].id,
            model="m",
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A run of a model's, and then a person's own step."""
    folder = tmp_path_factory.mktemp("origins")
    sandbox = FakeSandbox(lambda spec: scored(SCORES[spec.experiment]))
    with make_session(folder, sandbox) as session:
        session.journal.add_hypothesis(TAG, f"try a wider one{ESCAPES}")
        session.journal.add_hypothesis(TAG, "and a deeper one")
        dropped = session.journal.add_hypothesis(TAG, "never mind")
        session.journal.end_hypothesis(dropped, HypothesisStatus.DROPPED)
        run_loop(session, Researcher(), experiments=None)
        step = [Proposal(hypothesis="-")] * 2 + [edit("WIDTH = 32", "WIDTH = 48", "a hunch")]
        person = ScriptedAgent(step, name="person", isolation="none")
        run_loop(session, person, experiments=None)
    with make_session(folder, sandbox, tag="plain"):
        pass
    return folder / "state"


@pytest.fixture
def invoke(home, monkeypatch) -> Callable[..., Result]:
    monkeypatch.setenv("RUNNER_HOME", str(home))

    def invoked(*arguments: str) -> Result:
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        return result

    return invoked


# -- the origin -------------------------------------------------------------------------------


def test_show_says_how_a_proposal_came_about(invoke):
    shown = invoke("show", "1", TAG).output
    for words in (
        "by  claude, model m (isolation api)",
        "started from  experiment 0 (greedy, improve): from the best so far",
        "expected  two steps better [bold]",
        "learned  from what came before it: the template is narrow",
        "answers  a person's hypothesis 1: try a wider one",
        "sent back  once before it was taken",
        "spent  $0.2500 in 1 call: 400 tokens in (75% from the cache), 50 out",
    ):
        assert words in shown
    assert not set(shown) & set("\x1b\u202e")


def test_show_says_why_there_was_nothing_to_run(invoke):
    shown = invoke("show", "2", TAG).output
    assert "REFUSED by rule answer-cut-off" in shown
    assert "forfeited  answer-cut-off: the answer was cut off" in shown
    assert "answers" not in shown
    assert not set(shown) & set("\x1b\u202e")


@pytest.fixture
def run(home) -> Run:
    with open_journal(home / "journal.sqlite") as journal:
        [found, _] = journal.runs()
    return found


def test_a_phase_is_told_where_there_was_one(run):
    found = Experiment(
        run="t1", number=3, parent_commit="", hypothesis="", category="", changes=(),
        origin=Origin(agent="claude", isolation="api", strategy="topk", mode="explore", phase="p"),
    )  # fmt: skip
    assert "experiment 0 (topk, explore) in the phase p\n" in f"{heading(run, found, Beside())}\n"


def test_an_older_row_without_an_origin_shows_what_it_has(run):
    found = Experiment(run="t1", number=3, parent_commit="", hypothesis="", category="", changes=())
    assert "isolation" not in heading(run, found, Beside())


def test_json_has_the_whole_origin_and_what_it_cost(invoke):
    document = json.loads(invoke("show", "1", TAG, "--json").output)
    assert document["origin"]["answers"] == 1
    assert document["origin"]["returned"] == 1
    assert document["origin"]["forfeit"] is None
    assert document["spent"] == {
        "usd": 0.25, "calls": 1, "seconds": 2.0, "input_tokens": 100, "output_tokens": 50,
        "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0, "cache_read_tokens": 300,
        "web_searches": 0,
    }  # fmt: skip
    listed = json.loads(invoke("list", TAG, "--json").output)
    assert [found["origin"] and found["origin"]["agent"] for found in listed] == [
        None,
        "claude",
        "claude",
        "person",
    ]
    assert listed[2]["origin"]["forfeit"]["rule"] == "answer-cut-off"
    assert listed[0]["spent"] is None


# -- advisory ---------------------------------------------------------------------------------


def test_one_kept_step_of_a_person_makes_the_whole_run_advisory(invoke):
    assert "ADVISORY: the kept 3 rest on somebody with a shell" in invoke("status", TAG).output
    assert json.loads(invoke("status", TAG, "--json").output)["advisory"] is True
    assert "isolation none: ADVISORY" in invoke("show", "3", TAG).output
    assert "scripted (advisory)" in invoke("list").output
    runs = {run["tag"]: run for run in json.loads(invoke("list", "--json").output)}
    assert (runs[TAG]["advisory"], runs["plain"]["advisory"]) == (True, False)


def kept(number: int, isolation: str, status: ExperimentStatus, parent: int = 0) -> Experiment:
    return Experiment(
        run="t1", number=number, parent_commit="", hypothesis="", category="", changes=(),
        status=status, origin=Origin(agent="a", isolation=isolation, parent=parent),
    )  # fmt: skip


def descent(found: Experiment) -> Descent:
    assert found.origin
    return Descent(
        number=found.number, parent=found.origin.parent, isolation=found.origin.isolation,
        kept=found.status is ExperimentStatus.KEPT,
    )  # fmt: skip


def test_what_was_not_kept_makes_nothing_advisory():
    history = [
        kept(1, "none", ExperimentStatus.REVERTED),
        kept(2, "api", ExperimentStatus.KEPT),
        kept(3, "none", ExperimentStatus.REFUSED),
        kept(4, "tool-restricted", ExperimentStatus.KEPT),
    ]
    assert unguarded(map(descent, history)) == ()
    history.append(kept(5, "none", ExperimentStatus.KEPT))
    assert unguarded(map(descent, history)) == (5,)


def test_what_started_from_somebody_s_reverted_step_is_advisory_too():
    """A strategy may start from any scored experiment, and from what was kept on it."""
    history = [
        kept(1, "none", ExperimentStatus.REVERTED),
        kept(2, "api", ExperimentStatus.REVERTED, parent=1),
        kept(3, "api", ExperimentStatus.KEPT, parent=2),
        kept(4, "api", ExperimentStatus.KEPT),
    ]
    assert unguarded(map(descent, history)) == (3,)


@pytest.mark.parametrize("isolation", ["api", "tool-restricted", "none"])
def test_the_end_of_a_run_is_advisory_too(isolation):
    assert summary.trust(isolation, (3, 7)).startswith("ADVISORY")


# -- money and what a person may say ----------------------------------------------------------


def test_status_says_what_was_spent_where_to_write_and_what_waits(invoke, home):
    shown = invoke("status", TAG).output
    assert "spent  $0.5000 of $10 in 2 calls" in shown
    assert "hypotheses  1 open" in shown
    path = home / "runs" / TAG / "guidance.md"
    assert f"{path} (read before each proposal; not there yet)" in shown
    document = json.loads(invoke("status", TAG, "--json").output)
    assert (document["open_hypotheses"], document["guidance"]) == (1, str(path))
    assert (document["spent"]["usd"], document["limit_usd"]) == (0.5, 10)


def test_where_no_model_was_asked_nobody_speaks_of_money(invoke):
    assert "spent" not in invoke("status", "plain").output
    assert json.loads(invoke("status", "plain", "--json").output)["spent"] is None
    assert "USD" not in invoke("list", "plain").output


def test_where_nobody_speaks_of_money_no_policy_is_read(home):
    program = (
        "import sys\nfrom runner.cli import cli\n"
        "cli(['status', 'plain'], standalone_mode=False)\nprint(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True,
        env=os.environ | {"RUNNER_HOME": str(home)},
    ).stdout.split()  # fmt: skip
    assert not {"docker", "pydantic", "rich", "yaml"} & set(loaded)


def test_lists_and_the_table_have_a_column_of_money(invoke):
    assert "USD" in invoke("list").output
    assert "0.2500" in invoke("list", TAG).output
    table = invoke("export", TAG, "--output", "-").output
    rows = list(csv.DictReader(table.splitlines(), delimiter="\t"))
    assert list(rows[0])[-1] == "usd"
    assert [row["usd"] for row in rows] == ["", "0.250000", "0.250000", ""]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (59, "59 s"), (90, "1.5 min"), (5400, "1.5 h")]
)
def test_a_time_is_in_the_unit_that_a_person_would_use(seconds, shown):
    assert lines.duration(seconds) == shown
