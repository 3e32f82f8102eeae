"""What a call may cost is set aside before it, and what it cost is written down after it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claude_at_work import a_context, at_work, proposes
from fakes import FakeHost
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


def worked(script, host, context=None):
    with at_work(script) as work:
        found = work.agent.propose(context or a_context(), host)
    return found, work.server


def test_every_kind_of_token_is_counted_at_its_price():
    host = FakeHost()
    worked([replace(GOOD, usage=SAID)], host)
    [call] = host.calls
    assert call.usage == KNOWN
    assert call.usd == pytest.approx((100 * 4 + 50 * 20 + 2000 * 0.2 + 300 * 5 + 400 * 8) / 1e6)
    assert (call.experiment, call.agent, call.model) == (1, "claude", OPUS)


def test_cache_writes_of_an_unsaid_kind_count_as_the_dearer_one():
    host = FakeHost()
    worked([replace(GOOD, usage=SAID | {"cache_creation": None})], host)
    assert host.calls[0].usage.cache_write_1h_tokens == 700


def test_a_call_is_reserved_at_more_than_it_can_cost():
    host = FakeHost()
    _, server = worked([GOOD], host)
    most = PRICES.worst_case(OPUS, input_tokens=len(server.requests[0].raw), output_tokens=0)
    output = PRICES.worst_case(OPUS, input_tokens=0, output_tokens=MOST_OUTPUT)
    assert host.reservations[0] > most + output
    assert server.counted == []


def test_tokens_are_counted_only_where_the_bound_by_bytes_does_not_fit():
    rough = FakeHost()
    worked([GOOD], rough)
    host = FakeHost(left=rough.reservations[0] - 0.001)
    found, server = worked([GOOD], host)
    assert found.forfeit is None
    assert len(server.counted) == 1
    assert host.reservations[0] < rough.reservations[0]
    counted, sent = server.counted[0].body, server.requests[0].body
    assert {"model", "messages", "system", "tools", "thinking"} <= set(counted)
    assert all(sent[key] == counted[key] for key in counted)


def test_a_call_that_does_not_fit_is_not_made():
    host = FakeHost(left=0.3)
    with at_work([GOOD]) as work, pytest.raises(SpentError):
        work.agent.propose(a_context(), host)
    assert work.server.requests == []
    assert host.calls == []


def test_what_a_broken_answer_might_have_cost_is_charged():
    host = FakeHost()
    broken = says("half an ans" * 20, drop_after=4, usage=SAID)
    worked([broken, GOOD], host)
    assert host.calls[0].outcome in ("RemoteProtocolError", "DroppedError")
    assert host.calls[0].usage == replace(KNOWN, output_tokens=MOST_OUTPUT)
    assert host.calls[0].usd <= host.reservations[0]


def test_an_answer_whose_tool_input_broke_off_is_charged_too():
    host = FakeHost()
    worked([calls(tool_use("propose", raw='{"a": b'), usage=SAID), GOOD], host)
    assert host.calls[0].usage == replace(KNOWN, output_tokens=MOST_OUTPUT)


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
    host = FakeHost()
    worked([replace(GOOD, usage=SAID | usage)], host)
    assert [call.usd for call in host.calls] == host.reservations
    assert host.calls[0].usage == Usage()


def test_searches_that_are_no_number_are_all_that_were_allowed():
    phase = Phase(name="last", web_domains=("a.org",), web_uses=3)
    host = FakeHost()
    said = SAID | {"server_tool_use": {"web_search_requests": -5}}
    worked([replace(GOOD, usage=said)], host, a_context(phase=phase))
    assert host.calls[0].usage.web_searches == 3


def test_an_answer_of_a_dearer_model_is_charged_at_its_price():
    host = FakeHost()
    with at_work([replace(GOOD, usage=SAID, model=OPUS)], model="claude-haiku-4-5") as work:
        work.agent.propose(a_context(), host)
    assert host.calls[0].usd == pytest.approx(PRICES.cost(OPUS, KNOWN))


def test_no_sum_of_broken_answers_exceeds_the_cap():
    host = FakeHost(left=3.0)
    with (
        at_work(lambda _: says("so " * 90, drop_after=5)) as work,
        pytest.raises(SpentError),
    ):
        work.agent.propose(a_context(), host)
    assert 0 < len(work.server.requests) < 8
    assert sum(call.usd for call in host.calls) <= 3.0
    assert host.left >= 0


def test_searches_are_reserved_and_charged():
    web = a_context(phase=Phase(name="last", web_domains=("arxiv.org",), web_uses=2))
    plain, host = FakeHost(), FakeHost()
    worked([GOOD], plain)
    used = {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}}
    worked([replace(GOOD, usage=SAID | used)], host, web)
    assert host.reservations[0] > plain.reservations[0] + 2 * PRICES.web_search
    assert host.calls[0].usage.web_searches == 2
    assert host.calls[0].usd == pytest.approx(PRICES.cost(OPUS, KNOWN) + 2 * PRICES.web_search)


def test_a_broken_search_is_charged_at_its_worst_and_within_what_was_reserved():
    web = a_context(phase=Phase(name="last", web_domains=("arxiv.org",), web_uses=2))
    host = FakeHost()
    worked([says("so " * 90, drop_after=4), GOOD], host, web)
    assert host.calls[0].usage.web_searches == 2
    assert host.calls[0].usage.input_tokens > 50_000
    assert host.calls[0].usd <= host.reservations[0]


@pytest.mark.parametrize("reason", ["refusal", "max_tokens"])
def test_a_forfeit_is_paid_for(reason):
    host = FakeHost()
    worked([Answer(content=(text("no"),), stop_reason=reason, usage=SAID)], host)
    assert (host.calls[0].outcome, host.calls[0].usage) == (reason, KNOWN)
