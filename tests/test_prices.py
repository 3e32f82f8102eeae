"""What a call costs: which price is a model's, and the arithmetic on it."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from runner.errors import ConfigError
from runner.money.prices import FREE, LongPrompts, Price, Prices
from runner.providers import load_providers
from runner.records import Usage

PRICE = Price(input=4, output=20, cache_write_5m=5, cache_write_1h=8, cache_read=0.2)
LIST = Prices(as_of=date(2026, 11, 1), web_search=0.01, models={"claude-a-1": PRICE})
SHIPPED = {name: found.prices for name, found in load_providers({}).items()}


# -- which price ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["claude-a", "claude-a-2", "", "claude-a-1-2025", "gpt-1"])
def test_an_unknown_model_is_an_error_and_never_free(model):
    for ask in (LIST.of, lambda name: LIST.cost(name, Usage())):
        with pytest.raises(ConfigError, match="no price for the model") as refused:
            ask(model)
        assert "claude-a-1" in refused.value.hint
        assert "RUNNER_PROVIDERS" in refused.value.hint


def test_a_dated_snapshot_costs_what_its_model_costs():
    assert LIST.of("claude-a-1-20251001") == PRICE


def test_a_snapshot_with_a_price_of_its_own_has_that():
    other = PRICE.model_copy(update={"input": 1.0})
    both = LIST.model_copy(update={"models": {"claude-a-1": PRICE, "claude-a-1-20251001": other}})
    assert both.of("claude-a-1-20251001") == other
    assert both.of("claude-a-1-20260101") == PRICE


@pytest.mark.parametrize(
    ("provider", "model"),
    [(provider, model) for provider, prices in SHIPPED.items() for model in prices.models],
)
def test_no_price_that_is_shipped_is_zero_or_out_of_proportion(provider, model):
    price = SHIPPED[provider].of(model)
    assert 0 < price.cache_read < price.input < price.output
    assert price.input <= price.cache_write_5m <= price.cache_write_1h < price.output


@pytest.mark.parametrize("prices", SHIPPED.values())
def test_the_shipped_lists_say_when_they_held(prices):
    assert prices.as_of.year >= 2026


def test_searches_have_a_price():
    assert SHIPPED["anthropic"].web_search > 0


def test_what_is_said_to_be_free_costs_nothing_whatever_the_model():
    assert FREE.cost("anything", Usage(input_tokens=10**9, output_tokens=10**9)) == 0


def test_a_cache_without_a_price_costs_what_input_does():
    price = Price.model_validate({"input": 3, "output": 9, "cache_read": 1})
    assert (price.cache_write_5m, price.cache_write_1h, price.cache_read) == (3, 3, 1)
    with pytest.raises(ValidationError):
        Price.model_validate({"input": 3})


# -- arithmetic -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        pytest.param(Usage(), 0.0, id="nothing"),
        pytest.param(Usage(input_tokens=1_000_000), 4.0, id="input"),
        pytest.param(Usage(output_tokens=1_000_000), 20.0, id="output"),
        pytest.param(Usage(cache_write_5m_tokens=1_000_000), 5.0, id="written for 5 minutes"),
        pytest.param(Usage(cache_write_1h_tokens=1_000_000), 8.0, id="written for an hour"),
        pytest.param(Usage(cache_read_tokens=1_000_000), 0.2, id="read"),
        pytest.param(Usage(web_searches=3), 0.03, id="searches"),
        pytest.param(Usage(output_tokens=1), 0.00002, id="one token is not lost"),
        pytest.param(
            Usage(
                input_tokens=1000,
                output_tokens=2000,
                cache_write_5m_tokens=3000,
                cache_write_1h_tokens=4000,
                cache_read_tokens=5000,
                web_searches=1,
            ),
            0.004 + 0.04 + 0.015 + 0.032 + 0.001 + 0.01,
            id="all together",
        ),
    ],
)
def test_a_call_costs_the_sum_of_its_parts(usage, usd):
    assert LIST.cost("claude-a-1", usage) == pytest.approx(usd, rel=1e-12)


@pytest.mark.parametrize("cached", Usage.__dataclass_fields__)
def test_the_worst_case_is_never_less_than_what_the_tokens_cost(cached):
    if cached in ("output_tokens", "web_searches"):
        usage = Usage(output_tokens=500)
        worst = LIST.worst_case("claude-a-1", input_tokens=0, output_tokens=500)
    else:
        usage = Usage(**{cached: 1000}, output_tokens=500)
        worst = LIST.worst_case("claude-a-1", input_tokens=1000, output_tokens=500)
    assert LIST.cost("claude-a-1", usage) <= worst


def test_the_worst_case_of_an_unknown_model_is_an_error():
    with pytest.raises(ConfigError):
        LIST.worst_case("claude-b", input_tokens=1, output_tokens=1)


def test_a_long_prompt_is_dearer_as_a_whole():
    dearer = LongPrompts(above=1000, input=2, output=1.5)
    prices = LIST.model_copy(update={"long_prompts": dearer})
    short = Usage(input_tokens=400, cache_read_tokens=600, output_tokens=100)
    long = Usage(input_tokens=401, cache_read_tokens=600, output_tokens=100)
    assert prices.cost("claude-a-1", short) == LIST.cost("claude-a-1", short)
    given, answered = Usage(input_tokens=401, cache_read_tokens=600), Usage(output_tokens=100)
    dear = 2 * LIST.cost("claude-a-1", given) + 1.5 * LIST.cost("claude-a-1", answered)
    assert prices.cost("claude-a-1", long) == pytest.approx(dear)
    for tokens in (1000, 1001):
        worst = prices.worst_case("claude-a-1", input_tokens=tokens, output_tokens=100)
        assert prices.cost("claude-a-1", Usage(input_tokens=tokens, output_tokens=100)) <= worst
