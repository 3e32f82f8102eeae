"""The templates of packing, cifar10 and eclip-ukiyo: small programs that their policies allow."""

from __future__ import annotations

import re

import pytest

from runner import paths
from runner.policy.load import load_policy
from runner.policy.review import review
from runner.records import Change, Proposal

TASKS = ("cifar10", "eclip-ukiyo", "packing")
TUNE = re.compile(r"(?m)^([A-Z_]+) = (\S+)  # tune: (\S+)\.\.(\S+?)( log)?(?:\s|$)")


def source(task: str) -> str:
    return paths.template(task)["train.py"].content.decode()


@pytest.mark.parametrize("task", TASKS)
def test_a_template_is_small_enough_to_read(task):
    assert len(source(task).encode()) <= 16_000
    assert max(map(len, source(task).splitlines())) <= 100


@pytest.mark.parametrize("task", TASKS)
def test_every_tuned_constant_lies_in_its_range(task):
    found = TUNE.findall(source(task))
    assert len(found) == source(task).count("# tune:") >= 5
    for _name, value, low, high, log in found:
        assert float(low) <= float(value) <= float(high)
        assert float(low) > 0 or not log


@pytest.mark.parametrize("task", TASKS)
def test_a_change_of_one_constant_passes_the_tasks_own_review(task):
    """So the template itself imports, calls and holds nothing that its policy forbids."""
    template = paths.template(task)
    name, value, low, _high, _log = TUNE.findall(source(task))[0]
    changed = source(task).replace(f"{name} = {value} ", f"{name} = {low} ")
    assert changed != source(task)
    proposal = Proposal(
        hypothesis="lower", changes=(Change(path="train.py", content=changed.encode()),)
    )
    policy = load_policy(paths.policy_path(task)).policy
    assert review(proposal, policy, files=template, earlier=lambda _: None).violations == ()


@pytest.mark.parametrize("task", TASKS)
def test_the_rooms_are_complete(task):
    assert paths.require_task(task) == task
    template = paths.template(task)
    assert {"train.py", "run.sh", "program.md", "scratchpad.md"} <= template.keys()
    assert template["run.sh"].mode == 0o100755


def test_a_dash_in_a_tasks_name_is_an_underscore_in_its_package():
    assert paths.task_harness("eclip-ukiyo").name == "eclip_ukiyo"
    assert paths.task_harness("eclip-ukiyo").is_dir()
