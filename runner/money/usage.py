"""Sums over calls to models; pure, and cheap to import."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

from runner.records import ModelCall, Usage

T = TypeVar("T")
MOST_COUNT = 2**40
"""A number of tokens from here on is none."""


def is_count(said: object) -> bool:
    """Say whether it is a number of things; clients hand over whatever an API sent."""
    return type(said) is int and 0 <= said < MOST_COUNT


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What some calls took together."""

    calls: int
    usage: Usage
    usd: float
    seconds: float

    @property
    def given(self) -> int:
        """All tokens that went in, whatever the cache did with them."""
        used = self.usage
        written = used.cache_write_5m_tokens + used.cache_write_1h_tokens
        return used.input_tokens + written + used.cache_read_tokens

    @property
    def cached(self) -> float | None:
        """The share of those that the cache had; `None` where nothing went in."""
        return self.usage.cache_read_tokens / self.given if self.given else None


def spent(calls: Iterable[ModelCall]) -> Spent:
    every = tuple(calls)
    names = [field.name for field in fields(Usage)]
    usage = {name: sum(getattr(call.usage, name) for call in every) for name in names}
    return Spent(
        calls=len(every),
        usage=Usage(**usage),
        usd=sum(call.usd for call in every),
        seconds=sum(call.seconds for call in every),
    )


def by_experiment(calls: Iterable[ModelCall]) -> dict[int, Spent]:
    """Return experiment → sum, in the experiments' order."""
    groups = _groups((call.experiment, call) for call in calls)
    return {number: spent(groups[number]) for number in sorted(groups)}


def by_model(calls: Iterable[ModelCall]) -> dict[str, Spent]:
    """Return model → sum, the dearest first."""
    found = {name: spent(group) for name, group in _groups((c.model, c) for c in calls).items()}
    return dict(sorted(found.items(), key=lambda item: -item[1].usd))


def _groups(pairs: Iterable[tuple[T, ModelCall]]) -> dict[T, list[ModelCall]]:
    groups: dict[T, list[ModelCall]] = defaultdict(list)
    for key, call in pairs:
        groups[key].append(call)
    return groups
