"""Who serves models: the shipped file, one's own, keys, and which provider a model is asked of."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.providers import load_providers, provider_of

OWN = """\
local:
  protocol: openai
  address: http://127.0.0.1:8000/v1/
  prices: free
openai:
  protocol: openai
  address: https://proxy.example/v1
  key_in: PROXY_KEY
  prices:
    as_of: 2027-01-31
    models:
      mine: {input: 1, output: 2}
"""


def own(folder: Path, text: str = OWN) -> dict[str, str]:
    (folder / "providers.yaml").write_text(text)
    return {"RUNNER_PROVIDERS": str(folder / "providers.yaml")}


def test_a_file_of_one_s_own_adds_to_the_shipped_one_and_replaces_by_name(tmp_path):
    found = load_providers(own(tmp_path))
    assert list(found) == ["anthropic", "openai", "local"]
    assert (found["local"].address, found["local"].free) == ("http://127.0.0.1:8000/v1", True)
    assert list(found["openai"].prices.models) == ["mine"]
    assert found["anthropic"] == load_providers({})["anthropic"]


def test_an_empty_name_of_a_file_is_no_name():
    assert load_providers({"RUNNER_PROVIDERS": ""}) == load_providers({})


@pytest.mark.parametrize(
    ("model", "address", "name"),
    [
        ("claude-opus-5-5", "https://api.anthropic.com", "claude-opus-5-5"),
        ("mine-2026-01-01", "https://proxy.example/v1", "mine-2026-01-01"),
        ("openai/mine", "https://proxy.example/v1", "mine"),
        ("local/qwen/qwen3-coder:30b", "http://127.0.0.1:8000/v1", "qwen/qwen3-coder:30b"),
        ("anthropic/other", "https://api.anthropic.com", "other"),
        ("nobody/other", "https://api.anthropic.com", "nobody/other"),
        ("local/", "https://api.anthropic.com", "local/"),
    ],
)
def test_a_model_is_asked_of_who_is_named_or_has_its_price(tmp_path, model, address, name):
    provider, found = provider_of(model, own(tmp_path))
    assert (provider.address, found) == (address, name)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: [", id="not YAML"),
        pytest.param("", id="empty"),
        pytest.param(OWN.replace("  prices: free\n", ""), id="no price is no price"),
        pytest.param(OWN.replace("prices: free", "prices: cheap"), id="a word that is none"),
        pytest.param(OWN.replace("prices: free", "prices: 0"), id="a number"),
        pytest.param(OWN.replace("    as_of: 2027-01-31\n", ""), id="prices without a date"),
        pytest.param(OWN.replace(", output: 2", ""), id="a price is missing"),
        pytest.param(OWN.replace("output: 2", "output: -2"), id="a negative price"),
        pytest.param(OWN.replace("output: 2", "output: .nan"), id="not a number"),
        pytest.param(OWN.replace("output: 2", "output: 2, thinking: 3"), id="an unknown price"),
        pytest.param(OWN.replace("protocol: openai", "protocol: grpc", 1), id="another protocol"),
        pytest.param(OWN.replace("http://", "ftp://"), id="another scheme"),
        pytest.param(OWN.replace("http://", "http://user:word@"), id="a password in the address"),
        pytest.param(OWN.replace("8000/v1/", "8000/v1?key=1"), id="a query in the address"),
        pytest.param(OWN.replace("key_in: PROXY_KEY", "key: sk-1"), id="a key in the file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path, text):
    with pytest.raises(ConfigError, match=r"providers\.yaml") as refused:
        load_providers(own(tmp_path, text))
    assert "providers.yaml" in refused.value.hint
    assert "sk-1" not in str(refused.value)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("none.yaml", "bytes.yaml", ""):
        with pytest.raises(ConfigError):
            load_providers({"RUNNER_PROVIDERS": str(tmp_path / name)})


def test_a_price_list_by_its_former_name_is_not_passed_over():
    with pytest.raises(ConfigError, match="RUNNER_PROVIDERS"):
        load_providers({"RUNNER_PRICES": "prices.yaml"})


def test_the_environment_may_say_another_address():
    found = load_providers({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})["openai"]
    assert found.address == "http://127.0.0.1:1/v1"
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL"):
        load_providers({"OPENAI_BASE_URL": "127.0.0.1"})


def test_a_key_is_asked_for_where_one_is_needed_and_never_shown(tmp_path):
    found = load_providers(own(tmp_path))
    assert found["local"].key({}) is None
    assert found["openai"].key({"PROXY_KEY": " sk-1\n"}) == "sk-1"
    for environment in ({}, {"PROXY_KEY": ""}, {"PROXY_KEY": "two words"}, {"PROXY_KEY": "a\0b"}):
        with pytest.raises(ConfigError, match="PROXY_KEY") as refused:
            found["openai"].key(environment)
        assert "two words" not in refused.value.in_a_line
