"""What a model's tokens cost: a dated list, and arithmetic on it.

An unknown model is an error, never free: a cap that counts nothing is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Annotated, Any

from pydantic import Field, model_validator

from runner.errors import ConfigError
from runner.policy.schema import Strict
from runner.records import Usage

MILLION = 1_000_000
SNAPSHOT = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
"""A dated snapshot of a model, as in `claude-haiku-4-5-20251001`, costs what the model costs."""
HIDDEN_TOKENS = 5_000
"""What a provider adds to a request by itself: words on tools, their own descriptions."""
SEARCH_TOKENS = 25_000
"""What one search may add to the input."""

Usd = Annotated[float, Field(ge=0)]
CACHE = ("cache_write_5m", "cache_write_1h", "cache_read")


def searched(input_tokens: int, searches: int) -> int:
    """Return the tokens that are read again, with what was found, after each search of the web."""
    return input_tokens * searches + SEARCH_TOKENS * searches * (1 + searches) // 2


class Price(Strict):
    """US dollars per million tokens; what the cache does costs what input costs, if nothing else is said."""  # noqa: E501

    input: Usd
    output: Usd
    cache_write_5m: Usd
    """Written for a short while: five minutes, or thirty."""
    cache_write_1h: Usd
    """Written for long: an hour, or twelve."""
    cache_read: Usd

    @model_validator(mode="before")
    @classmethod
    def _cache_costs_as_input(cls, said: Any) -> Any:
        if not isinstance(said, Mapping) or "input" not in said:
            return said
        return {**dict.fromkeys(CACHE, said["input"]), **said}


class LongPrompts(Strict):
    """What a call costs whose prompt is above so many tokens: times as much, all of it."""

    above: int
    input: float = Field(ge=1)
    output: float = Field(ge=1)


class Prices(Strict):
    """A price list."""

    as_of: date
    web_search: Usd = 0.0
    """US dollars per search."""
    long_prompts: LongPrompts | None = None
    models: Mapping[str, Price]

    def find(self, model: str) -> Price | None:
        """Return a model's price, or its model's where it is a snapshot; `None` if it has none."""
        return self.models.get(model) or self.models.get(SNAPSHOT.sub("", model))

    def of(self, model: str) -> Price:
        """Return a model's price; raise `ConfigError` for a model that is not in the list."""
        found = self.find(model)
        if found is None:
            known = ", ".join(self.models)
            raise ConfigError(
                f"no price for the model {model!r}",
                hint=f"known: {known}; say it in a file of your own: RUNNER_PROVIDERS=FILE",
            )
        return found

    def cost(self, model: str, usage: Usage) -> float:
        """Return what a call cost, in US dollars."""
        price = self.of(model)
        written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
        reading, writing = self._times(usage.input_tokens + written + usage.cache_read_tokens)
        given = (
            usage.input_tokens * price.input
            + usage.cache_write_5m_tokens * price.cache_write_5m
            + usage.cache_write_1h_tokens * price.cache_write_1h
            + usage.cache_read_tokens * price.cache_read
        )
        tokens = given * reading + usage.output_tokens * price.output * writing
        return tokens / MILLION + usage.web_searches * self.web_search

    def dearer(self, asked: str, answered: str, usage: Usage) -> float:
        """Return what a call cost, in US dollars; if another model answered, the dearer counts."""
        usd = self.cost(asked, usage)
        with suppress(ConfigError):  # it has no price
            usd = max(usd, self.cost(answered, usage))
        return usd

    def worst_case(
        self, model: str, *, input_tokens: int, output_tokens: int, searches: int = 0
    ) -> float:
        """Return what a call may cost at most, in US dollars, if nothing is in the cache.

        Each search reads the input again, with what was found.
        """
        input_tokens += searched(input_tokens, searches)
        price = self.of(model)
        reading, writing = self._times(input_tokens)
        dearest = max(price.input, price.cache_write_5m, price.cache_write_1h, price.cache_read)
        tokens = input_tokens * dearest * reading + output_tokens * price.output * writing
        return tokens / MILLION + searches * self.web_search

    def _times(self, prompt_tokens: int) -> tuple[float, float]:
        """Return by how much input and output are dearer for a prompt of this length."""
        if self.long_prompts is None or prompt_tokens <= self.long_prompts.above:
            return 1.0, 1.0
        return self.long_prompts.input, self.long_prompts.output


class _Free(Prices):
    """Tokens of a machine of one's own: whatever model answers, they cost nothing."""

    def of(self, model: str) -> Price:
        return Price(input=0, output=0, cache_write_5m=0, cache_write_1h=0, cache_read=0)


FREE = _Free(as_of=date.max, models={})
