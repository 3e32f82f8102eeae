"""A template that breaks the rules of its own policy is found before a run, and not by agents."""

from __future__ import annotations

import pytest
from policy_samples import WORKSPACE

from runner import paths
from runner.policy.load import load_policy
from runner.policy.review import broken_by
from runner.records import File


@pytest.mark.parametrize("task", paths.tasks())
def test_no_template_that_ships_breaks_its_policy(task):
    policy = load_policy(paths.policy_path(task)).policy
    assert broken_by(paths.template(task), policy) == ()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        pytest.param(b"import pickle\n", "import-not-allowed", id="an import"),
        pytest.param(b"eval('1')\n", "dynamic-code", id="what a rule forbids"),
        pytest.param(b"x = 1 +\n", "not-python", id="no Python"),
        pytest.param(b"x = 1  # " + b"a" * 450, "line-too-long", id="a long line"),
        pytest.param(b"\xff", "not-utf8", id="no UTF-8"),
    ],
)
def test_what_a_template_breaks_is_named_with_its_file(policy, content, rule):
    files = {**WORKSPACE, "train.py": File(content=content)}
    found = broken_by(files, policy)
    assert (found[0].rule, found[0].path) == (rule, "train.py")


def test_frozen_files_may_hold_what_agents_may_not_write(policy):
    files = {**WORKSPACE, "frozen.py": File(content=b"import os\nos.system('true')\n")}
    assert broken_by(files, policy) == broken_by(WORKSPACE, policy)
