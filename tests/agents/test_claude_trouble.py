"""Trouble that passes is waited out and shown; trouble that does not pauses the run at once."""

from __future__ import annotations

import json

import pytest
from claude_at_work import KEY, a_context, at_work, proposes, results
from fakes import FakeSupervisor
from messages_server import Answer, Fault, Silence, calls, events, says, text, tool_use

from runner.agents.claude.trouble import PATIENCE_SECONDS, retry_after
from runner.errors import ModelError
from runner.records import Usage

GOOD = calls(text("fine"), proposes())
BROKEN = says("a long answer " * 30)


def broken(**how):
    return Answer(content=BROKEN.content, **how)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(Fault(status=408), "408", id="408"),
        pytest.param(Fault(status=409), "409", id="409"),
        pytest.param(Fault(status=429, retry_after="7"), "429", id="429"),
        pytest.param(Fault(status=429, error_code="ramp_limit_exceeded"), "429", id="ramp"),
        pytest.param(Fault(status=500), "500", id="500"),
        pytest.param(Fault(status=503, body=b"<html>bad gateway"), "503", id="503 without JSON"),
        pytest.param(Fault(status=529), "529", id="529"),
        pytest.param(Fault(status=200, body=b"<html>welcome"), "broke off", id="no API at all"),
        pytest.param(Silence(seconds=30), "in time", id="timeout"),
        pytest.param(Silence(seconds=0), "no connection", id="hung up before an answer"),
        pytest.param(broken(drop_after=0), "broke off", id="dropped before the first event"),
        pytest.param(broken(drop_after=4), "broke off", id="dropped in the middle"),
        pytest.param(broken(drop_after=4, clean=True), "broke off", id="ended without an end"),
        pytest.param(broken(error_after=4), "overloaded|Overloaded", id="overloaded in the middle"),
    ],
)
@pytest.mark.slow
def test_what_passes_is_asked_again_and_shown(fault, words):
    supervisor = FakeSupervisor()
    with at_work([fault, GOOD], silence=1.0) as work:
        found = work.agent.propose(a_context(), supervisor)
    assert found.forfeit is None
    assert len(work.server.requests) == 2
    assert work.server.requests[0].raw == work.server.requests[1].raw
    [(what, seconds)] = supervisor.waits
    assert any(word in what for word in words.split("|"))
    assert sum(work.slept) == pytest.approx(seconds)


def event(kind: str, **said) -> bytes:
    said = {"type": kind, **said}
    return f"event: {kind}\ndata: {json.dumps(said)}\n\n".encode()


BEGUN = {
    "id": "m", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": [],
    "stop_reason": None, "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 1},
}  # fmt: skip
START = event("message_start", message=BEGUN)
TEXT = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
WORDS = {"type": "text_delta", "text": "caf-"}
CUT = event("content_block_delta", index=0, delta=WORDS).replace(b"-", b"\xc3")
ENDED = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(CUT, id="no UTF-8 at once"),
        pytest.param(START + CUT, id="no UTF-8 before any block"),
        pytest.param(START + TEXT + CUT, id="no UTF-8 in a text"),
        pytest.param(
            event("message_start", message={**BEGUN, "usage": None}) + ENDED, id="no usage"
        ),
        pytest.param(
            START + event("content_block_delta", index=3, delta=WORDS), id="a delta of no block"
        ),
        pytest.param(
            START + TEXT + event("content_block_delta", index=0, delta={**WORDS, "text": None}),
            id="a delta of nothing",
        ),
        pytest.param(
            START
            + TEXT
            + event(
                "content_block_delta",
                index=0,
                delta={"type": "input_json_delta", "partial_json": "{"},
            )
            + ENDED,
            id="a tool's input in a text",
        ),
    ],
)
def test_a_garbled_stream_is_asked_for_again(stream):
    """It is no tool's input, and none of our own faults, that could not be read."""
    supervisor = FakeSupervisor()
    with at_work([Fault(status=200, body=stream), GOOD]) as work:
        found = work.agent.propose(a_context(), supervisor)
    assert found.forfeit is None
    assert [what for what, _ in supervisor.waits] == ["the model API's answer makes no sense"]


def test_the_pause_grows_and_has_an_end():
    supervisor = FakeSupervisor()
    with at_work([Fault(status=529)] * 12 + [GOOD]) as work:
        work.agent.propose(a_context(), supervisor)
    waits = [seconds for _, seconds in supervisor.waits]
    assert waits[0] <= 10
    assert waits[6] > waits[0]
    assert max(waits) <= 300


def test_the_api_says_how_long_to_wait():
    supervisor = FakeSupervisor()
    with at_work([Fault(status=429, retry_after="1234"), GOOD]) as work:
        work.agent.propose(a_context(), supervisor)
    assert supervisor.waits[0][1] >= 1234


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "nan"}, 0),
    ],
)
def test_a_wish_for_a_pause_is_read(headers, seconds):
    assert retry_after(headers) == seconds


def test_patience_ends_and_the_run_pauses():
    supervisor = FakeSupervisor()
    with (
        at_work(lambda _: Fault(status=529)) as work,
        pytest.raises(ModelError, match=r"529.*for 4 hours") as caught,
    ):
        work.agent.propose(a_context(), supervisor)
    assert "--resume" in caught.value.hint
    assert (
        PATIENCE_SECONDS - 400 < sum(seconds for _, seconds in supervisor.waits) <= PATIENCE_SECONDS
    )


def test_a_pause_longer_than_all_patience_is_not_begun():
    with (
        at_work([Fault(status=429, retry_after="90000"), GOOD]) as work,
        pytest.raises(ModelError),
    ):
        work.agent.propose(a_context(), FakeSupervisor())
    assert work.slept == []


def test_a_wish_to_stop_ends_the_waiting():
    supervisor = FakeSupervisor()

    def stopping(_seconds):
        supervisor.stopping = True

    with at_work(lambda _: Fault(status=529)) as work:
        work.agent._model._sleep = stopping
        assert work.agent.propose(a_context(), supervisor) is None
    assert len(work.server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        pytest.param(
            Fault(status=429, error_code="enforced_spend_limit_reached"), "limit", id="spend limit"
        ),
        pytest.param(
            Fault(status=429, error_code="contract_spend_limit_reached"), "limit", id="contract"
        ),
        pytest.param(
            Fault(status=400, message="Your credit balance is too low"), "credit", id="no credit"
        ),
        pytest.param(
            Fault(status=400, message="You have reached your specified API usage limits"),
            "limit",
            id="usage limit",
        ),
        pytest.param(Fault(status=400, message="max_tokens: too large"), "request", id="400"),
        pytest.param(Fault(status=401), "ANTHROPIC_API_KEY", id="401"),
        pytest.param(Fault(status=402), "credit", id="402"),
        pytest.param(Fault(status=403), "permission", id="403"),
        pytest.param(Fault(status=404, message="model: x"), "--agent claude:MODEL", id="model"),
        pytest.param(
            Fault(status=400, message="prompt is too long: 9 > 8"), "shorten", id="too long at once"
        ),
        pytest.param(
            broken(error_after=4, error_type="billing_error"), "credit", id="in the middle"
        ),
    ],
)
def test_what_does_not_pass_pauses_the_run_at_once(fault, hint):
    supervisor = FakeSupervisor()
    with at_work([fault, GOOD]) as work, pytest.raises(ModelError) as caught:
        work.agent.propose(a_context(), supervisor)
    assert len(work.server.requests) == 1
    assert supervisor.waits == []
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "fault", [Fault(status=413), Fault(status=400, message="prompt is too long: 9 > 8")]
)
def test_a_talk_that_outgrows_the_model_is_the_agents_forfeit(fault):
    with at_work([calls(tool_use("analyze")), fault]) as work:
        found = work.agent.propose(a_context(), FakeSupervisor())
    assert found.forfeit.rule == "answer-cut-off"


@pytest.mark.slow
def test_a_slow_stream_is_no_trouble():
    """It takes longer than any one silence may, and is never silent for so long."""
    slow = calls(text("well, " * 80), proposes(), seconds_between=0.06)
    supervisor = FakeSupervisor()
    with at_work([slow], silence=1.0) as work:
        found = work.agent.propose(a_context(), supervisor)
        assert 0.06 * len(list(events(slow, work.server.requests[0], {}))) > 1.0
    assert found.forfeit is None
    assert supervisor.waits == []


def test_trouble_in_the_middle_of_a_talk_loses_none_of_it():
    with at_work([calls(tool_use("analyze")), Fault(status=500), GOOD]) as work:
        supervisor = FakeSupervisor(findings="rows are sorted")
        work.agent.propose(a_context(), supervisor)
    assert len(supervisor.analyses) == 1
    assert "rows are sorted" in results(work.server)[0]["content"]


def test_an_error_that_names_the_key_shows_it_to_nobody():
    with (
        at_work([Fault(status=401, message=f"invalid key {KEY}\x1b[2J")]) as work,
        pytest.raises(ModelError) as caught,
    ):
        work.agent.propose(a_context(), FakeSupervisor())
    assert "invalid key (the key)" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert KEY not in f"{caught.value} {caught.value.hint} {caught.value.__dict__}"


def test_a_call_that_failed_is_written_down_as_such():
    supervisor = FakeSupervisor()
    with at_work([Fault(status=529), GOOD]) as work:
        work.agent.propose(a_context(), supervisor)
    failed, good = supervisor.calls
    assert (failed.outcome, failed.usd, failed.usage) == ("OverloadedError", 0, Usage())
    assert good.outcome == "tool_use"
