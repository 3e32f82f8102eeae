"""OpenAI's Chat Completions and Responses, which others speak too, and what goes through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runner.gateway.terms import (
    Held,
    Kind,
    RefusedError,
    Said,
    Terms,
    bounded,
    each,
    failure_of,
    image_tokens,
    one_of,
    only,
)
from runner.money.usage import is_count
from runner.records import Usage

CHAT, RESPONSES, MODELS = "/chat/completions", "/responses", "/models"
VERSION = "/v1"

SAMPLING = frozenset({
    "metadata", "model", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention",
    "safety_identifier", "service_tier", "store", "stream", "stream_options", "temperature",
    "tool_choice", "tools", "top_logprobs", "top_p", "user",
})  # fmt: skip
CHAT_FIELDS = SAMPLING | {
    "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens",
    "messages", "min_p", "n", "presence_penalty", "reasoning_effort", "repetition_penalty",
    "response_format", "seed", "stop", "top_k", "verbosity",
}  # fmt: skip
RESPONSES_FIELDS = SAMPLING | {
    "background", "client_metadata", "include", "input", "instructions", "max_output_tokens",
    "max_tool_calls", "reasoning", "text", "truncation",
}  # fmt: skip
VALUES: Mapping[str, tuple[Any, ...]] = {
    "background": (None, False),
    "n": (None, 1),
    "prompt_cache_retention": (None, "in_memory"),
    "service_tier": (None, "auto", "default"),
    "store": (None, False),
}
"""Fields of which only these values go through: others store, cost more, or answer elsewhere."""
INCLUDED = ("reasoning.encrypted_content", "message.output_text.logprobs")
SWITCHES = ("x-openai-internal-codex-responses-lite",)
"""Headers of Codex that say how its requests are written."""
ROLES = ("system", "developer", "user", "assistant", "tool")

MESSAGE = frozenset({
    "role", "content", "name", "refusal", "tool_calls", "tool_call_id", "reasoning",
    "reasoning_content", "reasoning_details",
})  # fmt: skip
PARTS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text"}),
    "refusal": frozenset({"refusal"}),
    "image_url": frozenset({"image_url"}),
    "input_text": frozenset({"text"}),
    "output_text": frozenset({"text", "annotations", "logprobs"}),
    "summary_text": frozenset({"text"}),
    "reasoning_text": frozenset({"text"}),
    "input_image": frozenset({"image_url", "detail"}),
}
EVERY_PART = frozenset({"type", "prompt_cache_breakpoint"})
EVERY_ITEM = frozenset({"id", "type", "status", "phase"})
CALL = frozenset({"call_id", "name", "namespace", "arguments", "input", "action", "operation"})
RESULT = frozenset({"call_id", "output", "name", "success", "max_output_length"})
ITEMS: Mapping[str, frozenset[str]] = {
    "message": frozenset({"role", "content", "name"}),
    "reasoning": frozenset({"summary", "content", "encrypted_content"}),
    "compaction": frozenset({"encrypted_content"}),
    "additional_tools": frozenset({"role", "tools"}),
    **dict.fromkeys(("function_call", "custom_tool_call", "local_shell_call"), CALL),
    "apply_patch_call": CALL,
    **dict.fromkeys(("function_call_output", "custom_tool_call_output"), RESULT),
    **dict.fromkeys(("local_shell_call_output", "apply_patch_call_output"), RESULT),
}
CLIENT_TOOLS: Mapping[str, frozenset[str]] = {
    "function": frozenset({
        "function", "name", "description", "parameters", "strict", "output_schema", "defer_loading",
    }),
    "custom": frozenset({"custom", "name", "description", "format", "defer_loading"}),
    "local_shell": frozenset(),
    "apply_patch": frozenset(),
    "namespace": frozenset({"name", "description", "tools"}),
}  # fmt: skip
"""Tools that the client runs, in its box."""

ERRORS: Mapping[Kind, tuple[int, str, str | None]] = {
    Kind.INVALID: (400, "invalid_request_error", None),
    Kind.NO_ENDPOINT: (404, "invalid_request_error", "unknown_url"),
    Kind.NO_MODEL: (404, "invalid_request_error", "model_not_found"),
    Kind.SPENT: (429, "insufficient_quota", "insufficient_quota"),
    Kind.TOO_LARGE: (413, "invalid_request_error", "request_too_large"),
    Kind.TOO_MANY: (429, "requests", "rate_limit_exceeded"),
    Kind.TOO_SLOW: (408, "timeout", None),
    Kind.UNREACHABLE: (502, "server_error", None),
    Kind.NO_ACCOUNT: (403, "invalid_request_error", "account_refused"),
}


class OpenAiApi:
    """The protocol of a `base_url` that ends in `/v1`."""

    def hold(self, method: str, path: str, said: Said | None, terms: Terms) -> Held:
        endpoint = path.removeprefix(VERSION)
        if method == "GET" and endpoint == MODELS and said is None:
            return Held(endpoint=MODELS, body={}, model="", metered=False)
        if method != "POST" or endpoint not in (CHAT, RESPONSES) or said is None:
            known = f"POST {VERSION}{CHAT}, POST {VERSION}{RESPONSES} and GET {VERSION}{MODELS}"
            raise RefusedError(Kind.NO_ENDPOINT, f"only {known} are passed on")
        chat = endpoint == CHAT
        body = only("the body", said, CHAT_FIELDS if chat else RESPONSES_FIELDS)
        model = terms.require_model(body.get("model"))
        for name, allowed in VALUES.items():
            if name in body:
                one_of(name, body[name], allowed)
        more = _messages(body) if chat else _items(body)
        for where, tool in each("tools", body.get("tools") or []):
            _tool(where, tool)
        streams = body.get("stream") is True
        hidden = _use_said(body) if chat and streams else False
        if not chat:
            body["store"] = False  # an answer is stored if nothing is said
        return Held(
            endpoint=endpoint,
            body=body,
            model=model,
            streams=streams,
            output_tokens=_output(body, chat, terms),
            more_tokens=more,
            hidden=hidden,
        )

    def headers(self, asked: Mapping[str, str]) -> Mapping[str, str]:
        return {name: "true" for name in SWITCHES if asked.get(name) == "true"}

    def credentials(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"}

    def meter(self, held: Held) -> OpenAiMeter:
        return OpenAiMeter()

    def error(self, kind: Kind, message: str) -> tuple[int, bytes]:
        status, name, code = ERRORS[kind]
        error = {"message": message, "type": name, "param": None, "code": code}
        return status, json.dumps({"error": error}).encode()


def _use_said(body: dict[str, Any]) -> bool:
    """Have the stream end with what was used; say whether the client did not ask for that."""
    options = only("stream_options", body.get("stream_options") or {}, {
        "include_usage", "include_obfuscation",
    })  # fmt: skip
    body["stream_options"] = options | {"include_usage": True}
    return options.get("include_usage") is not True


def _output(body: dict[str, Any], chat: bool, terms: Terms) -> int:
    """Bound the answer, unless it is free; return the bound in tokens."""
    names = ("max_completion_tokens", "max_tokens") if chat else ("max_output_tokens",)
    asked = [name for name in names if body.get(name) is not None]
    if not asked and terms.free:
        return terms.output_tokens
    most = min(bounded(body.get(name), terms.output_tokens) for name in names)
    for name in asked or names[:1]:
        body[name] = most
    return most


def _messages(body: Said) -> int:
    """Hold a chat's messages to the allowed parts; return their `more_tokens`."""
    more = 0
    for where, message in each("messages", body.get("messages")):
        held = only(where, message, MESSAGE)
        one_of(f"{where}.role", held.get("role"), ROLES)
        more += _content(f"{where}.content", held.get("content"))
        for place, call in each(f"{where}.tool_calls", held.get("tool_calls") or []):
            only(place, call, {"id", "type", "index", "function", "custom", "extra_content"})
    return more


def _items(body: Said) -> int:
    """Hold the input of a response to the allowed items; return its `more_tokens`."""
    for where, included in each("include", body.get("include") or []):
        one_of(where, included, INCLUDED)
    said = body.get("input")
    if isinstance(said, str):
        return 0
    more = 0
    for where, item in each("input", said):
        kind = item.get("type", "message") if isinstance(item, Mapping) else None
        if not isinstance(kind, str) or kind not in ITEMS:
            known = ", ".join(ITEMS)
            raise RefusedError(Kind.INVALID, f"{where}.type: only these are allowed here: {known}")
        held = only(where, item, ITEMS[kind] | EVERY_ITEM)
        for place, tool in each(f"{where}.tools", held.get("tools") or []):
            _tool(place, tool)
        if kind == "message":
            one_of(f"{where}.role", held.get("role"), ROLES)
        for name in ("content", "output", "summary"):
            more += _content(f"{where}.{name}", held.get(name))
    return more


def _content(where: str, said: object) -> int:
    if said is None or isinstance(said, str):
        return 0
    more = 0
    for place, part in each(where, said):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if not isinstance(kind, str) or kind not in PARTS:
            known = ", ".join(PARTS)
            raise RefusedError(Kind.INVALID, f"{place}.type: only these are allowed here: {known}")
        held = only(place, part, PARTS[kind] | EVERY_PART)
        if "image_url" in PARTS[kind]:
            address = held.get("image_url")
            if isinstance(address, Mapping):
                address = only(f"{place}.image_url", address, {"url", "detail"}).get("url")
            if not isinstance(address, str) or not address.startswith("data:image/"):
                raise RefusedError(
                    Kind.INVALID, f"{place}: an image is sent as data:image/..., not by address"
                )
            more += image_tokens(place, address)
    return more


def _tool(where: str, said: object) -> None:
    kind = said.get("type") if isinstance(said, Mapping) else None
    if not isinstance(kind, str) or kind not in CLIENT_TOOLS:
        raise RefusedError(
            Kind.INVALID,
            f"{where}: the provider would run {str(kind)[:100]!r} itself, and no such tool is"
            " allowed here; use tools that you run yourself",
        )
    held = only(where, said, CLIENT_TOOLS[kind] | {"type"})
    for place, tool in each(f"{where}.tools", held.get("tools") or []):
        _tool(place, tool)


class OpenAiMeter:
    """Hears what the API says it used, in either of its forms."""

    def __init__(self) -> None:
        self.model, self.outcome, self.whole, self.failure = "", "broken", False, ""
        self._said: Mapping[str, Any] = {}

    @property
    def ended(self) -> bool:
        return self.outcome != "broken"  # many say nothing of what they used

    def hear(self, event: Said) -> bool:
        if event.get("type") == "error" or event.get("error"):
            self.outcome, self.failure = "error", failure_of(event.get("error") or event)
        if "choices" in event:
            self._chat(event)
            return event["choices"] == [] and self.whole
        response = event.get("response")
        if isinstance(response, Mapping):
            self._response(response)
        return False

    def read(self, document: Said) -> None:
        if "choices" in document:
            self._chat(document)
        else:
            self._response(document)

    def _chat(self, said: Said) -> None:
        self.model = str(said.get("model") or self.model)
        for choice in said["choices"] if isinstance(said["choices"], list) else ():
            if isinstance(choice, Mapping) and choice.get("finish_reason"):
                self.outcome = str(choice["finish_reason"])
        if isinstance(said.get("usage"), Mapping):  # some say the sum so far in every event
            self._said, self.whole = said["usage"], self.outcome != "broken"

    def _response(self, said: Said) -> None:
        self.model = str(said.get("model") or self.model)
        if said.get("status") in ("completed", "incomplete", "failed"):
            self.outcome, self.whole = str(said["status"]), True
            used = said.get("usage")
            self._said = used if isinstance(used, Mapping) else {}
        if said.get("status") == "failed":
            self.failure = failure_of(said.get("error"))

    def usage(self) -> Usage | None:
        said = self._said
        given = said.get("prompt_tokens", said.get("input_tokens"))
        answered = said.get("completion_tokens", said.get("output_tokens"))
        details = said.get("prompt_tokens_details") or said.get("input_tokens_details")
        kept = details if isinstance(details, Mapping) else {}
        kinds = kept.get("cache_write_tokens_details")
        long = kinds.get("ttl_12h_tokens") or 0 if isinstance(kinds, Mapping) else 0
        read, written = kept.get("cached_tokens") or 0, kept.get("cache_write_tokens") or 0
        if not all(map(is_count, (given, answered, read, written, long))):
            return None
        total = said.get("total_tokens")
        if is_count(total):
            answered = max(answered, total - given)  # some say what was thought beside the answer
        written = max(written, long)
        rest = given - read - written
        return (
            Usage(
                input_tokens=rest,
                output_tokens=answered,
                cache_write_5m_tokens=written - long,
                cache_write_1h_tokens=long,
                cache_read_tokens=read,
            )
            if rest >= 0
            else None
        )
