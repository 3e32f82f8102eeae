"""The cap is hard: whoever asks from whatever thread, what is spent stays below it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import POLICY_TEXT, FakeSandbox, ScriptedAgent, make_session, scored

from runner.errors import SpentError
from runner.money.spending import Spending
from runner.records import ModelCall, Usage
from runner.scheduler import run_loop
from runner.seams import SetAsideError
from runner.session import Session


def call(usd: float) -> ModelCall:
    return ModelCall(
        experiment=1, agent="claude", model="m", usage=Usage(output_tokens=1), usd=usd,
        seconds=1.0, outcome="end_turn",
    )  # fmt: skip


@pytest.fixture
def session(tmp_path) -> Iterator[Session]:
    with make_session(tmp_path, FakeSandbox(lambda _: None)) as opened:
        yield opened


def purse(session: Session, cap: float | None) -> Spending:
    return Spending(session.journal, session.run.tag, cap=cap)


def test_many_threads_together_never_spend_more_than_the_cap(session):
    spending, cap, threads, worst = purse(session, 1.0), 1.0, 8, 0.05
    together = threading.Barrier(threads)

    def spend(seed: int) -> int:
        chance, calls = random.Random(seed), 0  # noqa: S311 - amounts, no secrets
        together.wait()
        while True:
            try:
                with spending.reserved(worst):
                    spending.record(call(worst * chance.uniform(0.5, 1.0)))
                    calls += 1
            except SpentError:
                return calls

    with ThreadPoolExecutor(threads) as pool:
        calls = sum(pool.map(spend, range(threads)))
    spent = session.journal.spent(session.run.tag)
    assert len(session.journal.calls(session.run.tag)) == calls
    assert cap - worst < spent <= cap
    assert spending.left() == pytest.approx(cap - spent)


def test_what_others_have_set_aside_is_not_there_to_spend(session):
    spending = purse(session, 1.0)
    with spending.reserved(0.75):
        assert spending.left() == 0.25
        said = r"\$0\.2500 of \$1 are left while \$0\.7500 are set aside"
        with pytest.raises(SetAsideError, match=said), spending.reserved(0.5):
            pass
        with spending.reserved(0.25):
            assert spending.left() == 0.0


def test_what_others_have_set_aside_is_waited_for(session):
    spending, waits = purse(session, 1.0), threading.Event()

    def spend() -> None:
        with spending.reserved(0.75, stop=lambda: bool(waits.set())):
            spending.record(call(0.1))

    with ThreadPoolExecutor(1) as pool:
        with spending.reserved(0.75):
            other = pool.submit(spend)
            assert waits.wait(30)
            spending.record(call(0.1))
            assert not other.done()
        other.result(30)
    assert session.journal.spent(session.run.tag) == pytest.approx(0.2)


def test_waiting_ends_where_others_spent_what_was_set_aside(session):
    spending, waits = purse(session, 1.0), threading.Event()

    def spend() -> None:
        with spending.reserved(0.75, stop=lambda: bool(waits.set())):
            raise AssertionError("it fitted")

    with ThreadPoolExecutor(1) as pool:
        with spending.reserved(0.75):
            other = pool.submit(spend)
            assert waits.wait(30)
            spending.record(call(0.5))
        with pytest.raises(SpentError, match=r"\$0\.5000 of \$1 are left, and"):
            other.result(30)


def test_a_wish_to_stop_ends_the_waiting(session):
    spending, asked = purse(session, 1.0), iter([False, True])
    with (
        spending.reserved(0.75),
        pytest.raises(SetAsideError),
        spending.reserved(0.5, stop=lambda: next(asked)),
    ):
        pass


def test_what_could_never_fit_is_not_waited_for(session):
    spending = purse(session, 1.0)
    with spending.reserved(0.75), pytest.raises(SpentError) as spent:
        spending.reserved(1.5, stop=lambda: False).__enter__()
    assert spent.type is SpentError


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt])
def test_what_was_set_aside_comes_back_however_the_call_ends(session, end):
    spending = purse(session, 1.0)
    with pytest.raises(end), spending.reserved(0.75):
        raise end
    assert spending.left() == 1.0
    with spending.reserved(0.75):
        pass
    assert spending.left() == 1.0


def test_a_call_that_did_not_fit_set_nothing_aside(session):
    spending = purse(session, 1.0)
    with pytest.raises(SpentError), spending.reserved(1.5):
        pass
    assert spending.left() == 1.0


def test_the_cap_holds_over_a_restart(session):
    with purse(session, 1.0).reserved(0.75):
        purse(session, 1.0).record(call(0.75))
    again = purse(session, 1.0)
    assert again.left() == 0.25
    with pytest.raises(SpentError, match=r"limits\.usd: \$0\.2500 of \$1 are left") as spent:
        again.reserved(0.5).__enter__()
    assert spent.value.hint


def test_a_cap_of_nothing_lets_no_call_through(session):
    with pytest.raises(SpentError), purse(session, 0.0).reserved(0.000001):
        pass


def test_without_a_cap_nothing_is_refused_and_everything_is_recorded(session):
    spending = purse(session, None)
    with spending.reserved(1e9):
        spending.record(call(1e6))
    assert spending.left() is None
    assert session.journal.spent(session.run.tag) == 1e6


def test_the_cap_is_the_policy_s(tmp_path):
    limits = "limits: {experiments: null, hours: null, consecutive_failures: 10, usd: 3}"
    capped = f"{POLICY_TEXT.partition('limits:')[0]}{limits}\n"
    with make_session(tmp_path, FakeSandbox(lambda _: None), policy_text=capped) as opened:
        assert opened.spending.left() == 3.0


def test_a_call_that_a_killed_supervisor_was_in_is_charged_once_at_its_worst(tmp_path):
    agent = ScriptedAgent([])
    with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0))) as session:
        session.journal.reserve(session.run.tag, 0.4)  # and nobody ever releases it
    for _ in range(2):
        with make_session(tmp_path, FakeSandbox(lambda _: scored(100.0))) as session:
            run_loop(session, agent, experiments=None)
            [found] = session.journal.calls(session.run.tag)
            assert (found.usd, found.outcome) == (0.4, "killed")
            assert purse(session, 1.0).left() == pytest.approx(0.6)


def test_a_call_that_ended_leaves_nothing_set_aside(session):
    spending = purse(session, 1.0)
    with spending.reserved(0.4):
        spending.record(call(0.1))
    with pytest.raises(ValueError, match="broke"), spending.reserved(0.4):
        raise ValueError("broke")
    assert spending.settle(agent="claude", experiment=1) == 0.0
    assert session.journal.spent(session.run.tag) == 0.1
