"""Tasks of one's own: a folder of `harness/tasks/` with a `task.py` that says `TASK = Task(...)`.

The tasks that ship are in an explicit dict, `harness.tasks.TASKS`. One's own needs no line there:
its name leads to its folder (a dash is an underscore there), and nothing else is ever imported.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from harness import tasks

FOLDER = Path(__file__).parent / "tasks"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")


def find(name: str) -> tasks.Task:
    """Return a task that ships, or one's own.

    Raises:
        ValueError: there is neither, or `task.py` does not say what it should.
    """
    if name in tasks.TASKS:
        return tasks.TASKS[name]
    folder = name.replace("-", "_")
    if not NAME.fullmatch(name) or not (FOLDER / folder / "task.py").is_file():
        raise ValueError(f"no task {name!r}; those that ship: {', '.join(sorted(tasks.TASKS))}")
    task = getattr(importlib.import_module(f"harness.tasks.{folder}.task"), "TASK", None)
    if not isinstance(task, tasks.Task):
        raise ValueError(
            f"harness/tasks/{folder}/task.py must say TASK = Task(build=..., deal=...)"
        )
    return task
