"""What goes through the gateway: the real clients, streams, money, and whose fault a failure is."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager
from dataclasses import replace

import anthropic
import openai
import pytest
from at_the_gateway import (
    EVENTS,
    GPT,
    HELLO,
    KEY,
    OPUS,
    Reply,
    answering,
    capped,
    gateway,
    said,
    streamed,
)
from fakes import FakeSupervisor
from messages_server import Fault, Silence, calls, says, serving, text, tool_use

from runner.errors import ModelError, SpentError
from runner.records import Usage
from runner.seams import SetAsideError

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
COST = (100 * 4 + 50 * 20 + 2000 * 0.2 + 300 * 5 + 400 * 8) / 1e6
USED = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
}
USED_BY_RESPONSE = {
    "input_tokens": 100,
    "output_tokens": 20,
    "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 120,
}
KNOWN_OPENAI = Usage(
    input_tokens=50, output_tokens=20, cache_read_tokens=40, cache_write_5m_tokens=10
)
COST_OPENAI = (50 * 2 + 20 * 10 + 40 * 0.1 + 10 * 2.5) / 1e6


def choice(**more):
    return {"index": 0, "finish_reason": None, **more}


def chunk(*choices, **more):
    return {"id": "c", "object": "chat.completion.chunk", "model": GPT, "choices": choices, **more}


CHAT = {
    "id": "c",
    "object": "chat.completion",
    "model": GPT,
    "created": 1,
    "choices": [choice(message={"role": "assistant", "content": "hi"}, finish_reason="stop")],
    "usage": USED,
}
CHUNKS = (
    chunk(choice(delta={"role": "assistant", "content": "h"})),
    chunk(choice(delta={"content": "i"})),
    chunk(choice(delta={}, finish_reason="stop")),
    chunk(usage=USED),
)
MESSAGE = {
    "type": "message", "id": "m", "role": "assistant", "status": "completed",
    "content": [{"type": "output_text", "text": "hi", "annotations": []}],
}  # fmt: skip
RESPONSE = {
    "id": "r", "object": "response", "model": GPT, "status": "completed", "output": [MESSAGE],
    "created_at": 1, "tools": [], "tool_choice": "auto", "parallel_tool_calls": True,
    "usage": USED_BY_RESPONSE,
}  # fmt: skip
MESSAGES, CHATS, RESPONSES = "/v1/messages", "/v1/chat/completions", "/v1/responses"
STREAMED = {
    MESSAGES: {"model": OPUS, "max_tokens": 9, "messages": HELLO, "stream": True},
    CHATS: {"model": GPT, "messages": HELLO, "stream": True},
    RESPONSES: {"model": GPT, "input": "hello", "stream": True},
}
START = {"type": "message_start", "message": {"type": "message", "model": OPUS, "usage": SAID}}
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": SAID}
STOP = {"type": "message_stop"}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def error_of(code):
    return {"type": "error", "code": code, "message": "no"}


def failed(code):
    error = code and {"code": code, "message": "no"}
    return {"type": "response.failed", "response": {"status": "failed", "error": error}}


# -- Anthropic -------------------------------------------------------------------------------------


def test_an_answer_and_a_stream_come_through_and_are_paid_by_what_the_provider_says():
    with (
        serving(lambda _: says("word " * 500, usage=SAID)) as server,
        gateway(server.url) as work,
        work.anthropic as client,
    ):
        whole = client.messages.create(model=OPUS, max_tokens=99, messages=HELLO)
        with client.messages.stream(model=OPUS, max_tokens=99, messages=HELLO) as stream:
            streamed_text = stream.get_final_text()
        counted = client.messages.count_tokens(model=OPUS, messages=HELLO)
    assert whole.content[0].text == streamed_text == "word " * 500
    assert counted.input_tokens > 0
    assert [call.usage for call in work.supervisor.calls] == [KNOWN] * 2
    assert [call.usd for call in work.supervisor.calls] == [pytest.approx(COST)] * 2
    one = work.supervisor.calls[0]
    assert (one.agent, one.experiment, one.model, one.outcome) == ("boxed", 1, OPUS, "end_turn")
    assert [request.headers["x-api-key"] for request in server.requests] == [KEY] * 2
    work.gateway.check()


def test_a_tool_s_call_and_its_result_go_to_and_fro():
    script = [calls(text("let me see"), tool_use("look", path="a")), says("done")]
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    with serving(script) as server, gateway(server.url) as work, work.anthropic as client:
        asked = client.messages.create(model=OPUS, max_tokens=99, messages=HELLO, tools=tools)
        result = {"type": "tool_result", "tool_use_id": asked.content[1].id, "content": "a file"}
        more = [*HELLO, {"role": "assistant", "content": [b.to_dict() for b in asked.content]}]
        more.append({"role": "user", "content": [result]})
        done = client.messages.create(model=OPUS, max_tokens=99, messages=more, tools=tools)
    assert done.content[0].text == "done"
    assert server.requests[1].messages[-1]["content"] == [result]
    assert work.supervisor.talk[:2] == [("user", "hello")] * 2  # as often as it was sent
    assert [role for role, _ in work.supervisor.talk[2:]] == ["assistant", "user"]
    assert work.supervisor.talk[2][1].startswith("let me see\n")
    assert '"content": "a file"' in work.supervisor.talk[3][1]


def test_the_worst_case_is_set_aside_before_the_call():
    with serving(lambda _: says("x")) as server, gateway(server.url) as work:
        work.post({"model": OPUS, "max_tokens": 1000, "messages": HELLO})
    [reserved] = work.supervisor.reservations
    assert reserved > (len(server.requests[0].raw) * 8 + 1000 * 20) / 1e6


def test_what_does_not_fit_into_the_budget_is_not_asked_and_ends_the_run():
    with (
        serving(lambda _: says("x")) as server,
        gateway(server.url, supervisor=FakeSupervisor(left=0.01)) as work,
        work.anthropic as client,
    ):
        with pytest.raises(anthropic.APIStatusError) as refused:
            client.messages.create(model=OPUS, max_tokens=99_000, messages=HELLO)
        with pytest.raises(SpentError):
            work.gateway.check()
    assert (refused.value.status_code, refused.value.type) == (402, "billing_error")
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert server.requests == []
    assert work.supervisor.calls == []


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -5},
        {"output_tokens": None},
        {"output_tokens": 10**30},
        {"cache_read_input_tokens": "many"},
    ],
)
def test_numbers_that_are_none_cost_what_was_set_aside(usage):
    with serving(lambda _: says("x", usage=SAID | usage)) as server, gateway(server.url) as work:
        work.post({"model": OPUS, "max_tokens": 1000, "messages": HELLO})
    assert [call.usd for call in work.supervisor.calls] == work.supervisor.reservations


def test_an_answer_of_a_dearer_model_costs_what_that_one_does():
    cheap = "claude-haiku-4-5"
    script = [says("x", usage=SAID, model=OPUS)]
    with serving(script) as server, gateway(server.url, models=[cheap]) as work:
        work.post({"model": cheap, "max_tokens": 9, "messages": HELLO})
    assert work.supervisor.calls[0].usd == pytest.approx(COST)


@pytest.mark.parametrize("clean", [True, False])
def test_a_stream_that_breaks_off_costs_what_was_set_aside(clean):
    broken = says("so " * 90, drop_after=4, clean=clean, usage=SAID)
    asked = {"model": OPUS, "max_tokens": 9, "messages": HELLO, "stream": True}
    with serving([broken]) as server, gateway(server.url) as work:
        if clean:
            assert b"message_stop" not in work.post(asked).content
        else:
            with pytest.raises(Exception, match="incomplete"):
                work.post(asked)
    assert [call.usd for call in work.supervisor.calls] == work.supervisor.reservations


def test_a_client_that_hangs_up_on_a_stream_costs_what_was_set_aside():
    slow = says("so " * 400, seconds_between=0.05)
    with serving([slow]) as server, gateway(server.url) as work:
        body = b'{"model":"%s","max_tokens":9,"stream":true,"messages":[]}' % OPUS.encode()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(work.socket))
            head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            client.sendall(head % len(body) + body)
            assert b"message_start" in client.recv(65536) + client.recv(65536)
        _until(lambda: work.supervisor.calls)
    [call] = work.supervisor.calls
    assert (call.usd, call.outcome) == (work.supervisor.reservations[0], "the client hung up")


def test_a_call_under_way_is_broken_off_and_paid_when_the_box_is_gone():
    with serving([Silence(seconds=30)]) as server:
        begun = time.monotonic()
        with gateway(server.url) as work, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(work.socket))
            body = b'{"model":"%s","max_tokens":9,"messages":[]}' % OPUS.encode()
            head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            client.sendall(head % len(body) + body)
            _until(lambda: server.requests)
        assert time.monotonic() - begun < 5
    assert [call.usd for call in work.supervisor.calls] == work.supervisor.reservations


# -- whose fault it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 529])
def test_what_may_pass_goes_to_the_client_and_the_run_learns_of_it(status):
    script = [Fault(status=status, retry_after="7"), says("x")]
    with serving(script) as server, gateway(server.url) as work:
        refused = work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO})
        with pytest.raises(ModelError, match=str(status)):
            work.gateway.check()
        work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO})
    work.gateway.check()
    assert (refused.status_code, refused.headers["retry-after"]) == (status, "7")
    assert work.supervisor.calls[0].usd == 0


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, f"invalid x-api-key: {KEY[:6]}...{KEY[-4:]}"),
        (403, "no permission"),
        (400, "Your credit balance is too low"),
    ],
)
def test_what_is_about_the_account_is_the_run_s_and_its_words_stay_here(status, message):
    with serving([Fault(status=status, message=message)]) as server, gateway(server.url) as work:
        refused = work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO})
        with pytest.raises(ModelError) as trouble:
            work.gateway.check()
    assert refused.status_code == 403
    assert message not in refused.text
    assert trouble.value.hint


@pytest.mark.parametrize(
    ("provider", "path", "events", "what"),
    [
        ("anthropic", MESSAGES, (START, OVERLOADED), "overloaded_error"),
        ("anthropic", MESSAGES, (START, DELTA), "before its last event"),
        ("openai", RESPONSES, (error_of("server_error"),), "server_error"),
        ("openai", RESPONSES, (failed("server_error"),), "server_error"),
        ("openai", RESPONSES, (failed(None),), "answer failed"),
        ("openai", CHATS, (CHUNKS[0], {"error": {"code": 502}}), "502"),
        ("openai", CHATS, CHUNKS[:2], "before its last event"),
    ],
)
def test_a_stream_that_fails_midway_is_the_provider_s_failure(provider, path, events, what):
    with (
        answering(lambda _: streamed(*events)) as (address, _),
        gateway(address, provider=provider) as work,
    ):
        work.post(STREAMED[path], path)
    with pytest.raises(ModelError, match=what):
        work.gateway.check()


@pytest.mark.parametrize(
    ("provider", "path", "event"),
    [
        ("anthropic", MESSAGES, {"type": "error", "error": {"type": "invalid_request_error"}}),
        ("openai", RESPONSES, error_of("context_length_exceeded")),
        ("openai", RESPONSES, failed("context_length_exceeded")),
        ("openai", RESPONSES, failed("invalid_prompt")),
    ],
)
def test_but_not_where_the_request_is_to_blame(provider, path, event):
    with (
        answering(lambda _: streamed(event)) as (address, _),
        gateway(address, provider=provider) as work,
    ):
        work.post(STREAMED[path], path)
    work.gateway.check()


def test_a_client_that_hangs_up_after_the_end_has_had_a_whole_answer():
    raw = json.dumps(STREAMED[MESSAGES]).encode()
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"

    def lingering():
        yield from (f"data: {json.dumps(event)}\n\n".encode() for event in (START, DELTA, STOP))
        time.sleep(1)

    replies = [said(OVERLOADED, status=529), Reply(pieces=lingering(), headers=EVENTS)]
    with answering(lambda _: replies.pop(0)) as (address, _), gateway(address) as work:
        work.post(STREAMED[MESSAGES])
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(work.socket))
            client.sendall(head % len(raw) + raw)
            answer = b""
            while b"message_stop" not in answer:
                answer += client.recv(65536)
        _until(lambda: len(work.supervisor.calls) == 2)
    work.gateway.check()
    assert [call.outcome for call in work.supervisor.calls] == ["status 529", "end_turn"]


@pytest.mark.parametrize(
    ("provider", "path", "free"),
    [
        ("anthropic", MESSAGES, f"{MESSAGES}/count_tokens"),
        ("openai", CHATS, "/v1/models"),
    ],
)
def test_a_call_that_costs_nothing_does_not_hide_that_the_budget_is_spent(provider, path, free):
    with (
        answering(lambda _: said({"input_tokens": 5})) as (address, _),
        gateway(address, provider=provider, supervisor=FakeSupervisor(left=0.0)) as work,
        work.http() as client,
    ):
        work.post(STREAMED[path], path)
        if provider == "anthropic":
            answer = work.post({"model": OPUS, "messages": HELLO}, free)
        else:
            answer = client.get(f"http://box{free}")
    assert answer.status_code == 200
    with pytest.raises(SpentError):
        work.gateway.check()


def test_a_model_that_says_nothing_of_what_it_used_has_answered_all_the_same():
    replies = [said({"error": {"message": "busy"}}, status=503), streamed(*CHUNKS[:3])]
    with (
        answering(lambda _: replies.pop(0)) as (address, _),
        gateway(address, provider="local", models=[GPT], key=None) as work,
    ):
        for _ in range(2):
            work.post(STREAMED[CHATS], CHATS)
    work.gateway.check()


def test_searches_of_a_call_that_was_refused_may_be_made_by_the_next():
    tool = {"type": "web_search_20260318", "name": "web_search", "max_uses": 3}
    with (
        answering(lambda _: said(OVERLOADED, status=529)) as (address, asked),
        gateway(address, searches=3, domains=("arxiv.org",)) as work,
    ):
        for tries in (1, 2):
            work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO, "tools": [tool]})
            _until(lambda tries=tries: len(work.supervisor.calls) == tries)
    assert [one.body["tools"][0]["max_uses"] for one in asked] == [3, 3]


def test_a_request_that_the_provider_does_not_take_is_the_agent_s_own_failure():
    script = [Fault(status=400, message="messages: empty")]
    with serving(script) as server, gateway(server.url) as work:
        refused = work.post({"model": OPUS, "max_tokens": 9, "messages": []})
        work.gateway.check()
    assert refused.json()["error"]["message"] == "messages: empty"


def test_a_provider_that_is_away_costs_nothing_and_is_said():
    with gateway("http://127.0.0.1:9") as work:
        refused = work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO})
        with pytest.raises(ModelError, match="no connection"):
            work.gateway.check()
    assert (refused.status_code, refused.json()["error"]["type"]) == (502, "api_error")
    assert [call.usd for call in work.supervisor.calls] == [0]


def test_a_call_that_takes_too_long_is_ended_and_paid():
    with (
        serving([Silence(seconds=30)]) as server,
        gateway(server.url, caps=capped(call_seconds=0.2)) as work,
    ):
        refused = work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO})
    assert "too long" in refused.json()["error"]["message"]
    assert [call.usd for call in work.supervisor.calls] == work.supervisor.reservations


def test_a_journal_that_cannot_be_written_is_a_fault_of_ours():
    def full(_):
        raise OSError("disk full")

    supervisor = FakeSupervisor()
    supervisor.record = full
    with serving(lambda _: says("x")) as server, gateway(server.url, supervisor=supervisor) as work:
        work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO})
    with pytest.raises(OSError, match="disk full"):
        work.gateway.check()


def test_what_others_have_set_aside_is_asked_for_again_later():
    class Others(FakeSupervisor):
        @contextmanager
        def reserved(self, usd, *, wait=True):
            raise SetAsideError("others have it")
            yield

    with (
        serving(lambda _: says("x")) as server,
        gateway(server.url, supervisor=Others()) as work,
    ):
        refused = work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO})
        work.gateway.check()
    assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "true")
    assert refused.headers["retry-after"] == "30"
    assert server.requests == []


def test_what_goes_wrong_beside_the_gateway_is_raised_as_it_is():
    with pytest.raises(SpentError), gateway("http://127.0.0.1:9"):
        raise SpentError("spent")


# -- OpenAI, and those who speak it ----------------------------------------------------------------


def test_a_chat_comes_through_whole_and_streamed_and_is_paid():
    def script(asked):
        return streamed(*CHUNKS) if asked.body.get("stream") else said(CHAT)

    with (
        answering(script) as (address, asked),
        gateway(f"{address}/v1", provider="openai") as work,
        work.openai as client,
    ):
        whole = client.chat.completions.create(model=GPT, messages=HELLO)
        pieces = list(client.chat.completions.create(model=GPT, messages=HELLO, stream=True))
        more = client.chat.completions.create(
            model=GPT, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        assert list(more)[-1].usage.prompt_tokens == 100
    assert whole.choices[0].message.content == "hi"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "hi"
    assert [call.usage for call in work.supervisor.calls] == [KNOWN_OPENAI] * 3
    assert [call.usd for call in work.supervisor.calls] == [pytest.approx(COST_OPENAI)] * 3
    assert {call.outcome for call in work.supervisor.calls} == {"stop"}
    assert {one.headers["authorization"] for one in asked} == {f"Bearer {KEY}"}
    assert asked[0].body["max_completion_tokens"] == 64_000


def test_a_response_comes_through_whole_and_streamed_and_is_never_stored():
    def script(asked):
        if not asked.body.get("stream"):
            return said(RESPONSE)
        begun = {"type": "response.created", "response": RESPONSE | {"status": "in_progress"}}
        done = {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}
        ended = {"type": "response.completed", "response": RESPONSE}
        events = (
            event | {"sequence_number": place} for place, event in enumerate((begun, done, ended))
        )
        return streamed(*events)

    with (
        answering(script) as (address, asked),
        gateway(f"{address}/v1", provider="openai") as work,
        work.openai as client,
    ):
        whole = client.responses.create(model=GPT, input="hello")
        kinds = [
            event.type for event in client.responses.create(model=GPT, input=HELLO, stream=True)
        ]
    assert whole.output_text == "hi"
    assert kinds[-1] == "response.completed"
    assert [call.usage for call in work.supervisor.calls] == [KNOWN_OPENAI] * 2
    assert [one.body["store"] for one in asked] == [False, False]
    assert work.supervisor.talk == [("user", "hello")] * 2


@pytest.mark.parametrize(
    ("total", "answered"),
    [(100 + 20 + 7000, 7020), (100 + 20, 20), (100, 20), (0, 20), (-5, 20), ("many", 20)],
)
def test_what_was_thought_beside_the_answer_is_paid(total, answered):
    used = {"total_tokens": total, "completion_tokens_details": {"reasoning_tokens": 7000}}
    with (
        answering(lambda _: said(CHAT | {"usage": USED | used})) as (address, _),
        gateway(f"{address}/v1", provider="openai") as work,
    ):
        work.post({"model": GPT, "messages": HELLO}, "/v1/chat/completions")
    assert [call.usage for call in work.supervisor.calls] == [
        replace(KNOWN_OPENAI, output_tokens=answered)
    ]


def test_a_model_of_one_s_own_needs_no_key_and_costs_nothing():
    def script(asked):
        if asked.path.endswith("/models"):
            return said({"object": "list", "data": [{"id": "mine", "object": "model"}]})
        return streamed(*CHUNKS[:3])  # many say nothing of what they used

    with (
        answering(script) as (address, asked),
        gateway(f"{address}/v1", provider="local", models=["mine"], key=None) as work,
        work.openai as client,
    ):
        assert [model.id for model in client.models.list()] == ["mine"]
        list(client.chat.completions.create(model="mine", messages=HELLO, stream=True))
    assert [one.method for one in asked] == ["GET", "POST"]
    assert "authorization" not in asked[1].headers
    assert "max_completion_tokens" not in asked[1].body
    assert [call.usd for call in work.supervisor.calls] == [0]


def test_a_spent_budget_is_what_openai_calls_it():
    with (
        answering(lambda _: said(CHAT)) as (address, asked),
        gateway(f"{address}/v1", provider="openai", supervisor=FakeSupervisor(left=0.0)) as work,
        work.openai as client,
        pytest.raises(openai.RateLimitError) as refused,
    ):
        client.chat.completions.create(model=GPT, messages=HELLO)
    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert asked == []


# -- the key ---------------------------------------------------------------------------------------


def test_a_key_that_is_echoed_is_taken_out_of_headers_documents_and_pieces_of_a_stream():
    half = len(KEY) // 2
    event = f'data: {{"type": "ping", "echo": "{KEY}"}}\n\n'.encode()
    cut = event.index(KEY.encode()) + half
    headers = {"request-id": KEY, "content-type": "text/event-stream"}

    def script(asked):
        if asked.body.get("stream"):
            pieces = [event[:cut], event[cut:], event[:-1], event[-1:], KEY[:half].encode()]
            return Reply(pieces=[*pieces, KEY[half:].encode()], headers=headers)
        return said({"type": "message", "echo": KEY}, headers=headers)

    with answering(script) as (address, _), gateway(address) as work:
        for streams in (True, False):
            answer = work.post(
                {"model": OPUS, "max_tokens": 9, "messages": HELLO, "stream": streams}
            )
            assert answer.status_code == 200
            assert KEY not in answer.text
            assert answer.text.count("(the key)") == (3 if streams else 1)
            assert answer.headers["request-id"] == "(the key)"


def test_the_key_and_what_is_said_of_the_client_cross_over_in_neither_direction():
    sent = {"x-api-key": "mine", "cookie": "c", "x-app": "cli", "anthropic-version": "2023-06-01"}
    headers = {"set-cookie": "c", "x-inner": "host", "content-type": "application/json"}
    with (
        answering(lambda _: said({"type": "message"}, headers=headers)) as (address, asked),
        gateway(address) as work,
    ):
        answer = work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO}, **sent)
    assert set(asked[0].headers) == {
        "accept", "accept-encoding", "anthropic-version", "connection", "content-length",
        "content-type", "host", "user-agent", "x-api-key",
    }  # fmt: skip
    assert asked[0].headers["x-api-key"] == KEY
    assert asked[0].headers["accept-encoding"] == "identity"
    assert set(answer.headers) == {"connection", "content-type", "content-length"}


def test_an_answer_that_is_packed_all_the_same_is_not_passed_on():
    packed = EVENTS | {"content-encoding": "gzip"}
    with (
        answering(lambda _: Reply(pieces=(b"\x1f\x8b",), headers=packed)) as (address, _),
        gateway(address) as work,
    ):
        answer = work.post({"model": OPUS, "max_tokens": 9, "messages": HELLO, "stream": True})
    assert answer.status_code == 502


def _until(true, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
