"""What a program promises, its policy keeps: the programs of the project and of a new task."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner import paths
from runner.paths import PROJECT
from runner.policy import Policy, load_policy, parse_policy
from runner.task_check.reading import MARGIN, REVERTED, TIE, disagreements

EXAMPLES = sorted(
    path for path in (PROJECT / "docs" / "examples").iterdir() if (path / "policies").is_dir()
)
PROGRAMS: dict[str, tuple[Path, Path]] = {
    task: (paths.policy_path(task), PROJECT / "workspace-template" / task / "program.md")
    for task in paths.tasks()
} | {
    folder.name: (
        folder / "policies" / f"{folder.name}.yaml",
        folder / "workspace-template" / folder.name / "program.md",
    )
    for folder in EXAMPLES
}


def read(task: str) -> tuple[Policy, str]:
    policy, program = PROGRAMS[task]
    return load_policy(policy).policy, program.read_text(encoding="utf-8")


@pytest.mark.parametrize("task", PROGRAMS)
def test_a_program_names_the_gain_that_is_kept_and_what_becomes_of_a_tie(task):
    policy, program = read(task)
    needed = [policy.decision.min_gain] if policy.decision.min_gain else []
    assert [float(said) for said in MARGIN.findall(program)] == needed
    if policy.decision.simplicity is None:
        assert REVERTED.search(program)
    else:
        assert float(TIE.findall(program)[0]) == policy.decision.simplicity.tie_within
    assert list(disagreements(policy, program)) == []


@pytest.mark.parametrize("task", PROGRAMS)
def test_a_program_promises_nothing_for_shorter_code_that_the_policy_does_not_keep(task):
    policy, program = read(task)
    if policy.decision.simplicity is None:
        for promise in ("always is", "no gain with less code", "No gain but simpler"):
            assert promise not in program


@pytest.mark.parametrize("task", PROGRAMS)
def test_a_program_tells_of_curves_where_they_come_back(task):
    policy, program = read(task)
    if "You get back" in program:
        back = program.partition("You get back")[2].partition("\n")[0]
        assert ("curves" in back) <= (not policy.evaluation.shared_targets)
        assert ("its type and line" in back) == policy.evaluation.shared_targets


@pytest.mark.parametrize("task", paths.tasks())
def test_a_program_calls_noise_only_what_the_policy_does_not_keep(task):
    policy, program = read(task)
    assert "is noise" not in program
    if policy.stop_at is not None:
        assert f"stops by itself at {policy.stop_at:g}" in program
    assert "If it is probably better than the best so far" in program


@pytest.mark.parametrize("task", paths.tasks())
def test_a_program_names_the_files_that_may_be_changed(task):
    policy, program = read(task)
    can = program.partition("## You CAN")[2].partition("## You CANNOT")[0]
    for path in (*policy.files.mutable, *policy.files.notes):
        assert f"`{path}`" in can


@pytest.mark.parametrize(
    ("rule", "program", "found"),
    [
        ("min_gain: 0.5", "beats it by at least 0.5, a tie is reverted", ""),
        ("min_gain: 0.5", "beats it by at least 0.50; nothing on ties", ""),
        ("min_gain: 0.5", "says nothing of all this", ""),
        ("min_gain: 0.5", "beats it by at least 0.05.", "decision.min_gain is 0.5"),
        ("min_gain: 0.5", "so is a score within 0.1 of the best", "simplicity is absent"),
        (
            "min_gain: 0.5, simplicity: {tie_within: 0.1}",
            "by at least 0.5; so is a score within 0.1 of the best",
            "",
        ),
        (
            "min_gain: 0.5, simplicity: {tie_within: 0.1}",
            "so is a score within 0.2 of the best",
            "simplicity has 0.1",
        ),
        (
            "min_gain: 0.5, simplicity: {tie_within: 0.1}",
            "A tie is reverted.",
            "a tie is reverted, and",
        ),
    ],
)
def test_a_check_of_a_task_finds_where_its_program_and_its_policy_disagree(rule, program, found):
    text = (PROJECT / "docs/examples/points/policies/points.yaml").read_text(encoding="utf-8")
    policy = parse_policy(text.replace("min_gain: 0.01", rule)).policy
    said = list(disagreements(policy, program))
    assert len(said) == bool(found)
    assert all(found in each for each in said)
