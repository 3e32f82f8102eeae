"""What a task's policy, harness and template lack, as sentences; nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runner import paths
from runner.agents.numbers import search
from runner.declared import DECLARATION, Understood
from runner.errors import ConfigError
from runner.patterns import MOST_FILES
from runner.policy.information import information
from runner.policy.load import load_policy
from runner.policy.review import broken_by
from runner.policy.schema import Policy
from runner.records import EXECUTABLE, Files

TODO = b"TODO"
RUN, PROGRAM = "run.sh", "program.md"
MARGIN = re.compile(r"by (?:at least|more than) ([0-9.]*[0-9])")
TIE = re.compile(r"within ([0-9.]*[0-9]) of the best")
REVERTED = re.compile(r"\ba tie is reverted", re.IGNORECASE)
"""How the programs that come with the project say what is kept."""


def missing(task: str) -> list[str]:
    """Return one sentence for each thing that a run of this task would miss."""
    try:
        policy = load_policy(paths.policy_path(paths.require_task(task))).policy
        template = paths.template(task)
        if not policy.self_reported:
            paths.require_harness(task)
    except ConfigError as error:
        return str(error).splitlines()
    harness = {} if policy.self_reported else paths.read_tree(paths.task_harness(task))
    found = []
    if policy.task != task:
        found.append(f"policies/{task}.yaml is a policy of {policy.task}")
    if not policy.self_reported and not {DECLARATION, "task.py", "__init__.py"} & set(harness):
        found.append(f"harness/tasks/{paths.task_harness(task).name}/{DECLARATION} is missing")
    patterns, place = policy.patterns, f"workspace-template/{task}"
    ours = (PROGRAM,) if policy.self_reported else (RUN, PROGRAM)
    wanted = (*patterns.absent(template), *(name for name in ours if name not in template))
    found += [f"{place}/{name} is missing" for name in wanted]
    found += [
        f"{place}/{name} lies in the scratch folder {folder}, which is empty in every container"
        for folder in policy.files.scratch for name in template if name.startswith(f"{folder}/")
    ]  # fmt: skip
    if RUN in template and template[RUN].mode != EXECUTABLE:
        found.append(f"{place}/{RUN} is not executable: chmod +x")
    if PROGRAM in template:
        program = template[PROGRAM].content.decode(errors="replace")
        found += [f"{place}/{PROGRAM} {what}" for what in disagreements(policy, program)]
    found += _mutable(policy, template, place)
    if policy.self_reported:  # what it says is the person's own, and it runs as it is
        return found
    return [*found, *_to_do(place, template), *_to_do(f"harness/tasks/{task}", harness)]


def tuned(task: str) -> str:
    """Say how many numbers the agent `tune` would change, and where, or why there are none.

    Raises:
        ConfigError: a comment's range is none.
    """
    policy, template = load_policy(paths.policy_path(task)).policy, paths.template(task)
    return search(template, policy.patterns.among(template)).listed


def undeclared(policy: Policy, found: Understood) -> Iterator[str]:
    """Yield where a policy says otherwise than the declaration of its task."""
    evaluation, metric = policy.evaluation, policy.metric
    for key, said, declared in (
        ("metric.name", metric.name, found.metric),
        ("metric.direction", str(metric.direction), found.direction),
        ("evaluation.predict", ", ".join(evaluation.predict), ", ".join(found.predict)),
    ):
        if said != declared:
            yield f"{key} is {said}, and by the declaration {declared}"
    for key, names, allowed in (
        ("evaluation.splits", evaluation.splits, found.splits),
        ("evaluation.audit_splits", evaluation.audited, found.audit_splits),
    ):
        if odd := [name for name in names if name not in allowed]:
            yield f"{key} names {', '.join(odd)}, and the declaration makes {', '.join(allowed)}"
    if found.shared and len(evaluation.splits) > 1 and not evaluation.shared_targets:
        yield "evaluation.shared_targets is false, and the splits share targets"


def _mutable(policy: Policy, template: Files, place: str) -> Iterator[str]:
    """Yield why agents could not work with the files that they may change."""
    mutable = {name: template[name].content for name in policy.patterns.among(template)}
    if (count := len(mutable)) > MOST_FILES:
        yield f"{place} has {count} mutable files, and at most {MOST_FILES} can be mounted"
    if (held := information(mutable)) > (most := policy.edits.max_information):
        yield f"{place} holds {held} bytes of information, edits.max_information is {most}"
    for broken in broken_by(template, policy):
        yield f"{place}/{broken.path} breaks {broken.rule} of its policy: {broken.message}"


def disagreements(policy: Policy, program: str) -> Iterator[str]:
    """Yield where a program promises to keep what the policy does not, or not what it does."""
    min_gain, simplicity = policy.decision.min_gain, policy.decision.simplicity
    tie = None if simplicity is None else simplicity.tie_within
    for said in MARGIN.findall(program):
        if float(said) != min_gain:
            yield f"says 'by {said}', and decision.min_gain is {min_gain:g}"
    for said in TIE.findall(program):
        if tie is None or float(said) != tie:
            rule = "is absent" if tie is None else f"has {tie:g}"
            yield f"says 'within {said} of the best', and decision.simplicity {rule}"
    if tie is not None and REVERTED.search(program):
        yield f"says that a tie is reverted, and decision.simplicity has {tie:g}"


def _to_do(place: str, files: Files) -> Iterator[str]:
    for name, file in files.items():
        for number, line in enumerate(file.content.splitlines(), start=1):
            if TODO in line:
                yield f"{place}/{name}:{number} still says TODO"
