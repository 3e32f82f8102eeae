"""The templates of heart and tabular stay programs that their policies allow and people read."""

from __future__ import annotations

import ast
import re

import pytest

from runner import paths
from runner.policy.load import load_policy
from runner.policy.review import review
from runner.records import Change, Proposal

TUNE = re.compile(r"(?m)^([A-Z_0-9]+) = (\S+)  # tune: (\S+)\.\.(\S+?)( log)?(?:\s|$)")
TASKS = ("heart", "tabular")


@pytest.mark.parametrize("task", TASKS)
def test_the_policy_is_valid_and_the_room_complete(task):
    policy, template = load_policy(paths.policy_path(task)).policy, paths.template(task)
    assert policy.task == task
    assert {*policy.files.mutable, *policy.files.notes, "main.py", "program.md"} <= set(template)
    assert template["run.sh"].mode == 0o100755


@pytest.mark.parametrize("task", TASKS)
def test_a_small_change_of_every_mutable_file_passes_the_review(task):
    policy, template = load_policy(paths.policy_path(task)).policy, paths.template(task)
    changes = tuple(
        Change(path=name, content=template[name].content + b"\n\nX = 1\n")
        for name in policy.files.mutable
    )
    proposal = Proposal(hypothesis="one more constant", changes=changes)
    assert review(proposal, policy, files=template, earlier=lambda _: None).violations == ()


@pytest.mark.parametrize("task", TASKS)
def test_tuned_constants_lie_in_their_ranges_and_the_first_mutable_file_has_some(task):
    policy, template = load_policy(paths.policy_path(task)).policy, paths.template(task)
    sources = [template[name].content.decode() for name in policy.files.mutable]
    assert "# tune:" in sources[0]
    for source in sources:
        found = TUNE.findall(source)
        assert len(found) == source.count("# tune:")
        for _name, value, low, high, log in found:
            assert float(low) <= float(value) <= float(high)
            assert float(low) > 0 or not log


def test_heart_keeps_the_originals_shape():
    tree = ast.parse(paths.template("heart")["train.py"].content)
    functions = {
        node.name: [one.arg for one in node.args.args]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    assert functions == {"feature_fn": ["X"], "build_pipeline": []}
    assert any(
        isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HYPOTHESIS"
        for node in tree.body
    )
