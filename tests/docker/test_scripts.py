"""The CI smoke test: the stub agent plays the fence and the wall against the real thing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from homes import Home, copied_project, decides_on_one_trial

from runner.paths import PROJECT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

SCRIPTS = PROJECT / "tests" / "scripts"
STEADY = {
    "while not deadline.expired():": "while step < 80:",
    "learning_rate(step, deadline.fraction())": "learning_rate(step, step / 80)",
    "LOGIT_SCALE_MAX = 2.0": "LOGIT_SCALE_MAX = 0.2",
}


def entries(script: str) -> list[Any]:
    listed = yaml.safe_load((SCRIPTS / f"{script}.yaml").read_text())
    return [
        pytest.param(number, entry["expect"], id=entry["hypothesis"] or "no hypothesis")
        for number, entry in enumerate(listed, start=1)
    ]


def play(home, script: str, *options: str) -> list[dict[str, Any]]:
    home.ok("run", "eclip", "--tag", script, "--agent", f"stub:{SCRIPTS / script}.yaml", *options)
    return home.json("list", script)


@pytest.fixture(scope="module")
def fence(home, tmp_path_factory) -> list[dict[str, Any]]:
    """Play it under the policy that ships, with one trial for the template: it is all that runs."""
    path = tmp_path_factory.mktemp("policy") / "eclip.yaml"
    text = (PROJECT / "policies" / "eclip.yaml").read_text()
    # The kernel's caches are other tests' too.
    assert text.count("  flush: true ") == 1
    path.write_text(text.replace("  flush: true ", "  flush: false "))
    decides_on_one_trial(path)
    return play(home, "fence", "--policy", str(path), "--train-seconds", "4")


@pytest.fixture(scope="module")
def steady(home, tmp_path_factory) -> Home:
    """A copy whose template ends after so many steps, and whose fault is ten times as bad.

    What a few seconds teach hangs on the machine and its load, and the fault as it is costs about
    two standard deviations of a seed. This one: 56 to 103 against 20 to 29 without it, nine seeds.
    """
    root = copied_project(tmp_path_factory.mktemp("project"))
    train = root / "workspace-template" / "eclip" / "train.py"
    text = train.read_text()
    for old, new in STEADY.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    train.write_text(text)
    return replace(home, project=root)


@pytest.fixture(scope="module")
def wall(steady) -> list[dict[str, Any]]:
    return play(steady, "wall", "--policy", str(SCRIPTS / "wall-policy.yaml"))


def said(experiment: dict[str, Any]) -> dict[str, Any]:
    """Return what an entry may expect, from the experiment and its last trial."""
    trials = [trial for trial in experiment["trials"] if trial["purpose"] == "decision"]
    trial = trials[-1] if trials else {}
    crash = trial.get("crash") or {}
    return {
        "status": experiment["status"],
        "rule": experiment["rule"],
        "reason": experiment["reason"],
        "stage": trial.get("stage"),
        "limit": trial.get("limit"),
        "exception": crash.get("exception"),
        "self_modified": trial.get("self_modified"),
    }


def check(experiment: dict[str, Any], expect: dict[str, Any]) -> None:
    found = said(experiment)
    reason = expect.get("reason", "")
    assert reason in found["reason"]
    assert {key: found[key] for key in expect if key != "reason"} == {
        key: value for key, value in expect.items() if key != "reason"
    }, found["reason"]


@pytest.mark.parametrize(("number", "expect"), entries("fence"))
def test_the_fence_refuses(fence, number, expect):
    check(fence[number], expect)


@pytest.mark.parametrize(("number", "expect"), entries("wall"))
def test_the_wall_holds(wall, number, expect):
    check(wall[number], expect)


def test_the_template_of_eclip_retrieves_far_better_than_chance(fence):
    """Chance is 499.5 of 1,000; four seconds on a quiet machine teach it to 50 and less."""
    trials = {trial["purpose"]: trial["metrics"] for trial in fence[0]["trials"]}
    assert 0 < fence[0]["score"] < 150
    assert 0 < trials["audit"]["mean_rank"] < 150


def test_a_refusal_runs_no_container_and_keeps_its_diff(fence):
    refused = [found for found in fence if found["status"] == "refused"]
    assert refused
    assert all(found["trials"] == [] for found in refused)
    assert all(found["attempt_commit"] for found in refused)


def test_nothing_that_is_not_scored_has_a_score(wall):
    unscored = [found for found in wall if found["status"] not in ("kept", "reverted")]
    assert unscored
    assert all(found["score"] is None and found["gain"] is None for found in unscored)


def test_an_endless_loop_is_killed_within_a_second_of_its_deadline(wall):
    [late] = [found for found in wall if found["status"] == "timeout"]
    [trial] = late["trials"]
    policy_seconds = 20 + 15  # startup and train of the wall's policy
    assert policy_seconds <= trial["wall_seconds"] < policy_seconds + 5


@pytest.mark.parametrize("script", ["fence", "wall"])
def test_the_records_of_both_scripts_are_clean(home, fence, wall, script):
    audit = home.runner("audit", script)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_crash_exports_an_empty_field_and_never_zero(home, wall):
    rows = home.ok("export", "wall", "--output", "-").splitlines()
    heading = rows[0].split("\t")
    assert heading == ["commit", "mean_rank", "memory_gb", "status", "description"]
    crashed = [row.split("\t") for row in rows if "\tcrashed\t" in row]
    assert crashed
    assert all(row[1] == "" for row in crashed)


def test_what_containers_printed_is_kept_for_the_person(home, wall):
    flood = next(n for n, found in enumerate(wall) if found["hypothesis"] == "an output flood")
    [log] = list((home.path / "runs" / "wall" / "logs" / f"{flood:04d}").glob("*train.log"))
    assert Path(log).stat().st_size == 1024**2  # the cap of the wall's policy
