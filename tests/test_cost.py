"""What a run cost, and what one will cost: sums, tables, and estimates with their basis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import paths
from runner.cli import cli
from runner.errors import ConfigError
from runner.estimate import ENOUGH, Plan, estimate
from runner.journal.reader import open_reader
from runner.journal.store import Journal
from runner.money.prices import Price, Prices
from runner.money.usage import by_experiment, spent, together
from runner.records import ModelCall, Usage
from runner.scheduler import run_loop
from runner.session import Session
from runner.views import lines

MODEL = "claude-opus-5-5"
PRICES = Prices(
    as_of=date(2026, 11, 1),
    web_search=0.01,
    models={
        MODEL: Price(input=4, output=20, cache_write_5m=5, cache_write_1h=8, cache_read=0.2),
        "twice": Price(input=8, output=40, cache_write_5m=10, cache_write_1h=16, cache_read=0.4),
    },
)
PLAN = Plan(task="eclip", agent=f"claude:{MODEL}", experiments=10)


def call(experiment: int, usd: float = 0.5, model: str = MODEL, **tokens: int) -> ModelCall:
    return ModelCall(
        experiment=experiment, agent="claude", model=model, usage=Usage(**tokens), usd=usd,
        seconds=10.0, outcome="tool_use",
    )  # fmt: skip


CALLS = (
    call(1, 0.25, input_tokens=10, output_tokens=100, cache_write_1h_tokens=1000),
    call(1, 0.125, output_tokens=200, cache_read_tokens=3000, web_searches=2),
    call(2, 0.5, model="claude-haiku-4-5", output_tokens=300, cache_write_5m_tokens=990),
)


# -- sums -------------------------------------------------------------------------------------


def test_a_sum_has_every_kind_of_token():
    found = spent(CALLS)
    assert (found.calls, found.usd, found.seconds) == (3, 0.875, 30.0)
    assert found.usage == Usage(
        input_tokens=10,
        output_tokens=600,
        cache_write_5m_tokens=990,
        cache_write_1h_tokens=1000,
        cache_read_tokens=3000,
        web_searches=2,
    )
    assert found.given == 5000
    assert found.cached == 0.6


def test_sums_by_experiment_and_by_model_are_the_whole(home):
    with open_reader(paths.State(home).journal) as journal:
        experiments, models = journal.spent_by_experiment(TAG), journal.spent_by_model(TAG)
        assert journal.spent_by_experiment(TAG, 2, 2) == {2: experiments[2]}
        assert journal.spent_by_model("free") == journal.spent_by_experiment("free") == {}
    assert experiments == by_experiment(reversed(CALLS))
    assert list(experiments) == [1, 2]
    assert list(models) == ["claude-haiku-4-5", MODEL]
    assert together(models.values()) == together(experiments.values()) == spent(CALLS)


def test_nothing_costs_nothing_and_has_no_share():
    assert spent(()).usd == 0
    assert spent(()).cached is None


@pytest.mark.parametrize(
    ("usd", "shown"), [(0, "$0.00"), (0.00012, "$0.0001"), (0.5, "$0.5000"), (12.3456, "$12.35")]
)
def test_money_shows_fractions_of_a_cent_where_they_matter(usd, shown):
    assert lines.money(usd) == shown


# -- what a run cost --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cost")
    sandbox = FakeSandbox(lambda _: scored(100.0))
    with make_session(folder, sandbox) as session:
        run_loop(session, ScriptedAgent((edit("WIDTH = 32", "WIDTH = 64"),)), experiments=None)
        for each in CALLS:
            session.journal.add_call(TAG, each)
    with make_session(folder, sandbox, tag="free"):
        pass
    return folder / "state"


@pytest.fixture
def invoke(home, monkeypatch) -> Callable[..., Result]:
    monkeypatch.setenv("RUNNER_HOME", str(home))
    monkeypatch.delenv("RUNNER_PROVIDERS", raising=False)
    return lambda *arguments: CliRunner().invoke(cli, ["cost", *arguments])


def test_the_document_has_everything_in_numbers(invoke):
    document = json.loads(invoke(TAG, "--json").output)
    assert document["total"]["usd"] == 0.875
    assert (document["limit_usd"], document["left_usd"]) == (10, 9.125)
    assert [each["number"] for each in document["experiments"]] == [1, 2]
    assert document["experiments"][0]["cache_write_1h_tokens"] == 1000
    assert document["models"][MODEL]["usd"] == 0.375
    assert document["prices_as_of"]


def test_a_cost_that_nobody_recorded_is_no_number(invoke):
    document = json.loads(invoke("free", "--json").output)
    assert (document["total"], document["left_usd"]) == (None, 10)


def test_people_see_tables_the_sum_the_limit_and_the_date(invoke):
    shown = invoke(TAG).output
    assert "$0.8750 in 3 calls: 5,000 tokens in (60% from the cache), 600 out" in shown
    assert "$9.12 of $10.00" in shown
    assert "claude-haiku-4-5" in shown
    assert "$0.4375 an experiment" in shown
    assert "2026-" in shown.partition("prices")[2]


def test_a_run_that_asked_no_model_says_so(invoke):
    shown = invoke("free").output
    assert "no calls to models were recorded" in shown
    assert json.loads(invoke("free", "--json").output)["experiments"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--agent", "tune"),
        ("--model", MODEL, TAG),
        ("--preview", "eclip"),
        ("--preview", "eclip", "--agent", "tune", TAG),
        ("--preview", "nothing", "--agent", "tune"),
        ("--preview", "eclip", "--agent", "claud:x"),
        ("--preview", "eclip", "--agent", "claude:unheard-of"),
        ("--preview", "eclip", "--agent", "tune", "--model", MODEL),
        ("--preview", "eclip", "--agent", "tune", "--agents", "0"),
        ("none",),
    ],
)
def test_what_makes_no_sense_is_refused(invoke, arguments):
    assert invoke(*arguments).exit_code == 2


# -- what a run will cost ---------------------------------------------------------------------


@pytest.fixture
def session(tmp_path) -> Iterator[Session]:
    with make_session(tmp_path, FakeSandbox(lambda _: scored(1.0))) as opened:
        yield opened


def test_a_preview_needs_no_run_and_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path))
    arguments = ["--preview", "eclip", "--agent", "claude", "--model", MODEL, "--experiments", "20"]
    result = CliRunner().invoke(cli, ["cost", *arguments])
    assert result.exit_code == 0, result.output
    assert "20 experiments of eclip by claude:claude-opus-5-5" in result.output
    assert "money  not known: nothing was measured yet" in result.output
    assert "and what the agent thinks: that is not known" in result.output
    assert "limits.usd is $10.00; the run ends before" in result.output
    assert list(tmp_path.iterdir()) == []
    document = json.loads(CliRunner().invoke(cli, ["cost", *arguments, "--json"]).output)
    assert (document["usd"], document["usd_each"], document["limit_pays_for"]) == (None,) * 3
    assert (document["measured_experiments"], document["prices_as_of"]) == (0, "2026-11-01")


def test_where_nothing_was_measured_nothing_is_invented():
    found = estimate(PLAN, PRICES, None)
    assert (found.usd, found.usd_each, found.measured) == (None, None, 0)
    assert (
        "no experiment of eclip by claude with claude-opus-5-5 was measured yet" in found.basis[0]
    )
    assert found.seconds == estimate(replace(PLAN, agent="tune"), PRICES, None).seconds


def test_the_preview_of_an_agent_that_asks_no_model_is_free_and_still_takes_time():
    found = estimate(replace(PLAN, agent="tune"), PRICES, None)
    assert (found.usd.low, found.usd.high) == (0, 0)
    assert 0 < found.seconds.low < found.seconds.high


@pytest.mark.parametrize("agent", ["command:true", "mcp"])
def test_what_is_paid_elsewhere_is_not_said_to_be_free(tmp_path, monkeypatch, agent):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path))
    arguments = ["cost", "--preview", "eclip", "--agent", agent]
    shown = CliRunner().invoke(cli, arguments).output
    assert "money  not known: it is paid elsewhere" in shown
    assert "which does not hold what is paid elsewhere" in shown
    document = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).output)
    assert (document["usd"], document["usd_each"]) == (None, None)


def by_claude(session: Session, agent: str = f"claude:{MODEL}") -> Journal:
    session.journal.create_run(replace(session.run, tag="earlier", agent=agent))
    return session.journal


def test_measured_calls_count_at_today_s_prices(session):
    journal = by_claude(session)
    for number in range(1, 11):
        journal.add_call("earlier", call(number, usd=99.0, output_tokens=10_000))
        journal.add_call("earlier", call(number, usd=99.0, output_tokens=15_000))
    found = estimate(PLAN, PRICES, journal)
    assert found.measured == 10
    assert found.usd_each.low == found.usd_each.high == pytest.approx(0.5)
    assert found.usd.high == pytest.approx(5.0)
    assert found.seconds.low == pytest.approx(200)
    assert "measured: 10 experiments" in found.basis[0]


def test_a_few_measured_experiments_are_all_in_the_range(session):
    journal = by_claude(session)
    for number, tokens in enumerate((50_000, 10_000, 20_000), start=1):
        journal.add_call("earlier", call(number, output_tokens=tokens))
    found = estimate(PLAN, PRICES, journal)
    assert (found.measured, ENOUGH) == (3, 5)
    assert (found.usd_each.low, found.usd_each.high) == (0.2, 1.0)
    assert "measured: 3 experiments" in found.basis[0]


def test_estimates_follow_the_prices(session):
    journal = by_claude(session)
    journal.add_call("earlier", call(1, output_tokens=50_000))
    twice = PRICES.model_copy(update={"models": {MODEL: PRICES.models["twice"]}})
    once, found = (estimate(PLAN, prices, journal) for prices in (PRICES, twice))
    assert found.usd.high == pytest.approx(2 * once.usd.high)


def test_a_range_holds_the_mean_even_where_one_experiment_cost_most(session):
    journal = by_claude(session)
    for number in range(20):
        journal.add_call("earlier", call(number, output_tokens=1_000_000 if number == 7 else 50))
    found = estimate(PLAN, PRICES, journal)
    assert found.usd_each.low < 20 / 20 < found.usd_each.high * 1.001


@pytest.mark.parametrize(
    ("agent", "model", "measured"),
    [
        pytest.param(f"claude:{MODEL}", MODEL, 1, id="the same"),
        pytest.param(f"claude:{MODEL}", f"{MODEL}-20261101", 1, id="its snapshot"),
        pytest.param(f"claude:{MODEL}", "twice", 0, id="another model"),
        pytest.param(f"claude-code:{MODEL}", MODEL, 0, id="another agent"),
        pytest.param(f"best-of-n:claude:{MODEL}", MODEL, 1, id="the same behind another"),
    ],
)
def test_only_the_same_agent_and_model_are_measured_by(session, agent, model, measured):
    journal = by_claude(session, agent)
    journal.add_call("earlier", call(1, model=model, output_tokens=10))
    assert estimate(PLAN, PRICES, journal).measured == measured


def test_another_task_s_runs_are_not_measured_by(session):
    journal = by_claude(session)
    journal.add_call("earlier", call(1, output_tokens=10))
    assert estimate(replace(PLAN, task="heart"), PRICES, journal).measured == 0


def test_the_limit_says_how_far_it_goes(session):
    journal = by_claude(session)
    for number in range(10):
        journal.add_call("earlier", call(number, output_tokens=50_000))
    found = estimate(replace(PLAN, experiments=11), PRICES, journal)
    assert (found.cap, found.covered) == (10.0, 10)
    assert estimate(PLAN, PRICES, journal).covered is None


def test_several_agents_save_time_and_no_money(session):
    journal = by_claude(session)
    journal.add_call("earlier", call(1, output_tokens=50_000))
    one, three = (estimate(replace(PLAN, agents=count), PRICES, journal) for count in (1, 3))
    assert three.usd == one.usd
    assert three.seconds.high < one.seconds.high
    assert three.seconds.low <= one.seconds.low


def test_an_unknown_model_has_no_estimate():
    with pytest.raises(ConfigError, match="no price"):
        estimate(replace(PLAN, agent="claude:other"), PRICES, None)
