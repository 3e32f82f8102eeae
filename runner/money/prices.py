"""What a model's tokens cost: a dated file, and arithmetic on it.

An unknown model is an error, never free: a cap that counts nothing is none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from runner import given
from runner.errors import ConfigError
from runner.policy.schema import Strict
from runner.records import Usage

SHIPPED = Path(__file__).with_name("prices.yaml")
MOST_BYTES = 1024 * 1024
MILLION = 1_000_000
SNAPSHOT = re.compile(r"-\d{8}$")
"""A dated snapshot of a model, as in `claude-haiku-4-5-20251001`, costs what the model costs."""

Usd = Annotated[float, Field(ge=0)]


class Price(Strict):
    """US dollars per million tokens."""

    input: Usd
    output: Usd
    cache_write_5m: Usd
    cache_write_1h: Usd
    cache_read: Usd


class Prices(Strict):
    """A price list."""

    as_of: date
    web_search: Usd
    """US dollars per search."""
    models: Mapping[str, Price]

    def of(self, model: str) -> Price:
        """Return a model's price; raise `ConfigError` for a model that is not in the list."""
        found = self.models.get(model) or self.models.get(SNAPSHOT.sub("", model))
        if found is None:
            known = ", ".join(self.models)
            raise ConfigError(
                f"no price for the model {model!r}",
                hint=f"known: {known}; name a list of your own with RUNNER_PRICES=FILE",
            )
        return found

    def cost(self, model: str, usage: Usage) -> float:
        """Return what a call cost, in US dollars."""
        price = self.of(model)
        tokens = (
            usage.input_tokens * price.input
            + usage.output_tokens * price.output
            + usage.cache_write_5m_tokens * price.cache_write_5m
            + usage.cache_write_1h_tokens * price.cache_write_1h
            + usage.cache_read_tokens * price.cache_read
        )
        return tokens / MILLION + usage.web_searches * self.web_search

    def worst_case(self, model: str, *, input_tokens: int, output_tokens: int) -> float:
        """Return what a call may cost at most, in US dollars, if nothing is in the cache."""
        price = self.of(model)
        dearest = max(price.input, price.cache_write_5m, price.cache_write_1h, price.cache_read)
        return (input_tokens * dearest + output_tokens * price.output) / MILLION


def load_prices(environment: Mapping[str, str] = os.environ) -> Prices:
    """Read the shipped list, or the one that `RUNNER_PRICES` names; raise `ConfigError`."""
    path = Path(environment.get("RUNNER_PRICES") or SHIPPED)
    text, hint = given.read_text(path, most=MOST_BYTES), f"see the form in {SHIPPED.name}"
    try:
        return Prices.model_validate(yaml.load(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {given.wrong(error)}", hint=hint) from error
