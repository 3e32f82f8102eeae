"""Served models in real containers: two predictors, their sockets, and what becomes of cheats."""

from __future__ import annotations

from typing import Any

import pytest
from homes import write_text

from runner.rooms import PROJECT
from tests.docker.test_scripts import check, entries

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SCRIPT = PROJECT / "tests" / "scripts" / "served.yaml"
POLICY = PROJECT / "tests" / "scripts" / "served-policy.yaml"


@pytest.fixture(scope="module")
def experiments(home, tmp_path_factory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("raw")
    write_text(folder / "words.txt")
    folder.chmod(0o755)
    home.ok("prepare", "nanochat", "--from", str(folder))
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
