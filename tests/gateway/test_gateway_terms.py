"""Which requests keep the terms: tables of what goes through, and of what is refused by name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from runner.gateway.anthropic import BETAS, MessagesApi
from runner.gateway.openai import OpenAiApi
from runner.gateway.terms import IMAGE_TOKENS, Held, Kind, RefusedError, Terms

OPUS, GPT = "claude-opus-5-5", "gpt-6.1-sol"
TERMS = Terms(models=frozenset({OPUS, GPT}), output_tokens=1000)
SEARCHING = Terms(
    models=frozenset({OPUS}), output_tokens=1000, searches=3, domains=("a.org", "b.org")
)
PIXEL = "iVBORw0KGgo="


def message(*content: Any, terms: Terms = TERMS, **more: Any) -> Held:
    said = {"model": OPUS, "max_tokens": 100, "messages": [], **more}
    if content:
        said["messages"] = [{"role": "user", "content": list(content)}]
    return MessagesApi().hold("POST", "/v1/messages", said, terms)


def chat(*content: Any, terms: Terms = TERMS, **more: Any) -> Held:
    said = {"model": GPT, "messages": [{"role": "user", "content": list(content) or "x"}], **more}
    return OpenAiApi().hold("POST", "/v1/chat/completions", said, terms)


def response(*items: Any, terms: Terms = TERMS, **more: Any) -> Held:
    said = {"model": GPT, "input": list(items) or "x", **more}
    return OpenAiApi().hold("POST", "/v1/responses", said, terms)


# -- Anthropic -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "thinking", "thinking": "x", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "tool_use", "id": "t", "name": "n", "input": {"url": "file:///etc", "b": [1]}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]},
        {"type": "tool_result", "tool_use_id": "t", "is_error": True},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
    ],
)
def test_what_a_client_says_goes_through_as_it_is(content):
    assert message(content).body["messages"][0]["content"] == [content]


def nested(block: Any) -> Any:
    return {"type": "tool_result", "tool_use_id": "t", "content": [block]}


ADDRESS = {"type": "url", "url": "http://169.254.169.254/"}
REFUSED_BLOCKS = [
    {"type": "image", "source": ADDRESS},
    {"type": "image", "source": {"type": "file", "file_id": "f"}},
    {"type": "image", "source": {"type": "base64", "data": "x", "url": "http://a"}},
    {"type": "image", "source": {"type": "base64", "data": [1, 1, 1, 1]}},
    {"type": "image", "source": {"type": "base64"}},
    {"type": "document", "source": ADDRESS},
    {"type": "document", "source": {"type": "file", "file_id": "f"}},
    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf"}},
    {"type": "document", "source": {"type": "content", "content": [
        {"type": "image", "source": ADDRESS},
    ]}},
    {"type": "container_upload", "file_id": "f"},
    {"type": "mcp_tool_use", "server_name": "s"},
    {"type": "code_execution_tool_result", "content": {}},
    {"type": "web_fetch_tool_result", "content": {}},
    {"type": "search_result", "source": "http://a", "content": []},
    {"type": "text", "text": "x", "file_id": "f"},
    {"type": "what comes next year"},
    {"type": ["text"]},
    {"text": "x"},
    "x",
    None,
]  # fmt: skip


@pytest.mark.parametrize("wrap", [lambda block: block, nested, lambda b: nested(nested(b))])
@pytest.mark.parametrize("block", REFUSED_BLOCKS)
def test_a_block_that_is_on_no_list_is_refused_wherever_it_stands(block, wrap):
    with pytest.raises(RefusedError) as refused:
        message(wrap(block))
    assert refused.value.kind is Kind.INVALID
    assert "messages[0].content[0]" in str(refused.value)


@pytest.mark.parametrize(
    "field",
    [
        {"mcp_servers": [{"type": "url", "url": "http://a"}]},
        {"container": {"id": "c"}},
        {"speed": "fast"},
        {"service_tier": "priority"},
        {"inference_geo": "us"},
        {"diagnostics": {"previous_message_id": "m"}},
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"context_management": {"edits": [], "more": 1}},
        {"user_profile_id": "u"},
        {"workspace_id": "w"},
        {"what_comes_next_year": 1},
        {"system": [{"type": "image", "source": ADDRESS}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x", "file_ids": ["f"]}]},
        {"messages": {"role": "user"}},
        {"tools": {}},
        {"tools": [[]]},
    ],
)
def test_a_field_that_is_on_no_list_is_refused_by_name(field):
    with pytest.raises(RefusedError) as refused:
        message(**field)
    assert refused.value.kind is Kind.INVALID


@pytest.mark.parametrize("kind", [
    "web_search_20260318", "web_fetch_20260318", "code_execution_20260521", "computer_20251124",
    "computer_toolset_20260801", "browser_toolset_20260801", "mcp_toolset", "advisor_20260301",
    "tool_search_tool_bm25_20251119", "bash_20250124_and_more", "text_editor_code_execution",
])  # fmt: skip
def test_a_tool_that_the_provider_would_run_is_refused(kind):
    with pytest.raises(RefusedError, match="run"):
        message(tools=[{"type": kind, "name": "n"}])


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "n", "description": "d", "input_schema": {"type": "object"}},
        {"type": "custom", "name": "n", "input_schema": {}, "defer_loading": True},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "e", "max_characters": 1},
        {"type": "memory_20250818", "name": "memory"},
    ],
)
def test_a_tool_that_the_client_runs_goes_through(tool):
    assert message(tools=[tool]).body["tools"] == [tool]


@pytest.mark.parametrize(("asked", "given"), [(None, 3), (2, 2), (100, 3), (-1, 3), (True, 3)])
def test_searches_are_held_to_what_the_phase_allows(asked, given):
    tool = {"type": "web_search_20260318", "name": "web_search", "max_uses": asked}
    held = message(tools=[tool], terms=SEARCHING)
    [found] = held.body["tools"]
    assert (held.searches, found["max_uses"]) == (given, given)
    assert found["allowed_domains"] == ["a.org", "b.org"]


@pytest.mark.parametrize(
    ("asked", "given"), [(["b.org", "c.org"], ["b.org"]), (["a.org", "b.org"], ["a.org", "b.org"])]
)
def test_only_the_phase_s_domains_are_searched(asked, given):
    tool = {"type": "web_search_20260318", "name": "s", "allowed_domains": asked}
    assert message(tools=[tool], terms=SEARCHING).body["tools"][0]["allowed_domains"] == given
    tool["allowed_domains"] = ["c.org"]
    with pytest.raises(RefusedError, match=r"a\.org, b\.org"):
        message(tools=[tool], terms=SEARCHING)


@pytest.mark.parametrize("asked", ["xa.org", 7, {"a.org": 1}, [["a.org"]], [{}]])
def test_domains_that_are_no_list_of_them_are_refused(asked):
    tool = {"type": "web_search_20260318", "name": "s", "allowed_domains": asked}
    with pytest.raises(RefusedError):
        message(tools=[tool], terms=SEARCHING)


def test_two_search_tools_are_not_twice_the_searches():
    tool = {"type": "web_search_20260318", "name": "s"}
    with pytest.raises(RefusedError):
        message(tools=[tool, tool], terms=SEARCHING)


@pytest.mark.parametrize(
    ("asked", "given"), [(10, 10), (5000, 1000), (None, 1000), (0, 1000), (1.5, 1000), ("9", 1000)]
)
def test_an_answer_has_a_bound(asked, given):
    held = message(max_tokens=asked)
    assert held.output_tokens == held.body["max_tokens"] == given


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("claude-code-20250219,effort-2025-11-24", "claude-code-20250219,effort-2025-11-24"),
        ("context-1m-2025-08-07, effort-2025-11-24", "effort-2025-11-24"),
        ("mcp-client-2025-11-20,files-api-2025-04-14,fast-mode-2026-02-01", None),
        ("effort-2025-11-24\r\nx-api-key: mine", None),
        ("", None),
    ],
)
def test_of_new_behaviour_only_what_reaches_nothing_is_asked(said, sent):
    headers = MessagesApi().headers({"anthropic-beta": said, "anthropic-version": "2023-06-01"})
    assert headers.get("anthropic-beta") == sent
    assert not any(word in beta for beta in BETAS for word in ("mcp", "file", "fetch", "computer"))


def test_an_odd_version_is_the_usual_one():
    assert MessagesApi().headers({"anthropic-version": "x\r\ny"}) == {
        "anthropic-version": "2023-06-01"
    }


def test_an_image_counts_by_itself_and_not_by_its_bytes():
    data = "A" * 50_000
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    assert message(nested(block), block).more_tokens == 2 * (IMAGE_TOKENS - len(data))


# -- OpenAI ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        {"store": True},
        {"n": 2},
        {"n": True},
        {"service_tier": "priority"},
        {"web_search_options": {}},
        {"modalities": ["audio"]},
        {"audio": {"voice": "v"}},
        {"prediction": {"type": "content", "content": "x"}},
        {"moderation": {}},
        {"stream": True, "stream_options": {"more": 1}},
        {"messages": [{"role": "assistant", "audio": {"id": "a"}}]},
        {"messages": [{"role": "function", "content": "x"}]},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "mcp", "server_url": "http://a"}]},
        {"what_comes_next_year": 1},
    ],
)
def test_a_chat_is_held_to_its_lists(field):
    with pytest.raises(RefusedError):
        chat(**field)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}},
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "high"}},
        {"type": "image_url", "image_url": "data:text/html,x"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,", "file_id": "f"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "input_audio", "input_audio": {"data": "x"}},
        {"type": "input_image", "file_id": "f"},
        {"type": "input_image", "image_url": "http://a"},
        {"type": "input_file", "file_url": "http://a"},
        "x",
    ],
)
def test_parts_by_address_and_files_are_refused_in_both_forms(part):
    for ask in (
        lambda: chat(part),
        lambda: response({"role": "user", "content": [part]}),
        lambda: response({"type": "function_call_output", "call_id": "c", "output": [part]}),
    ):
        with pytest.raises(RefusedError):
            ask()


def test_an_image_in_the_request_goes_through():
    image = f"data:image/png;base64,{PIXEL}"
    assert chat({"type": "image_url", "image_url": {"url": image}}).more_tokens > 0
    said = {"role": "user", "content": [{"type": "input_image", "image_url": image}]}
    assert response(said).more_tokens > 0


@pytest.mark.parametrize(
    "field",
    [
        {"store": True},
        {"background": True},
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"include": ["file_search_call.results"]},
        {"include": ["web_search_call.action.sources"]},
        {"context_management": [{"type": "compaction"}]},
        {"service_tier": "flex"},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"type": "mcp_call", "id": "m"}]},
        {"input": [{"type": "function_call_output", "output": {"image_url": "http://a"}}]},
        {"input": [{"type": "additional_tools", "tools": [{"type": "mcp"}]}]},
        {"input": [{"type": "computer_call_output", "output": {"file_id": "f"}}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_file"}]}]},
        {"input": None},
        *({"tools": [{"type": kind}]} for kind in (
            "web_search", "web_search_preview", "file_search", "code_interpreter", "mcp",
            "computer", "computer_use_preview", "image_generation", "shell", "tool_search",
            "programmatic_tool_calling",
        )),
        {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}]},
        {"tools": [{"type": "function", "name": "n", "server_url": "http://a"}]},
    ],
)  # fmt: skip
def test_a_response_is_held_to_its_lists(field):
    with pytest.raises(RefusedError):
        response(**field)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "x"}]},
        {"role": "user", "content": "x"},
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"},
        {"type": "function_call", "call_id": "c", "name": "shell", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
        {"type": "additional_tools", "role": "developer", "tools": [
            {"type": "namespace", "name": "n", "description": "d", "tools": [
                {"type": "function", "name": "f", "parameters": {}, "strict": False},
                {"type": "custom", "name": "exec", "format": {"type": "text"}},
            ]},
        ]},
        {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec"}, "status": "done"},
    ],
)  # fmt: skip
def test_what_an_agent_s_loop_says_goes_through(item):
    held = response(item, store=False, include=["reasoning.encrypted_content"], stream=True)
    assert held.body["input"] == [item]
    assert held.body["store"] is False


def test_a_field_that_is_null_is_a_field_that_is_not_there():
    assert "previous_response_id" not in response(previous_response_id=None).body


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, {"max_completion_tokens": 1000}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5000}, {"max_tokens": 1000}),
        ({"max_tokens": 7, "max_completion_tokens": 5}, dict.fromkeys(
            ("max_tokens", "max_completion_tokens"), 5
        )),
    ],
)  # fmt: skip
def test_a_chat_s_answer_has_a_bound(asked, given):
    held = chat(**asked)
    assert {key: value for key, value in held.body.items() if key.startswith("max_")} == given
    assert held.output_tokens == min(given.values())


def test_what_is_free_needs_no_bound():
    free = Terms(models=TERMS.models, output_tokens=1000, free=True)
    assert "max_completion_tokens" not in chat(terms=free).body
    assert response(terms=free).body.get("max_output_tokens") is None


# -- anything at all -------------------------------------------------------------------------------

WORDS = some.sampled_from([
    "allowed_domains", "base64", "choices", "content", "data", "edits", "function", "image",
    "image_url", "include", "input", "max_tokens", "max_uses", "messages", "model", "name",
    "output", "role", "source", "stream", "stream_options", "system", "text", "tool_calls",
    "tool_result", "tools", "type", "url", "user", "web_search_20260318", OPUS, GPT,
])  # fmt: skip
SCALARS = some.none() | some.booleans() | some.integers() | some.floats() | WORDS
ANYTHING = some.recursive(
    SCALARS, lambda more: some.lists(more, max_size=3) | some.dictionaries(WORDS, more, max_size=5)
)


@settings(max_examples=300, deadline=None)
@given(more=some.dictionaries(WORDS, ANYTHING, max_size=6), block=ANYTHING)
def test_whatever_is_asked_is_held_or_refused(more, block):
    """An error of another kind would be a fault of ours, which ends the run."""
    for ask, model in ((message, OPUS), (chat, GPT), (response, GPT)):
        with suppress(RefusedError):
            ask(block, terms=SEARCHING, **{"model": model, **more}).content()
