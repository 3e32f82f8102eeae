"""A key of a policy written anew for one run, in the text itself, so that its digest says so."""

from __future__ import annotations

from runner.errors import ConfigError
from runner.policy.load import LoadedPolicy, parse_policy
from runner.policy.positions import read
from runner.policy.quantities import show_duration


def with_train_seconds(loaded: LoadedPolicy, seconds: float) -> LoadedPolicy:
    """Return the policy with another `budget.train`, and a last line that says what it was.

    Raises:
        PolicyError: the result is not valid.
    """
    before = loaded.policy.budget.train
    written = f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    start, end = read(loaded.text).spans["budget", "train"]
    text = f"{loaded.text[:start]}{written}{loaded.text[end:]}"
    note = f"# Changed for this run: budget.train was {show_duration(before)}."
    name = f"{loaded.path or 'policy'} with budget.train: {written}"
    changed = parse_policy(f"{text.rstrip()}\n{note}\n", name, path=loaded.path)
    budget = changed.policy.budget.model_copy(update={"train": before})
    if changed.policy.model_copy(update={"budget": budget}) != loaded.policy:
        raise ConfigError("budget.train cannot be changed in this policy's text alone")
    return changed
