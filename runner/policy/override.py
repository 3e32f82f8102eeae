"""A key of a policy written anew for one run, in the text itself, so that its digest says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from runner.errors import ConfigError
from runner.policy.load import LoadedPolicy, parse_policy
from runner.policy.quantities import show_duration


def with_train_seconds(loaded: LoadedPolicy, seconds: float) -> LoadedPolicy:
    """Return the policy with another `budget.train`, and a last line that says what it was.

    Raises:
        PolicyError: the result is not valid.
    """
    before = loaded.policy.budget.train
    start, end = _place(loaded.text, ("budget", "train"))
    text = f"{loaded.text[:start]}{_written(seconds)}{loaded.text[end:]}"
    note = f"# Changed for this run: budget.train was {show_duration(before)}."
    text = f"{text.rstrip()}\n{note}\n"
    name = f"{loaded.path or 'policy'} with budget.train: {_written(seconds)}"
    changed = parse_policy(text, name, path=loaded.path)
    _require_nothing_else(loaded, changed)
    return changed


def _written(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _place(text: str, key: tuple[str, ...]) -> tuple[int, int]:
    """Return where the value of a key stands in a valid policy's text."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for name in key:
        found = {each.value: value for each, value in node.value}
        node = found[name]
    return node.start_mark.index, node.end_mark.index


def _require_nothing_else(before: LoadedPolicy, after: LoadedPolicy) -> None:
    """A text that means something else than it seems to is not changed at all."""
    if _without_train(before) != _without_train(after):
        raise ConfigError("budget.train cannot be changed in this policy's text alone")


def _without_train(loaded: LoadedPolicy) -> Mapping[str, Any]:
    document = loaded.policy.model_dump(mode="json")
    return document | {"budget": {**document["budget"], "train": None}}
