"""What a trial's containers are called, and what its scorer is told."""

from __future__ import annotations

import secrets

from runner.records import Shape, TrialSpec


def score_command(spec: TrialSpec) -> list[str]:
    """Return the scorer's command line; a served one keeps time and looks for leaks itself."""
    options = ["--part", spec.purpose.part, "--split", spec.split]
    if spec.shape is Shape.SERVED:
        seconds = spec.budget.score * spec.budget.stretch
        options += ["--min-gain", repr(spec.min_gain), "--seconds", repr(seconds)]
    return ["python", "-I", "/harness", "score", spec.task, *options]


def trial_name(home_id: str, spec: TrialSpec) -> str:
    """Name a trial's containers and volumes; unique on the engine, and readable."""
    rest = f"{spec.experiment}-{spec.purpose}-{spec.split}-{spec.index}"
    return f"{trial_prefix(home_id, spec.run)}{rest}"


def stage_name(home_id: str, tag: str) -> str:
    """Name a trial's folder; a container reads its path in /proc, so it must not tell the trial.

    Drawn and not derived: code that knows its seed could compare digests.
    """
    return f"{trial_prefix(home_id, tag)}{secrets.token_hex(8)}"


def trial_prefix(home_id: str, tag: str) -> str:
    # "--" cannot be part of a tag, so no tag's prefix is the beginning of another's.
    return f"runner-{home_id}-{tag}--"
