"""The meeting point alone: two threads, and no run."""

from __future__ import annotations

import threading

import pytest
from fakes import TEMPLATE, FakeSupervisor

from runner.agents.mcp.exchange import Analysis, Exchange, SentBack
from runner.errors import BusyError, RunStoppedError
from runner.records import Proposal, Violation
from runner.seams import Context

WIDER = Proposal(hypothesis="wider")
BROKEN = Violation(rule="no-change", message="nothing changed")


def context(number: int = 1, **more) -> Context:
    return Context(
        number=number,
        files=TEMPLATE,
        mutable=("train.py",),
        metric="mean_rank",
        direction="minimize",
        history=(),
        **more,
    )


def asked(
    exchange: Exchange, supervisor: FakeSupervisor, told: Context
) -> tuple[threading.Thread, list]:
    """Let a loop ask for a proposal in its own thread, and wait until it does."""
    got: list = []
    thread = threading.Thread(target=lambda: got.append(exchange.propose(told, supervisor)))
    ready = exchange.ready
    thread.start()
    ready.result(60)
    return thread, got


def test_a_proposal_goes_to_the_loop_that_waits():
    exchange = Exchange()
    thread, got = asked(exchange, FakeSupervisor(), context())
    ticket = exchange.hand_in("call", lambda _: WIDER)
    thread.join(60)
    assert got == [WIDER]
    assert exchange.at_work is ticket


def test_what_comes_back_leaves_the_place_open():
    exchange, supervisor = Exchange(), FakeSupervisor(verdicts=[(BROKEN,)])
    thread, got = asked(exchange, supervisor, context())
    ticket = exchange.hand_in("first", lambda _: WIDER)
    assert ticket.done.result(60) == SentBack(violations=(BROKEN,), left=0)
    exchange.hand_in("second", lambda _: WIDER)
    thread.join(60)
    assert got == [WIDER]


def test_one_thing_at_a_time():
    exchange = Exchange()
    thread, _ = asked(exchange, FakeSupervisor(), context())
    exchange.hand_in("call", lambda _: WIDER)
    with pytest.raises(BusyError, match="experiment 1 is still running"):
        exchange.hand_in("analysis", lambda _: Analysis(script=None))
    thread.join(60)


def test_before_the_loop_asks_nothing_can_be_handed_in():
    with pytest.raises(BusyError, match="the baseline is still running"):
        Exchange().hand_in("call", lambda _: WIDER)


def test_a_proposal_that_is_offered_back_unreviewed_is_sent_back():
    exchange = Exchange()
    first, _ = asked(exchange, FakeSupervisor(), context())
    ticket = exchange.hand_in("call", lambda _: WIDER)
    first.join(60)
    second, _ = asked(exchange, FakeSupervisor(), context(returned=(BROKEN,)))
    assert ticket.done.result(60) == SentBack(violations=(BROKEN,))
    exchange.close()
    second.join(60)


def test_the_end_answers_whoever_waits_and_the_first_reason_stays():
    exchange = Exchange()
    thread, _ = asked(exchange, FakeSupervisor(), context())
    ticket = exchange.hand_in("call", lambda _: WIDER)
    thread.join(60)
    exchange.end("the engine is gone")
    exchange.end("later")
    with pytest.raises(RunStoppedError, match="the engine is gone"):
        ticket.done.result(60)
    with pytest.raises(RunStoppedError, match="the engine is gone"):
        exchange.hand_in("another", lambda _: WIDER)
    assert exchange.ready.done()


def test_a_client_that_is_gone_lets_the_loop_go():
    exchange = Exchange()
    thread, got = asked(exchange, FakeSupervisor(), context())
    exchange.close()
    thread.join(60)
    assert got == [None]


def test_whoever_stops_waiting_takes_nothing_from_the_others():
    exchange = Exchange()
    assert not exchange.ready.cancel()
