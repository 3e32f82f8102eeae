"""What a call may cost is set aside before it, and what it cost is written down after it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claude_at_work import a_context, at_work, proposes
from fakes import FakeSupervisor
from messages_server import Answer, calls, says, text, tool_use

from runner.agents.claude.model import MOST_OUTPUT
from runner.errors import SpentError
from runner.providers import load_providers
from runner.records import Usage
from runner.seams import Phase

OPUS = "claude-opus-5-5"
PRICES = load_providers({})["anthropic"].prices
GOOD = calls(text("fine"), proposes())
SAID = {
    "input_tokens": 100,
    "cache_read_input_tokens": 2000,
    "cache_creation_input_tokens": 700,
    "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 400},
    "output_tokens": 50,
}
KNOWN = Usage(
    input_tokens=100,
    output_tokens=50,
    cache_read_tokens=2000,
    cache_write_5m_tokens=300,
    cache_write_1h_tokens=400,
)


def worked(script, supervisor, context=None):
    with at_work(script) as work:
        found = work.agent.propose(context or a_context(), supervisor)
    return found, work.server


def test_every_kind_of_token_is_counted_at_its_price():
    supervisor = FakeSupervisor()
    worked([replace(GOOD, usage=SAID)], supervisor)
    [call] = supervisor.calls
    assert call.usage == KNOWN
    assert call.usd == pytest.approx((100 * 4 + 50 * 20 + 2000 * 0.2 + 300 * 5 + 400 * 8) / 1e6)
    assert (call.experiment, call.agent, call.model) == (1, "claude", OPUS)


def test_cache_writes_of_an_unsaid_kind_count_as_the_dearer_one():
    supervisor = FakeSupervisor()
    worked([replace(GOOD, usage=SAID | {"cache_creation": None})], supervisor)
    assert supervisor.calls[0].usage.cache_write_1h_tokens == 700


def test_a_call_is_reserved_at_more_than_it_can_cost():
    supervisor = FakeSupervisor()
    _, server = worked([GOOD], supervisor)
    most = PRICES.worst_case(OPUS, input_tokens=len(server.requests[0].raw), output_tokens=0)
    output = PRICES.worst_case(OPUS, input_tokens=0, output_tokens=MOST_OUTPUT)
    assert supervisor.reservations[0] > most + output
    assert server.counted == []


def test_tokens_are_counted_only_where_the_bound_by_bytes_does_not_fit():
    rough = FakeSupervisor()
    worked([GOOD], rough)
    supervisor = FakeSupervisor(left=rough.reservations[0] - 0.001)
    found, server = worked([GOOD], supervisor)
    assert found.forfeit is None
    assert len(server.counted) == 1
    assert supervisor.reservations[0] < rough.reservations[0]
    counted, sent = server.counted[0].body, server.requests[0].body
    assert {"model", "messages", "system", "tools", "thinking"} <= set(counted)
    assert all(sent[key] == counted[key] for key in counted)


def test_a_call_that_does_not_fit_is_not_made():
    supervisor = FakeSupervisor(left=0.3)
    with at_work([GOOD]) as work, pytest.raises(SpentError):
        work.agent.propose(a_context(), supervisor)
    assert work.server.requests == []
    assert supervisor.calls == []


def test_what_a_broken_answer_might_have_cost_is_charged():
    supervisor = FakeSupervisor()
    broken = says("half an ans" * 20, drop_after=4, usage=SAID)
    worked([broken, GOOD], supervisor)
    assert supervisor.calls[0].outcome in ("RemoteProtocolError", "DroppedError")
    assert supervisor.calls[0].usage == replace(KNOWN, output_tokens=MOST_OUTPUT)
    assert supervisor.calls[0].usd <= supervisor.reservations[0]


def test_an_answer_whose_tool_input_broke_off_is_charged_too():
    supervisor = FakeSupervisor()
    worked([calls(tool_use("propose", raw='{"a": b'), usage=SAID), GOOD], supervisor)
    assert supervisor.calls[0].usage == replace(KNOWN, output_tokens=MOST_OUTPUT)


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -1_000_000},
        {"input_tokens": None},
        {"output_tokens": -5},
        {"output_tokens": float("nan")},
        {"cache_read_input_tokens": -(10**9)},
        {"output_tokens": 10**30},
    ],
)
def test_what_is_no_number_of_tokens_costs_what_was_set_aside(usage):
    supervisor = FakeSupervisor()
    worked([replace(GOOD, usage=SAID | usage)], supervisor)
    assert [call.usd for call in supervisor.calls] == supervisor.reservations
    assert supervisor.calls[0].usage == Usage()


def test_searches_that_are_no_number_are_all_that_were_allowed():
    phase = Phase(name="last", web_domains=("a.org",), web_uses=3)
    supervisor = FakeSupervisor()
    said = SAID | {"server_tool_use": {"web_search_requests": -5}}
    worked([replace(GOOD, usage=said)], supervisor, a_context(phase=phase))
    assert supervisor.calls[0].usage.web_searches == 3


def test_an_answer_of_a_dearer_model_is_charged_at_its_price():
    supervisor = FakeSupervisor()
    with at_work([replace(GOOD, usage=SAID, model=OPUS)], model="claude-haiku-4-5") as work:
        work.agent.propose(a_context(), supervisor)
    assert supervisor.calls[0].usd == pytest.approx(PRICES.cost(OPUS, KNOWN))


def test_no_sum_of_broken_answers_exceeds_the_cap():
    supervisor = FakeSupervisor(left=3.0)
    with (
        at_work(lambda _: says("so " * 90, drop_after=5)) as work,
        pytest.raises(SpentError),
    ):
        work.agent.propose(a_context(), supervisor)
    assert 0 < len(work.server.requests) < 8
    assert sum(call.usd for call in supervisor.calls) <= 3.0
    assert supervisor.left >= 0


def test_searches_are_reserved_and_charged():
    web = a_context(phase=Phase(name="last", web_domains=("arxiv.org",), web_uses=2))
    plain, supervisor = FakeSupervisor(), FakeSupervisor()
    worked([GOOD], plain)
    used = {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}}
    worked([replace(GOOD, usage=SAID | used)], supervisor, web)
    assert supervisor.reservations[0] > plain.reservations[0] + 2 * PRICES.web_search
    assert supervisor.calls[0].usage.web_searches == 2
    assert supervisor.calls[0].usd == pytest.approx(
        PRICES.cost(OPUS, KNOWN) + 2 * PRICES.web_search
    )


def test_a_broken_search_is_charged_at_its_worst_and_within_what_was_reserved():
    web = a_context(phase=Phase(name="last", web_domains=("arxiv.org",), web_uses=2))
    supervisor = FakeSupervisor()
    worked([says("so " * 90, drop_after=4), GOOD], supervisor, web)
    assert supervisor.calls[0].usage.web_searches == 2
    assert supervisor.calls[0].usage.input_tokens > 50_000
    assert supervisor.calls[0].usd <= supervisor.reservations[0]


@pytest.mark.parametrize("reason", ["refusal", "max_tokens"])
def test_a_forfeit_is_paid_for(reason):
    supervisor = FakeSupervisor()
    worked([Answer(content=(text("no"),), stop_reason=reason, usage=SAID)], supervisor)
    assert (supervisor.calls[0].outcome, supervisor.calls[0].usage) == (reason, KNOWN)
