"""What a call may be: the terms that it is held to, and what is known of it before it is made.

A request is held to lists of what is allowed. What is on no list is refused by name, so that a
field that a provider invents tomorrow is refused too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from runner.money.prices import SNAPSHOT
from runner.records import Usage

Said = Mapping[str, Any]

IMAGE_TOKENS = 10_000
"""What one image may count as, however few its bytes."""
OWN_ERRORS = ("invalid", "context_length", "too_large", "image", "policy")
"""In the names of errors that the request itself is to blame for."""


class Kind(Enum):
    """Why a call is not made; a protocol has its own status and name for each."""

    INVALID = "invalid"
    NO_ENDPOINT = "no endpoint"
    NO_MODEL = "no model"
    SPENT = "spent"
    TOO_LARGE = "too large"
    TOO_MANY = "too many"
    TOO_SLOW = "too slow"
    UNREACHABLE = "unreachable"
    NO_ACCOUNT = "no account"


class RefusedError(Exception):
    """The call is not made; the message is for the client."""

    def __init__(self, kind: Kind, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.kind, self.after = kind, after


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What calls are held to."""

    models: frozenset[str]
    output_tokens: int
    """The most that one answer may be; a request that asks for more, or for nothing, gets this."""
    searches: int = 0
    """Searches of the web that the model may make in this call."""
    domains: tuple[str, ...] = ()
    free: bool = False
    """Whether tokens cost nothing, so that no answer needs a bound."""

    def require_model(self, said: object) -> str:
        """Return the model that is asked; raise `RefusedError` for any but the allowed ones."""
        if isinstance(said, str) and not {said, SNAPSHOT.sub("", said)}.isdisjoint(self.models):
            return said
        known = ", ".join(sorted(self.models))
        raise RefusedError(Kind.NO_MODEL, f"model: this one may not be asked here, only: {known}")


@dataclass(frozen=True, kw_only=True)
class Held:
    """A call that keeps the terms, as it is sent."""

    endpoint: str
    """Below the provider's address."""
    body: Said
    model: str
    streams: bool = False
    metered: bool = True
    """Whether it costs anything."""
    output_tokens: int = 0
    more_tokens: int = 0
    """What the input may be beyond a token for each of its bytes; see `image_tokens`."""
    searches: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False
    """Whether the client did not ask for the event that says what was used."""

    def messages(self) -> Iterator[tuple[str, Any]]:
        """Yield what the model is told, and what it answered before, each with who said it."""
        for name in ("system", "instructions"):
            if self.body.get(name):
                yield "system", self.body[name]
        found = self.body.get("messages") or self.body.get("input") or ()
        for said in [found] if isinstance(found, str) else found:
            if isinstance(said, Mapping) and "role" in said:
                more = {name: value for name, value in said.items() if name not in ("role", "type")}
                yield str(said["role"]), more["content"] if [*more] == ["content"] else more
            else:
                yield "user" if isinstance(said, str) else "assistant", said

    def content(self) -> bytes:
        """Return the body's bytes; raise `RefusedError` where they cannot be said in JSON."""
        try:
            text = json.dumps(self.body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return text.encode()
        except (ValueError, RecursionError) as error:
            raise RefusedError(Kind.INVALID, "the body cannot be said in JSON") from error


class Meter(Protocol):
    """Hears an answer, and knows what was used once it is whole."""

    model: str
    """Who says that it answered."""
    outcome: str
    whole: bool
    failure: str
    """What the provider says went wrong with it, unless the request is to blame."""

    @property
    def ended(self) -> bool:
        """Whether its end was heard, be it that of an error."""
        ...

    def hear(self, event: Said) -> bool:
        """Take one event of a stream; say whether it holds nothing but what was used."""
        ...

    def read(self, document: Said) -> None:
        """Take an answer that is one document."""
        ...

    def usage(self) -> Usage | None:
        """Return what was used; `None` where the numbers are none."""
        ...


class ModelApi(Protocol):
    """How a provider is spoken to. Pure."""

    def hold(self, method: str, path: str, said: Said | None, terms: Terms) -> Held:
        """Return the call as it may be made; raise `RefusedError` where it may not."""
        ...

    def headers(self, asked: Mapping[str, str]) -> Mapping[str, str]:
        """Return what of a client's headers goes out."""
        ...

    def credentials(self, key: str) -> Mapping[str, str]: ...

    def meter(self, held: Held) -> Meter: ...

    def error(self, kind: Kind, message: str) -> tuple[int, bytes]:
        """Return an error as the provider would say it: its status, and its document."""
        ...


def only(where: str, said: object, allowed: Collection[str]) -> dict[str, Any]:
    """Return an object that has no field but these; one that is null counts as absent.

    Raises:
        RefusedError: it has another, or is no object.
    """
    if not isinstance(said, Mapping):
        raise RefusedError(Kind.INVALID, f"{where}: an object is expected here")
    found = {name: value for name, value in said.items() if value is not None or name in allowed}
    for name in found:
        if name not in allowed:
            permitted = ", ".join(sorted(allowed))
            raise RefusedError(
                Kind.INVALID, f"{where}: {name[:100]!r} is not allowed here, only: {permitted}"
            )
    return found


def each(where: str, said: object) -> list[tuple[str, Any]]:
    """Return a list's entries, each with where it stands; raise `RefusedError` for others."""
    if not isinstance(said, list):
        raise RefusedError(Kind.INVALID, f"{where}: a list is expected here")
    return [(f"{where}[{place}]", entry) for place, entry in enumerate(said)]


def one_of(where: str, said: object, allowed: Collection[Any]) -> None:
    """Refuse a value that is none of these."""
    # Not `in` alone: a list or an object cannot be looked up.
    if not any(said is one or (type(said) is type(one) and said == one) for one in allowed):
        permitted = ", ".join(str(one) for one in allowed)
        raise RefusedError(Kind.INVALID, f"{where}: only this is allowed here: {permitted}")


def image_tokens(where: str, data: object) -> int:
    """Return what an image counts as beyond its bytes, which say little of that.

    Raises:
        RefusedError: it is no text; what else would count as is not known.
    """
    if not isinstance(data, str):
        raise RefusedError(Kind.INVALID, f"{where}: an image is sent as a text of base64")
    return IMAGE_TOKENS - len(data)


def failure_of(error: object) -> str:
    """Return an error's name; empty where the request itself is to blame for it."""
    said = error if isinstance(error, Mapping) else {}
    names = [str(said[name]) for name in ("code", "type") if said.get(name)] or ["error"]
    own = any(word in name.lower() for name in names for word in OWN_ERRORS)
    return "" if own else names[0]


def bounded(said: object, most: int) -> int:
    """Return a number of tokens that is asked for, or the most there may be."""
    return min(said, most) if type(said) is int and said > 0 else most
