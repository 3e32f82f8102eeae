"""Anthropic's Messages API, and what of it goes through."""

from __future__ import annotations

import json
import re
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

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
USUAL_VERSION = "2023-06-01"
BETA = re.compile(r"([a-z-]+?)-\d{4}-\d{2}-\d{2}|([a-z-]+?)-\d{8}")
BETAS = frozenset({
    "advanced-tool-use", "claude-code", "context-management", "effort", "extended-cache-ttl",
    "fine-grained-tool-streaming", "interleaved-thinking", "mid-conversation-tool-changes",
    "per-turn-control", "prompt-caching", "prompt-caching-scope", "structured-outputs",
    "thinking-token-count", "token-counting", "token-efficient-tools",
})  # fmt: skip
"""New behaviour that reaches nothing and costs no more; any other is left out of what is asked."""

TALK = frozenset({
    "context_management", "cache_control", "messages", "model", "output_config", "output_format",
    "speed", "system", "thinking", "tool_choice", "tools",
})  # fmt: skip
FIELDS = TALK | {
    "max_tokens", "metadata", "prefill", "service_tier", "stop_sequences", "stream", "temperature",
    "top_k", "top_p",
}  # fmt: skip
BLOCKS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text", "citations"}),
    "thinking": frozenset({"thinking", "signature"}),
    "redacted_thinking": frozenset({"data"}),
    "image": frozenset({"source"}),
    "document": frozenset({"source", "title", "context", "citations"}),
    "tool_use": frozenset({"id", "name", "input", "caller"}),
    "tool_result": frozenset({"tool_use_id", "content", "is_error"}),
    "tool_reference": frozenset({"tool_name"}),
    "server_tool_use": frozenset({"id", "name", "input", "caller"}),
    "web_search_tool_result": frozenset({"tool_use_id", "content", "caller"}),
}
EVERY_BLOCK = frozenset({"type", "cache_control"})
CLIENT_TOOL = re.compile(r"custom|bash_\d{8}|text_editor_\d{8}|memory_\d{8}")
"""Tools that the client runs, in its box."""
TOOL_FIELDS = frozenset({
    "type", "name", "description", "input_schema", "cache_control", "strict", "defer_loading",
    "allowed_callers", "eager_input_streaming", "input_examples", "max_characters",
})  # fmt: skip
WEB_SEARCH = re.compile(r"web_search_\d{8}")
SEARCH_FIELDS = frozenset({
    "type", "name", "allowed_domains", "allowed_callers", "blocked_domains", "cache_control",
    "max_uses", "user_location",
})  # fmt: skip

ERRORS: Mapping[Kind, tuple[int, str]] = {
    Kind.INVALID: (400, "invalid_request_error"),
    Kind.NO_ENDPOINT: (404, "not_found_error"),
    Kind.NO_MODEL: (404, "not_found_error"),
    Kind.SPENT: (402, "billing_error"),
    Kind.TOO_LARGE: (413, "request_too_large"),
    Kind.TOO_MANY: (429, "rate_limit_error"),
    Kind.TOO_SLOW: (408, "timeout_error"),
    Kind.UNREACHABLE: (502, "api_error"),
    Kind.NO_ACCOUNT: (403, "permission_error"),
}


class MessagesApi:
    """The protocol of `ANTHROPIC_BASE_URL`."""

    def hold(self, method: str, path: str, said: Said | None, terms: Terms) -> Held:
        if method != "POST" or path not in (MESSAGES, COUNT) or said is None:
            raise RefusedError(
                Kind.NO_ENDPOINT, f"only POST {MESSAGES} and POST {COUNT} are passed on"
            )
        body = only("the body", said, FIELDS if path == MESSAGES else TALK)
        model = terms.require_model(body.get("model"))
        more = _talk(body)
        searches = _tools(body, terms)
        if path == COUNT:
            return Held(endpoint=COUNT, body=body, model=model, metered=False)
        body["max_tokens"] = bounded(body.get("max_tokens"), terms.output_tokens)
        return Held(
            endpoint=MESSAGES,
            body=body,
            model=model,
            streams=body.get("stream") is True,
            output_tokens=body["max_tokens"],
            more_tokens=more,
            searches=searches,
        )

    def headers(self, asked: Mapping[str, str]) -> Mapping[str, str]:
        version = asked.get("anthropic-version", "")
        betas = [
            beta
            for each_beta in asked.get("anthropic-beta", "").split(",")
            if (found := BETA.fullmatch(beta := each_beta.strip()))
            and (found[1] or found[2]) in BETAS
        ]
        said = {"anthropic-version": version if VERSION.fullmatch(version) else USUAL_VERSION}
        return said | ({"anthropic-beta": ",".join(betas)} if betas else {})

    def credentials(self, key: str) -> Mapping[str, str]:
        return {"x-api-key": key}

    def meter(self, held: Held) -> MessagesMeter:
        return MessagesMeter(held.searches)

    def error(self, kind: Kind, message: str) -> tuple[int, bytes]:
        status, name = ERRORS[kind]
        document = {"type": "error", "error": {"type": name, "message": message}}
        return status, json.dumps(document).encode()


def _talk(body: Said) -> int:
    """Hold everything that is said to the model to its list; return its `more_tokens`."""
    if "speed" in body:
        one_of("speed", body["speed"], (None, "standard"))
    if "service_tier" in body:
        one_of("service_tier", body["service_tier"], (None, "auto", "standard_only"))
    management = only("context_management", body.get("context_management") or {}, {"edits"})
    for where, edit in each("context_management.edits", management.get("edits") or []):
        kind = edit.get("type") if isinstance(edit, Mapping) else None
        if not str(kind).startswith("clear_"):  # others ask a model once more, and cost
            raise RefusedError(Kind.INVALID, f"{where}: only edits that clear are allowed here")
    more = _content("system", body.get("system") or "")
    for where, message in each("messages", body.get("messages")):
        held = only(where, message, {"role", "content"})
        one_of(f"{where}.role", held.get("role"), ("user", "assistant", "system"))
        more += _content(f"{where}.content", held.get("content"))
    return more


def _content(where: str, said: object) -> int:
    """Hold content to the allowed blocks; return its `more_tokens`."""
    if isinstance(said, str):
        return 0
    more = 0
    for place, block in each(where, said):
        kind = block.get("type") if isinstance(block, Mapping) else None
        if not isinstance(kind, str) or kind not in BLOCKS:
            known = ", ".join(BLOCKS)
            raise RefusedError(Kind.INVALID, f"{place}.type: only these are allowed here: {known}")
        held = only(place, block, BLOCKS[kind] | EVERY_BLOCK)
        if kind == "image":
            source = only(f"{place}.source", held.get("source"), {"type", "media_type", "data"})
            one_of(f"{place}.source.type", source.get("type"), ("base64",))
            more += image_tokens(f"{place}.source.data", source.get("data"))
        elif kind == "document":
            more += _document(f"{place}.source", held.get("source"))
        elif kind == "tool_result" and held.get("content") is not None:
            more += _content(f"{place}.content", held["content"])
    return more


def _document(where: str, said: object) -> int:
    """Only text: a page of anything else costs tokens that its bytes do not bound."""
    source = only(where, said, {"type", "media_type", "data", "content"})
    one_of(f"{where}.type", source.get("type"), ("text", "content"))
    return _content(f"{where}.content", source.get("content") or "")


def _tools(body: dict[str, Any], terms: Terms) -> int:
    """Hold tools to those that the client runs, and the searches that the phase allows.

    Returns:
        How many searches the model may make.
    """
    if body.get("tools") is None:
        return 0
    searches, found = 0, []
    for where, tool in each("tools", body["tools"]):
        kind = str((tool.get("type") if isinstance(tool, Mapping) else None) or "custom")
        if WEB_SEARCH.fullmatch(kind) and terms.searches > 0 and not searches:
            held = only(where, tool, SEARCH_FIELDS)
            searches = bounded(held.get("max_uses"), terms.searches)
            held.pop("blocked_domains", None)
            asked = terms.domains
            if held.get("allowed_domains") is not None:
                said = each(f"{where}.allowed_domains", held["allowed_domains"])
                asked = tuple(domain for _, domain in said)
            within = [one for one in terms.domains if one in asked]
            if not within:
                allowed = ", ".join(terms.domains)
                raise RefusedError(Kind.INVALID, f"{where}.allowed_domains: only these: {allowed}")
            found.append(held | {"max_uses": searches, "allowed_domains": within})
        elif CLIENT_TOOL.fullmatch(kind):
            found.append(only(where, tool, TOOL_FIELDS))
        else:
            raise RefusedError(
                Kind.INVALID,
                f"{where}: the provider would run {kind[:100]!r} itself, and this phase allows no"
                " such tool; use tools that you run yourself",
            )
    body["tools"] = found
    return searches


class MessagesMeter:
    """Hears what the API says it used."""

    def __init__(self, searches: int) -> None:
        self.model, self.outcome, self.whole = "", "broken", False
        self.failure, self.ended = "", False
        self._said: dict[str, Any] = {}
        self._most_searches = searches

    def hear(self, event: Said) -> bool:
        match event:
            case {"type": "message_start", "message": dict(message)}:
                self._take(message)
            case {"type": "message_delta", "delta": dict(delta)}:
                self._add(event.get("usage"))
                self.outcome = str(delta.get("stop_reason") or self.outcome)
            case {"type": "message_stop"}:
                self.whole = self.ended = True
            case {"type": "error", "error": dict(error)}:
                self.outcome, self.ended = str(error.get("type")), True
                self.failure = failure_of(error)
        return False

    def read(self, document: Said) -> None:
        self._take(document)
        self.whole = self.ended = document.get("type") == "message"

    def _take(self, message: Said) -> None:
        self.model = str(message.get("model") or "")
        self.outcome = str(message.get("stop_reason") or self.outcome)
        self._add(message.get("usage"))

    def _add(self, usage: object) -> None:
        if isinstance(usage, Mapping):  # each says the sum so far
            self._said |= {name: value for name, value in usage.items() if value is not None}

    def usage(self) -> Usage | None:
        said, made = self._said, self._said.get("cache_creation")
        kinds = made if isinstance(made, Mapping) else {}
        short = kinds.get("ephemeral_5m_input_tokens") or 0
        written = said.get("cache_creation_input_tokens") or 0
        read = said.get("cache_read_input_tokens") or 0
        given: Any = said.get("input_tokens")
        answered: Any = said.get("output_tokens")
        if not all(map(is_count, (given, answered, short, written, read))):
            return None
        written = max(written, short)
        tools = said.get("server_tool_use")
        searches: Any = tools.get("web_search_requests") if isinstance(tools, Mapping) else 0
        return Usage(
            input_tokens=given,
            output_tokens=answered,
            cache_write_5m_tokens=short,
            cache_write_1h_tokens=written - short,  # the dearer kind, where nothing is said
            cache_read_tokens=read,
            web_searches=searches if is_count(searches) else self._most_searches,
        )
