"""Sums over calls to models; pure, and cheap to import."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TypeGuard

from runner.records import ModelCall, Spent, Usage

MOST_COUNT = 2**40
"""A number of tokens from here on is none."""


def is_count(said: object) -> TypeGuard[int]:
    """Say whether it is a number of things; clients hand over whatever an API sent."""
    return type(said) is int and 0 <= said < MOST_COUNT


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
    groups: dict[int, list[ModelCall]] = {}
    for call in calls:
        groups.setdefault(call.experiment, []).append(call)
    return {number: spent(groups[number]) for number in sorted(groups)}


def together(found: Iterable[Spent]) -> Spent | None:
    """Return the sum of some; `None` where there are none."""
    every = tuple(found)
    if not every:
        return None
    return Spent(
        calls=sum(each.calls for each in every),
        usage=added(each.usage for each in every),
        usd=sum(each.usd for each in every),
        seconds=sum(each.seconds for each in every),
    )
