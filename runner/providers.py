"""Who serves models: in which protocol, at which address, with whose key, at what price.

`providers.yaml` is the one list; a file of a person's own adds to it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, TypeAdapter

from runner import given
from runner.errors import ConfigError
from runner.money.prices import FREE, Prices
from runner.policy import positions
from runner.policy.schema import Strict

SHIPPED = Path(__file__).with_name("providers.yaml")
CHOICE, FORMER = "RUNNER_PROVIDERS", "RUNNER_PRICES"
MOST_BYTES = 1024 * 1024
LATER = "the run goes on with: runner run --resume TAG"
HINTS = {
    400: f"the API does not take this request; if a newer version does, {LATER}",
    401: f"check ANTHROPIC_API_KEY, OPENAI_API_KEY or your token; then {LATER}",
    402: f"the account has no credit; add some, then {LATER}",
    403: f"the key may not use this; ask for the permission, then {LATER}",
    404: "the API does not know this model; name another, as in --agent claude:MODEL",
    429: f"the account's rate or spend limit is reached; wait or raise it, then {LATER}",
}
"""What a person can do about what a model's API answers, by its status."""
MONEY_HINT = f"the account's credit or spend limit is reached; raise it, then {LATER}"
MONEY_WORDS = ("credit", "billing", "spend limit", "usage limit")
"""In what an API says with the status 400 when it is about money."""

Environment = Mapping[str, str]


def _address(said: str) -> str:
    found = urlsplit(said)
    if found.scheme not in ("http", "https") or not found.hostname:
        raise ValueError("it begins with http:// or https:// and a host")
    if found.username or found.password or found.query or found.fragment:
        raise ValueError("it holds no user, password, query or fragment")
    return said.rstrip("/")


class Provider(Strict):
    """One address that serves models."""

    protocol: Literal["anthropic", "openai"]
    address: Annotated[str, AfterValidator(_address)]
    """As the protocol's own clients take it: OpenAI's ends in `/v1`, Anthropic's does not."""
    address_in: str | None = None
    """The variable of the environment that takes the address's place where it is set."""
    key_in: str | None = None
    """The variable of the environment that holds the key; without it there is none."""
    prices: Annotated[Prices, BeforeValidator(lambda said: FREE if said == "free" else said)]

    @property
    def free(self) -> bool:
        return self.prices is FREE

    def located(self, environment: Environment) -> Provider:
        """Return it at the address that the environment says, if it says one.

        Raises:
            ConfigError: that is no address.
        """
        said = environment.get(self.address_in or "", "").strip()
        if not said:
            return self
        try:
            return self.model_copy(update={"address": _address(said)})
        except ValueError as error:
            hint = "correct it, or unset it"
            raise ConfigError(f"{self.address_in} is no address: {error}", hint=hint) from error

    def key(self, environment: Environment) -> str | None:
        """Return the key, or `None` where none is needed.

        Raises:
            ConfigError: it is not there, or cannot be one.
        """
        if self.key_in is None:
            return None
        key = environment.get(self.key_in, "").strip()
        if not key:
            hint = f"put the key into the environment: export {self.key_in}=..."
            raise ConfigError(f"{self.key_in} is not set", hint=hint)
        if not (key.isascii() and key.isprintable()) or " " in key:
            hint = "it is one word of plain letters; copy it again"
            raise ConfigError(f"{self.key_in} is no key", hint=hint)
        return key


_PROVIDERS = TypeAdapter(dict[str, Provider])


def load_providers(environment: Environment = os.environ) -> dict[str, Provider]:
    """Return the providers by their names: the shipped ones, and those of a person's own file.

    Raises:
        ConfigError: the file cannot be read, or says something else.
    """
    if environment.get(FORMER):
        hint = f"see the form in {SHIPPED.name}, and unset {FORMER}"
        raise ConfigError(f"prices are said with their provider now: {CHOICE}=FILE", hint=hint)
    own = environment.get(CHOICE)
    found = _read(SHIPPED) | (_read(Path(own)) if own else {})
    return {name: provider.located(environment) for name, provider in found.items()}


def _read(path: Path) -> dict[str, Provider]:
    text = given.read_text(path, most=MOST_BYTES)
    hint = f"see the form in {SHIPPED.name}"
    said = positions.plain(path, text, hint=hint)
    try:
        return _PROVIDERS.validate_python(said)
    except ValueError as error:
        raise ConfigError(f"{path}: {given.wrong(error)}", hint=hint) from error


def provider_of(model: str, environment: Environment = os.environ) -> tuple[Provider, str]:
    """Return who serves a model that an agent asks, and the model's name there.

    `PROVIDER/MODEL` names both, where there is a provider of that name. Another model is asked of
    the first that has a price for it, or, to be refused there, of the first of all.

    Raises:
        ConfigError: the file of providers cannot be used.
    """
    providers = load_providers(environment)
    name, _, rest = model.partition("/")
    if rest and name in providers:
        return providers[name], rest
    priced = (provider for provider in providers.values() if provider.prices.find(model))
    return next(priced, next(iter(providers.values()))), model
