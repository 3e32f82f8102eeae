"""How a run ends for the person who started it: the reason, what to do, and how to go on."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes import (
    POLICY_TEXT,
    FakeSandbox,
    ScriptedAgent,
    crashed,
    edit,
    make_session,
    scored,
)
from rich.console import Console

from runner.audit.run import audit_run
from runner.cli import cli
from runner.errors import ConfigError, ModelError, SandboxError, SpentError
from runner.paths import State
from runner.records import ModelCall, Proposal, Stage, Usage
from runner.seams import Context, Supervisor
from runner.session import Session
from runner.start import AtWork
from runner.supervise import go_through, to_do
from runner.views import live as live_module
from runner.views.live import Live, remaining

EDITS = (edit("WIDTH = 32", "WIDTH = 64"), edit("WIDTH = 32", "WIDTH = 48"))


@dataclass
class Failing:
    """Proposes once, and then meets what it is given, as often as it is asked."""

    error: Exception
    name: str = "failing"
    isolation: str = "api"
    ahead = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        if context.number == 1:
            return EDITS[0]
        raise self.error


@dataclass
class Paying:
    """Sets the worst case aside, pays half of it, and proposes."""

    worst: float
    name: str = "claude"
    isolation: str = "api"
    ahead = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        with supervisor.reserved(self.worst):
            supervisor.record(
                ModelCall(
                    experiment=context.number, agent="claude", model="m", seconds=1.0,
                    usage=Usage(output_tokens=7), usd=self.worst / 2, outcome="end_turn",
                )
            )  # fmt: skip
        return edit("WIDTH = 32", f"WIDTH = {100 + context.number}")


def conducted(folder: Path, agent: object, **more: object) -> tuple[str, Session]:
    with make_session(folder, FakeSandbox(lambda _: scored(100.0)), **more) as session:
        work = AtWork(session=session, agents=(agent,))
        return go_through(work, (agent,), quiet_live(), None), session


def quiet_live() -> Live:
    live = Live()
    live.describe = lambda found: f"exp {found.number}"
    return live


@pytest.fixture(autouse=True)
def typed_as_runner(monkeypatch):
    monkeypatch.setattr("runner.views.summary.program", lambda: "runner")


# -- the model's side fails -------------------------------------------------------------------


GOES_ON = "this run goes on with: runner run --resume t1"
REFUSED = ModelError("401: invalid x-api-key", hint="set ANTHROPIC_API_KEY to a key that works")


def test_a_model_that_cannot_be_reached_pauses_the_run_and_says_how_it_goes_on(tmp_path, capsys):
    with pytest.raises(ModelError) as paused:
        conducted(tmp_path, Failing(REFUSED))
    shown = capsys.readouterr().out
    then = "set ANTHROPIC_API_KEY to a key that works; " + GOES_ON
    assert "       ended  paused: 401: invalid x-api-key" in shown
    assert f"       to do  {then}" in shown
    assert (paused.value.hint, paused.value.exit_code) == (then, 9)


@pytest.mark.parametrize("agent", [Failing(REFUSED), ScriptedAgent(EDITS)], ids=["pause", "end"])
def test_the_last_word_cannot_be_cut_off_the_journal_unseen(tmp_path, agent):
    with suppress(ModelError):
        conducted(tmp_path, agent)
    state = State(tmp_path / "state")
    assert audit_run(state, "t1", lambda _: ()).clean
    with closing(sqlite3.connect(state.journal, isolation_level=None)) as database:
        database.execute("DELETE FROM notes")
        database.execute("DELETE FROM entries WHERE kind IN ('paused', 'ended')")
    rules = {found.rule for found in audit_run(state, "t1", lambda _: ()).findings}
    assert rules == {"event-log"}


def test_it_is_no_experiment_and_the_run_goes_on_where_it_was(tmp_path):
    with pytest.raises(ModelError):
        conducted(tmp_path, Failing(REFUSED))
    with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0))) as session:
        assert [found.number for found in session.history] == [0, 1]
        assert not session.now.open
    conducted(tmp_path, ScriptedAgent(EDITS))
    with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0))) as session:
        assert [found.number for found in session.history] == [0, 1, 2]


def test_status_tells_it_until_something_else_happens(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    with pytest.raises(ModelError):
        conducted(tmp_path, Failing(REFUSED))
    shown = CliRunner().invoke(cli, ["status"]).output
    assert "last pause" in shown
    assert "401: invalid x-api-key; set ANTHROPIC_API_KEY" in shown
    conducted(tmp_path, ScriptedAgent(EDITS))
    shown = CliRunner().invoke(cli, ["status"]).output
    assert "last pause" not in shown
    assert "the agent scripted has nothing more to propose" in shown


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(ModelError("no"), GOES_ON, id="a model's failure without a hint"),
        pytest.param(
            ModelError("no", hint="pay; then: runner run --resume TAG"),
            "pay; then: runner run --resume t1",
            id="a hint that knows how it goes on, with the run's own name",
        ),
        pytest.param(SandboxError("no", hint="mend it"), "mend it", id="others as they are"),
        pytest.param(ConfigError("no"), "", id="nothing to do"),
    ],
)
def test_what_to_do_is_never_empty_after_a_model_s_failure(error, expected):
    assert to_do("t1", error).endswith(expected)


def test_experiments_that_fail_in_a_row_pause_it_and_it_says_where_to_look(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    once = POLICY_TEXT.replace("consecutive_failures: 10", "consecutive_failures: 1")
    sandbox = FakeSandbox(lambda spec: crashed() if spec.experiment else scored(100.0))
    agent = ScriptedAgent(EDITS)
    with make_session(tmp_path, sandbox, policy_text=once) as session:
        work = AtWork(session=session, agents=(agent,))
        end = go_through(work, (agent,), quiet_live(), None)
    assert end.exit_code == 8
    shown = capsys.readouterr().out
    assert "       ended  paused: 1 experiments failed in a row: 1 crashed" in shown
    assert "       to do  see what failed: runner list t1" in shown
    status = CliRunner().invoke(cli, ["status"]).output
    assert ": 1 experiments failed in a row" in status
    assert status.rstrip().endswith("; see what failed: runner list t1")


# -- the money is spent -----------------------------------------------------------------------


def test_the_end_of_the_money_ends_the_run_with_its_reason(tmp_path, capsys):
    limits = "limits: {experiments: null, hours: null, consecutive_failures: 10, usd: 2}"
    policy = f"{POLICY_TEXT.partition('limits:')[0]}{limits}\n"
    reason, _ = conducted(tmp_path, Paying(1.0), policy_text=policy)
    shown = capsys.readouterr().out
    assert str(reason).startswith("limits.usd: $")
    assert reason.exit_code == 0
    assert "limits.usd: $0.5000 of $2 are left, and the next call may cost $1.0000" in shown
    assert "; raise limits.usd in the policy of a new run" in shown
    assert "$1.50 of $2 in 3 calls" in shown
    with make_session(tmp_path, None, policy_text=policy) as session:
        assert len(session.history) == 4


def test_an_agent_that_finds_the_money_spent_ends_the_run(tmp_path, capsys):
    reason, _ = conducted(tmp_path, Failing(SpentError("limits.usd: nothing is left")))
    assert str(reason) == "limits.usd: nothing is left"
    assert "ended  limits.usd: nothing is left" in capsys.readouterr().out


# -- waiting ----------------------------------------------------------------------------------


def test_a_wait_is_a_line_and_counts_for_nothing(tmp_path, capsys):
    @dataclass
    class Patient(ScriptedAgent):
        def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
            supervisor.waiting("529 overloaded [bold]", 12.4)
            return super().propose(context, supervisor)

    live = quiet_live()
    conducted(tmp_path, Patient(EDITS), waiting=live.waiting)
    shown = capsys.readouterr().out
    assert shown.count("waiting 12 s, not counted: 529 overloaded [bold]") == 3
    assert "2 after the baseline" in shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(12.4, "13 s left"), (0.2, "1 s left"), (0, "asking again")]
)
def test_what_is_left_of_a_wait_is_whole_seconds(seconds, shown):
    assert remaining(seconds) == shown


def on_a_terminal(monkeypatch) -> tuple[Live, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120, highlight=False)
    monkeypatch.setattr(live_module, "Console", lambda **_: console)
    return Live(), text


def bars(live: Live) -> list[str]:
    return [task.description for task in live._progress.tasks]


def test_on_a_terminal_a_wait_counts_down_beside_the_trial_of_another_proposer(monkeypatch):
    live, text = on_a_terminal(monkeypatch)
    live.stage(Stage(name="train", seconds=14))
    live.waiting("529 overloaded [bold]\x1b[2J", 60)
    assert bars(live) == ["train", "waiting: 529 overloaded [bold]"]
    live._progress.console.print(live._progress.get_renderable())
    assert "529 overloaded [bold]" in text.getvalue()
    assert "60 s left" in text.getvalue()
    assert "at most 14 s" in text.getvalue()
    live.stage(Stage(name="score", seconds=30))
    assert bars(live) == ["waiting: 529 overloaded [bold]", "score"]


def test_a_wait_that_is_over_makes_room_for_what_comes_next(monkeypatch):
    live, _ = on_a_terminal(monkeypatch)
    live.waiting("429", 0)
    live.waiting("429 again", 60)
    assert bars(live) == ["waiting: 429 again"]
