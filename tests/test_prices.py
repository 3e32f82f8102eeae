"""What a call costs: the shipped list, one's own, and the arithmetic on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.money.prices import Price, Prices, load_prices
from runner.records import Usage

PRICE = Price(input=4, output=20, cache_write_5m=5, cache_write_1h=8, cache_read=0.2)
LIST = Prices(as_of=date(2026, 11, 1), web_search=0.01, models={"claude-a-1": PRICE})
OWN = """\
as_of: 2027-01-31
web_search: 0.02
models:
  mine: {input: 1, output: 2, cache_write_5m: 3, cache_write_1h: 4, cache_read: 5}
"""


def own(folder: Path, text: str) -> dict[str, str]:
    (folder / "prices.yaml").write_text(text)
    return {"RUNNER_PRICES": str(folder / "prices.yaml")}


# -- which price ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["claude-a", "claude-a-2", "", "claude-a-1-2025", "gpt-1"])
def test_an_unknown_model_is_an_error_and_never_free(model):
    for ask in (LIST.of, lambda name: LIST.cost(name, Usage())):
        with pytest.raises(ConfigError, match="no price for the model") as refused:
            ask(model)
        assert "claude-a-1" in refused.value.hint
        assert "RUNNER_PRICES" in refused.value.hint


def test_a_dated_snapshot_costs_what_its_model_costs():
    assert LIST.of("claude-a-1-20251001") == PRICE


def test_a_snapshot_with_a_price_of_its_own_has_that():
    other = PRICE.model_copy(update={"input": 1.0})
    both = LIST.model_copy(update={"models": {"claude-a-1": PRICE, "claude-a-1-20251001": other}})
    assert both.of("claude-a-1-20251001") == other
    assert both.of("claude-a-1-20260101") == PRICE


@pytest.mark.parametrize("model", load_prices({}).models)
def test_no_price_that_is_shipped_is_zero_or_out_of_proportion(model):
    price = load_prices({}).of(model)
    assert 0 < price.cache_read < price.input < price.output
    assert price.input <= price.cache_write_5m <= price.cache_write_1h < price.output


def test_the_shipped_list_says_when_it_held():
    assert load_prices({}).as_of.year >= 2026
    assert load_prices({}).web_search > 0


# -- another list -----------------------------------------------------------------------------


def test_a_list_of_one_s_own_replaces_the_shipped_one(tmp_path):
    found = load_prices(own(tmp_path, OWN))
    assert (found.as_of, found.web_search, list(found.models)) == (
        date(2027, 1, 31),
        0.02,
        ["mine"],
    )
    with pytest.raises(ConfigError):
        found.of("claude-opus-5-5")


def test_an_empty_name_of_a_list_is_no_name():
    assert load_prices({"RUNNER_PRICES": ""}) == load_prices({})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a: [", id="not YAML"),
        pytest.param(OWN.replace("as_of: 2027-01-31\n", ""), id="without a date"),
        pytest.param(OWN.replace("output: 2, ", ""), id="a price is missing"),
        pytest.param(OWN.replace("output: 2", "output: -2"), id="a negative price"),
        pytest.param(OWN.replace("output: 2", "output: .nan"), id="not a number"),
        pytest.param(OWN.replace("output: 2", "output: .inf"), id="infinite"),
        pytest.param(OWN.replace("output: 2", "output: 2, thinking: 3"), id="an unknown key"),
        pytest.param(OWN.replace("web_search: 0.02\n", ""), id="searches without a price"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_by_name(tmp_path, text):
    with pytest.raises(ConfigError, match=r"prices\.yaml") as refused:
        load_prices(own(tmp_path, text))
    assert refused.value.hint


def test_a_list_that_is_not_there_or_not_text_is_refused(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("none.yaml", "bytes.yaml", ""):
        with pytest.raises(ConfigError):
            load_prices({"RUNNER_PRICES": str(tmp_path / name)})


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
