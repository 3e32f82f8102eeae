"""Reading what Claude Code says on standard output: one JSON object per line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from runner.agents import handover
from runner.money.usage import MOST_COUNT, is_count
from runner.records import Usage

NO_RETRY = (401, 402, 403)
"""Answers that do not change by asking again."""
_NOT_READ = (ValueError, TypeError, AttributeError, KeyError)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The last line of a session."""

    subtype: str
    failed: bool
    status: int | None
    """What the API answered, if that is why it failed."""
    stop_reason: str | None
    said: str
    turns: int
    usd: float
    usage: Usage


class Stream:
    """What was heard so far."""

    def __init__(
        self, waiting: Callable[[str, float], None], said: Callable[[str, Any], None]
    ) -> None:
        self._waiting, self._said, self._rest = waiting, said, b""
        self.started = self.served = False
        """Whether the session began, and whether it has our tools."""
        self.answered = False
        """Whether the model said anything, which costs money."""
        self.refused: int | None = None
        """The status with which the API refuses our account."""
        self.result: Result | None = None

    def hear(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            with suppress(*_NOT_READ):  # a warning of some library; what counts is the result
                event = handover.parsed(line)
                if isinstance(event, dict):
                    self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        match event.get("type"), event.get("subtype"):
            case "system", "init":
                self.started = True
                servers = event.get("mcp_servers") or []
                self.served = any(each.get("status") == "connected" for each in servers)
            case "system", "api_retry":
                status = event.get("error_status")
                if status in NO_RETRY:
                    self.refused = int(status)
                error = event.get("error") or "no answer"
                what = f"the model's API: {error} ({status or 'no status'})"
                self._waiting(what, float(event.get("retry_delay_ms") or 0) / 1000)
            case "assistant" | "user" as who, _:
                self.answered = self.answered or who == "assistant"
                self._said(event["message"]["role"], event["message"]["content"])
            case "result", _:
                self.result = result(event)


def result(event: Mapping[str, Any]) -> Result:
    """Return what the last line says; raise `ValueError` where its sums are none.

    A session without a result costs what was set aside for it.
    """
    models = (event.get("modelUsage") or {}).values()

    def total(key: str) -> int:
        counts = [each.get(key) or 0 for each in models]
        if not all(map(is_count, counts)):
            raise ValueError(f"no numbers of tokens: {counts!r}")
        return sum(counts)

    usd, hour = event.get("total_cost_usd") or 0, total("cacheCreationEphemeral1hInputTokens")
    if type(usd) not in (int, float) or not 0 <= usd < MOST_COUNT:
        raise ValueError(f"no sum of money: {usd!r}")
    status = event.get("api_error_status")
    return Result(
        subtype=str(event.get("subtype")),
        failed=bool(event.get("is_error")),
        status=int(status) if status else None,
        stop_reason=event.get("stop_reason"),
        said=str(event.get("result") or "; ".join(map(str, event.get("errors") or []))),
        turns=int(event.get("num_turns") or 0),
        usd=float(usd),
        usage=Usage(
            input_tokens=total("inputTokens"),
            output_tokens=total("outputTokens"),
            cache_write_5m_tokens=max(total("cacheCreationInputTokens") - hour, 0),
            cache_write_1h_tokens=hour,
            cache_read_tokens=total("cacheReadInputTokens"),
            web_searches=total("webSearchRequests"),
        ),
    )
