"""The tasks this harness knows: an explicit registry, and tasks of one's own.

One's own is a folder here that needs no line below: its name leads to its folder (a dash is an
underscore there). It holds a `task.yaml`, which `harness.declared` understands, or a `task.py` that
says `TASK = Task(...)`; nothing else is ever imported.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.scoring.protocol import Dealt
from harness.scoring.served import Served
from harness.sealing import Built
from harness.tasks import (
    cifar10,
    eclip,
    eclip_ukiyo,
    heart,
    nanochat,
    packing,
    shakespeare,
    tabular,
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a task adds to the harness."""

    build: Callable[[int, Path | None], Built]
    """Seed, folder of raw files → every file of the public and the sealed part.

    The folder is `None` for a task whose data are generated: one without a `raw.yaml`.
    """
    deal: Callable[[Path, str, str], Dealt | Served]
    """Sealed folder, part, split → what the predictors get, and how to measure their answers."""


TASKS = {
    "cifar10": Task(build=cifar10.build, deal=cifar10.deal),
    "eclip": Task(build=eclip.build, deal=eclip.deal),
    "eclip-ukiyo": Task(build=eclip_ukiyo.build, deal=eclip_ukiyo.deal),
    "heart": Task(build=heart.build, deal=heart.deal),
    "nanochat": Task(build=nanochat.build, deal=nanochat.deal),
    "packing": Task(build=packing.build, deal=packing.deal),
    "shakespeare": Task(build=shakespeare.build, deal=shakespeare.deal),
    "tabular": Task(build=tabular.build, deal=tabular.deal),
}
NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")


def find(name: str) -> Task:
    """Return a task that ships, or one's own.

    Raises:
        ValueError: there is neither, or `task.py` or `task.yaml` does not say what it should.
    """
    if name in TASKS:
        return TASKS[name]
    folder = name.replace("-", "_")
    script = Path(__file__).parent / folder / "task.py"
    if NAME.fullmatch(name) and not script.is_file() and script.with_name("task.yaml").is_file():
        return _declared(script.with_name("task.yaml"))
    if not NAME.fullmatch(name) or not script.is_file():
        raise ValueError(f"no task {name!r}; those that ship: {', '.join(sorted(TASKS))}")
    task = getattr(importlib.import_module(f"harness.tasks.{folder}.task"), "TASK", None)
    if not isinstance(task, Task):
        raise ValueError(
            f"harness/tasks/{folder}/task.py must say TASK = Task(build=..., deal=...)"
        )
    return task


def _declared(path: Path) -> Task:
    from harness.declared import schema, task

    declaration = schema.load(path)
    return Task(
        build=partial(task.build, declaration=declaration),
        deal=partial(task.deal, declaration=declaration),
    )
