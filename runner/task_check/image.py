"""Rows of a task's data that lie in the image in which an agent's code runs.

The packages of an image bring data sets along, and what code can import there is not sealed. The
harness looks for them in a container of that image, with its own frozen code.

What this does not protect against: data that a package makes, or keeps in a form of its own.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from runner import paths
from runner.data import RESOURCES, frozen_harness
from runner.declared import DECLARATION
from runner.engines.container import Deadline, Ended, started
from runner.engines.protocol import HOME_LABEL, SCORER_USER, ContainerSpec, Engine, Mount
from runner.errors import SandboxError

SECONDS = 600.0


def copies(engine: Engine, state: paths.State, task: str, image_id: str, raw: Path) -> list[str]:
    """Return one sentence for each file of an image's packages that holds rows of a task's data.

    Raises:
        SandboxError: the image could not be searched.
    """
    name = f"runner-{state.id}-search-{task}"
    engine.remove(name)  # a killed one may have left it
    with frozen_harness(state, name) as harness:
        declaration = f"{harness.target}/tasks/{paths.task_harness(task).name}/{DECLARATION}"
        spec = ContainerSpec(
            name=name,
            image_id=image_id,
            user=SCORER_USER,
            command=["python", "-I", harness.target, "search", declaration, "--raw", "/raw"],
            mounts=[harness, Mount(source=str(raw), target="/raw")],
            resources=RESOURCES,
            labels={HOME_LABEL: state.id},
        )
        with started(engine, spec, seconds=SECONDS) as running:
            result = running.finish(Deadline.after(SECONDS), threading.Event())
    if result.ended is not Ended.EXITED:
        raise SandboxError(f"searching the image for rows of {task} failed: {result.ended}")
    try:
        said = json.loads(result.stdout)
    except ValueError:
        shown = result.output[-2000:].decode(errors="backslashreplace").strip()
        raise SandboxError(f"searching the image for rows of {task} failed: {shown}") from None
    if "problem" in said:
        raise SandboxError(f"searching the image for rows of {task}: {said['problem']}")
    return [str(line) for line in said["found"]]
