"""Served models in real containers: two predictors, their sockets, and what becomes of cheats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from homes import Home, copied_project, write_text

from runner.paths import PROJECT
from tests.docker.test_scripts import check, entries

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SCRIPT = PROJECT / "tests" / "scripts" / "served.yaml"
POLICY = PROJECT / "tests" / "scripts" / "served-policy.yaml"


@pytest.fixture(scope="module")
def prepared(home, tmp_path_factory) -> Home:
    folder = tmp_path_factory.mktemp("raw")
    write_text(folder / "words.txt")
    folder.chmod(0o755)
    home.ok("prepare", "nanochat", "--from", str(folder))
    return home


@pytest.fixture(scope="module")
def experiments(prepared) -> list[dict[str, Any]]:
    home = prepared
    options = ["--policy", str(POLICY), "--agent", f"stub:{SCRIPT}"]
    home.ok("run", "nanochat", "--tag", "served", *options)
    found: list[dict[str, Any]] = home.json("list", "served")
    return found


@pytest.mark.parametrize(("number", "expect"), entries("served"))
def test_a_served_model_gets_what_it_earned(experiments, number, expect):
    check(experiments[number], expect)


def test_the_template_is_scored_by_the_scorer_s_own_arithmetic(experiments):
    trials = {trial["purpose"]: trial for trial in experiments[0]["trials"]}
    for trial in trials.values():
        metrics = trial["metrics"]
        assert 0.4 < metrics["val_bpb"] < 1.8  # knowing nothing is 1.95, words after words 0.4
        assert metrics["scored_tokens"] == 16_384
        assert metrics["probed_prefixes"] == 384
        assert metrics["lookahead_rms_bpb"] < metrics["lookahead_tolerance_bpb"] / 10
    assert set(trials) == {"decision", "audit"}


def test_models_are_served_under_runsc_through_the_same_sockets(prepared, tmp_path):
    """The template is the honest bigram, which imports nothing that is slow to start there."""
    root = copied_project(tmp_path / "project")
    bigram = (SCRIPT.parent / "served" / "bigram.py").read_text()
    template = root / "workspace-template" / "nanochat" / "train.py"
    template.write_text(f"CHEAT = 'searches'\n{bigram}")
    policy, script = root / "policy.yaml", root / "script.yaml"
    policy.write_text(POLICY.read_text().replace("flush: null}", "flush: null, runtime: runsc}"))
    cheat = {"path": "train.py", "replace": {"old": "'searches'", "new": "'looks ahead'"}}
    script.write_text(yaml.safe_dump([{"hypothesis": "looks ahead", "changes": [cheat]}]))
    own = replace(prepared, project=root)
    options = ["--policy", str(policy), "--agent", f"stub:{script}"]
    own.ok("run", "nanochat", "--tag", "served-runsc", *options)
    honest, ahead = own.json("list", "served-runsc")
    check(honest, {"status": "kept"})
    check(ahead, {"status": "invalid-outputs", "stage": "score", "reason": "a: looks-ahead"})
