"""The template stays a program that the policy allows and `tune` can read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import harness.verbs

TEMPLATE = Path(harness.verbs.__file__).parents[1] / "workspace-template" / "eclip"
SOURCE = (TEMPLATE / "train.py").read_text()
TREE = ast.parse(SOURCE)
TUNE = re.compile(r"(?m)^([A-Z_]+) = (\S+)  # tune: (\S+)\.\.(\S+?)( log)?(?:\s|$)")


def test_it_is_small_enough_to_read():
    assert len(SOURCE.encode()) <= 16_000
    assert max(map(len, SOURCE.splitlines())) <= 100


def test_it_imports_only_what_any_policy_would_allow():
    imported = {
        alias.name.split(".")[0] if isinstance(node, ast.Import) else str(node.module).split(".")[0]
        for node in ast.walk(TREE)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {"kit", "math", "numpy", "random", "sys", "torch"}


def test_the_first_constant_is_the_originals_fault():
    first = next(node for node in TREE.body if isinstance(node, ast.Assign))
    assert ast.unparse(first) == "LOGIT_SCALE_MAX = 2.0"


def test_every_tuned_constant_lies_in_its_range():
    found = TUNE.findall(SOURCE)
    assert found[0][:4] == ("LOGIT_SCALE_MAX", "2.0", "1", "200")
    assert len(found) == SOURCE.count("# tune:") >= 8
    for _name, value, low, high, log in found:
        assert float(low) <= float(value) <= float(high)
        assert float(low) > 0 or not log


@pytest.mark.parametrize("name", ["train.py", "run.sh", "program.md", "scratchpad.md"])
def test_the_room_is_complete(name):
    assert (TEMPLATE / name).is_file()


def test_run_sh_may_be_run():
    assert (TEMPLATE / "run.sh").stat().st_mode & 0o777 == 0o755
