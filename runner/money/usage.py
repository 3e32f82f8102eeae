"""Sums over calls to models; pure, and cheap to import."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

from runner.records import ModelCall, Usage

T = TypeVar("T")


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


def added(usages: Iterable[Usage]) -> Usage:
    every = tuple(usages)
    names = [field.name for field in fields(Usage)]
    return Usage(**{name: sum(getattr(usage, name) for usage in every) for name in names})


def spent(calls: Iterable[ModelCall]) -> Spent:
    every = tuple(calls)
    return Spent(
        calls=len(every),
        usage=added(call.usage for call in every),
        usd=sum(call.usd for call in every),
        seconds=sum(call.seconds for call in every),
    )


def by_experiment(calls: Iterable[ModelCall]) -> dict[int, Spent]:
    """Return experiment → sum, in the experiments' order."""
    return dict(sorted(_by(calls, lambda call: call.experiment).items()))


def by_model(calls: Iterable[ModelCall]) -> dict[str, Spent]:
    """Return model → sum, the dearest first."""
    found = _by(calls, lambda call: call.model)
    return dict(sorted(found.items(), key=lambda item: -item[1].usd))


def _by(calls: Iterable[ModelCall], key: Callable[[ModelCall], T]) -> dict[T, Spent]:
    groups: dict[T, list[ModelCall]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return {name: spent(group) for name, group in groups.items()}
