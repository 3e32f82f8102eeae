"""One call to the model: reserved at its worst, streamed, and written down at its cost.

| how it ends | charged |
|---|---|
| whole | what the API says |
| broken off after it began | the input that the API said, and every token that might have come |
| said in numbers that are none (negative, not whole) | what was set aside |
| refused, or nothing came | nothing: the API bills what it reports, and reports from the start |

So what is written down is never less than what such a call may have cost, and the cap holds.

What this does not protect against: an API that bills what it never reported, and search results
longer than `SEARCH_TOKENS`, for which nobody states a bound.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anthropic

from runner.agents.claude.trouble import DroppedError, GarbledError, patiently
from runner.money.prices import HIDDEN_TOKENS, Prices, searched
from runner.money.usage import is_count
from runner.records import ModelCall, Usage
from runner.seams import Supervisor

MOST_OUTPUT = 32_000
"""Tokens of one answer, thinking included."""
COUNT_MARGIN = 1.05
"""The API calls its count an estimate."""
WITHOUT_ADAPTIVE = ("claude-haiku-4-5", "claude-opus-4-5", "claude-sonnet-4-5")

Request = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer of the model."""

    content: Sequence[dict[str, Any]]
    """Its blocks as they came, to be sent back unchanged."""
    stop_reason: str
    searches: int = 0
    explanation: str = ""
    """Why the model refused, where it says so."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Tool calls, by id, whose input was no JSON, and what is wrong with it."""


@dataclass
class _Heard:
    """What has been heard of an answer so far."""

    message: Any = None
    inputs: dict[int, str] = field(default_factory=dict)
    """Tool inputs by block, as they came."""
    broken: dict[int, str] = field(default_factory=dict)
    whole: bool = False


class Model:
    """A model of the API, with what its tokens cost."""

    def __init__(
        self,
        client: anthropic.Anthropic,
        name: str,
        prices: Prices,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._client, self._prices, self._sleep = client, prices, sleep

    def close(self) -> None:
        self._client.close()

    def answer(
        self, request: Request, supervisor: Supervisor, *, experiment: int, searches: int = 0
    ) -> Answer:
        """Return the model's answer to a request that may search the web so often.

        Raises:
            SpentError: the call's worst case does not fit into what is left.
            ModelError: the API cannot be reached, or refuses our account.
            StopAskedError: the person asked to stop while it was waited for.
            TooLongError: the request does not fit into the model.
        """
        whole = {"model": self.name, "max_tokens": MOST_OUTPUT, **request}
        if not self.name.startswith(WITHOUT_ADAPTIVE):
            whole["thinking"] = {"type": "adaptive", "display": "summarized"}

        def attempt() -> Answer:
            heard, outcome, begun = _Heard(), "broken", time.monotonic()
            worst = self._worst(whole, supervisor, searches)
            with supervisor.reserved(worst):
                try:
                    self._listen(whole, heard)
                    answer = _answer(heard, searches)
                    outcome = answer.stop_reason
                except Exception as error:
                    outcome = type(error).__name__
                    raise
                finally:
                    usage, usd = _usage(heard, searches), worst
                    if usage is not None:
                        answered = str(heard.message and heard.message.model)
                        usd = self._prices.dearer(self.name, answered, usage)
                    supervisor.record(
                        ModelCall(
                            experiment=experiment,
                            agent="claude",
                            model=self.name,
                            usage=usage or Usage(),
                            usd=usd,
                            seconds=time.monotonic() - begun,
                            outcome=outcome,
                        )
                    )
            return answer

        return patiently(attempt, supervisor, self._sleep)

    def _listen(self, request: Request, heard: _Heard) -> None:
        with self._client.messages.stream(**request) as stream:
            try:
                for event in stream:
                    if event.type == "message_start":
                        heard.message = stream.current_message_snapshot
                    if (
                        event.type == "content_block_delta"
                        and event.delta.type == "input_json_delta"
                    ):
                        known = heard.inputs.get(event.index, "")
                        heard.inputs[event.index] = known + event.delta.partial_json
                heard.whole = heard.message is not None and heard.message.stop_reason is not None
            except json.JSONDecodeError:
                raise  # the stream itself is garbled
            except (AttributeError, LookupError, TypeError, UnicodeDecodeError) as error:
                raise GarbledError from error  # the SDK takes events for what they should be
            except ValueError as error:  # how the SDK says that a tool's input is no JSON
                content = heard.message.content if heard.message else []
                if not content or content[-1].type != "tool_use":
                    raise GarbledError from error
                heard.broken[len(content) - 1] = str(error)

    def _worst(self, request: Request, supervisor: Supervisor, searches: int) -> float:
        """Bound the cost by the request's bytes, and count its tokens only if that is too much."""
        size = len(json.dumps(request, ensure_ascii=False).encode(errors="surrogatepass"))
        left, rough = supervisor.usd_left(), self._bound(size + HIDDEN_TOKENS, searches)
        if left is None or rough <= left:
            return rough
        told = {key: value for key, value in request.items() if key != "max_tokens"}
        counted = self._client.messages.count_tokens(**told).input_tokens
        if not is_count(counted):
            return rough
        return self._bound(int(counted * COUNT_MARGIN) + 1, searches)

    def _bound(self, input_tokens: int, searches: int) -> float:
        return self._prices.worst_case(
            self.name, input_tokens=input_tokens, output_tokens=MOST_OUTPUT, searches=searches
        )


def _answer(heard: _Heard, searches: int) -> Answer:
    """Return the answer; raise `DroppedError` where it has no end, `GarbledError` for nonsense."""
    if not heard.whole and not heard.broken:
        raise DroppedError
    blocks = [block.to_dict(warnings=False) for block in heard.message.content]
    for place, text in heard.inputs.items():
        if "input" not in blocks[place]:
            raise GarbledError
        if (wrong := _wrong(text)) is not None:
            heard.broken.setdefault(place, wrong)
    for place in heard.broken:
        blocks[place]["input"] = {}
    details = heard.message.stop_details
    return Answer(
        content=[block for block in blocks if block["type"] != "text" or block["text"]],
        stop_reason=heard.message.stop_reason or "tool_use",
        searches=_searches(heard.message, searches),
        explanation=(details.explanation or details.category or "") if details else "",
        broken={blocks[place]["id"]: wrong for place, wrong in heard.broken.items()},
    )


def _wrong(text: str) -> str | None:
    """Say what is wrong with a tool's input; the SDK completes what was cut off by itself."""
    try:
        found = json.loads(text or "{}")
        json.dumps(found, allow_nan=False)  # it is sent back, and no request holds such numbers
    except (ValueError, RecursionError) as error:
        return str(error)
    return None if isinstance(found, dict) else "it is not an object"


def _searches(message: Any, most: int) -> int:
    used = message.usage.server_tool_use
    said = (used.web_search_requests or 0) if used else 0
    return said if is_count(said) else most


def _usage(heard: _Heard, searches: int) -> Usage | None:
    """Return what was used; `None` where what the API says of it is no number of tokens."""
    if heard.message is None:
        return Usage()
    said = heard.message.usage
    if said is None:
        return None
    made = said.cache_creation
    short = (made.ephemeral_5m_input_tokens or 0) if made else 0
    all_written, read = said.cache_creation_input_tokens or 0, said.cache_read_input_tokens or 0
    if not all(map(is_count, (said.input_tokens, said.output_tokens, short, all_written, read))):
        return None
    written = max(all_written, short)
    missing = 0 if heard.whole else searched(said.input_tokens + written + read, searches)
    return Usage(
        input_tokens=said.input_tokens + missing,
        output_tokens=said.output_tokens if heard.whole else MOST_OUTPUT,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=written - short,  # the dearer kind, where the API does not say
        cache_read_tokens=read,
        web_searches=_searches(heard.message, searches) if heard.whole else searches,
    )
