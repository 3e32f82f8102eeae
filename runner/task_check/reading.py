"""What is missing in a task's three rooms, as sentences; nothing is run."""

from __future__ import annotations

from collections.abc import Iterator

from runner import rooms
from runner.errors import ConfigError
from runner.policy.load import load_policy
from runner.records import EXECUTABLE, Files

TODO = b"TODO"
RUN, PROGRAM = "run.sh", "program.md"


def missing(task: str) -> list[str]:
    """Return one sentence for each thing that a run of this task would miss."""
    try:
        policy = load_policy(rooms.policy_path(rooms.require_task(task))).policy
        template = rooms.template(task)
        harness = rooms.read_tree(rooms.task_harness(task))
    except ConfigError as error:
        return str(error).splitlines()
    found = []
    if policy.task != task:
        found.append(f"policies/{task}.yaml is a policy of {policy.task}")
    if not {"task.py", "__init__.py"} & set(harness):
        found.append(f"harness/tasks/{rooms.task_harness(task).name}/task.py is missing")
    wanted = [*policy.files.mutable, *policy.files.notes, RUN, PROGRAM]
    place = f"workspace-template/{task}"
    found += [f"{place}/{name} is missing" for name in wanted if name not in template]
    if RUN in template and template[RUN].mode != EXECUTABLE:
        found.append(f"{place}/{RUN} is not executable: chmod +x")
    return [*found, *_to_do(place, template), *_to_do(f"harness/tasks/{task}", harness)]


def _to_do(place: str, files: Files) -> Iterator[str]:
    for name, file in files.items():
        for number, line in enumerate(file.content.splitlines(), start=1):
            if TODO in line:
                yield f"{place}/{name}:{number} still says TODO"
