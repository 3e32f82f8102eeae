"""The page on forged scores: its loop is fooled as shown, and the review names what it can see."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from runner.paths import PROJECT, read_tree
from runner.policy.load import load_policy
from runner.policy.review import review
from runner.records import Change, Proposal

FORGED = PROJECT / "docs" / "examples" / "forged"
PAGE = (PROJECT / "docs" / "forged-scores.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\$ (python bare_loop\.py .+)\n(.+)$", PAGE, re.MULTILINE)


def test_the_page_shows_an_honest_program_and_every_forgery():
    named = {shlex.split(command)[2] for command, _ in SHOWN}
    assert named == {path.name for path in FORGED.glob("*.py")} - {"bare_loop.py"}


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_the_bare_loop_prints_what_the_page_says(command, output):
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=FORGED, capture_output=True, text=True, check=True)
    assert done.stdout == f"{output}\n"


@pytest.mark.parametrize("name", ["prints", "overwrites", "pickles"])
def test_the_shipped_policy_refuses_three_forgeries_before_they_run(name):
    policy = load_policy(PROJECT / "policies" / "packing.yaml").policy
    files = read_tree(PROJECT / "workspace-template" / "packing")
    change = Change(path="train.py", content=(FORGED / f"{name}.py").read_bytes())
    proposal = Proposal(hypothesis="a forgery", changes=(change,))
    found = review(proposal, policy, files=files, earlier=lambda _: None).violations
    assert {each.rule for each in found} & {"import-not-allowed", "dynamic-code"}
