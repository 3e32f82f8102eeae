"""Agents that play steps in turn, on a file of three settings: each one that grows is a gain."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fakes import TAG, TEMPLATE, scored

from runner.audit.run import audit_run
from runner.paths import State
from runner.records import Change, File, Proposal, TrialSpec
from runner.seams import Context, Supervisor

PATIENCE = 30.0
"""Seconds after which a test that hangs fails."""
SOURCE = '"""Train."""\n\nWIDTH = 32\n\n\n\n\n\nDEPTH = 1\n\n\n\n\n\nRATE = 10\n'
FILES = {**TEMPLATE, "train.py": File(content=SOURCE.encode())}


def settings(source: bytes) -> Mapping[str, int]:
    return {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", source.decode())}


def total(spec: TrialSpec):
    """Score by the sum of the constants: each one that grows is a gain."""
    return scored(1000.0 - sum(settings(spec.workspace["train.py"].content).values()))


def setting(context: Context, name: str, value: int, **more) -> Proposal:
    source = context.files["train.py"].content.decode()
    content = re.sub(rf"{name} = \d+", f"{name} = {value}", source).encode()
    change = Change(path="train.py", content=content)
    return Proposal(hypothesis=f"{name} {value}", changes=(change,), **more)


@dataclass
class Playing:
    """Proposes what its steps say, in turn, and remembers what it was told."""

    steps: list[Callable[[Context, Supervisor], Proposal | None]]
    told: list[Context] = field(default_factory=list)
    name: str = "playing"
    isolation: str = "api"
    ahead: int = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        self.told.append(context)
        return self.steps.pop(0)(context, supervisor) if self.steps else None


def sets(name: str, value: int, *, after: threading.Barrier | None = None, **more):
    """Propose a setting; with a barrier once all that share it know the same best."""

    def step(context: Context, supervisor: Supervisor) -> Proposal:
        if after is not None:
            after.wait(PATIENCE)
        return setting(context, name, value, **more)

    return step


def meeting(count: int = 2) -> threading.Barrier:
    return threading.Barrier(count)


def is_clean(folder: Path) -> bool:
    report = audit_run(State(folder / "state"), TAG, lambda _tag: ())
    assert report.findings == ()
    return report.clean
