"""packing, cifar10 and eclip-ukiyo, each from its raw files to a score in real containers.

Small data in the official formats, seconds of training, and one split of each.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner import paths

sys.path.append(str(paths.PROJECT / "tests" / "harness"))
import photographs
import prints_folder

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

CIRCLES = """
import kit, numpy
centers = numpy.random.default_rng(0).uniform(0.3, 0.7, (26, 2))
kit.outputs.save("centers", centers)
kit.outputs.save("radii", numpy.full(26, {radius}))
"""


def small_policy(task: str, folder: Path, *, train: str, **evaluation: Any) -> Path:
    """Write the task's own policy with a shorter training and, perhaps, other splits.

    The kernel's caches, which are other tests' too, are left alone.
    """
    policy = yaml.safe_load(paths.policy_path(task).read_text())
    policy["resources"]["flush"] = False
    policy["budget"] |= {"startup": "20s", "train": train, "clock": "wall"}
    policy["evaluation"] |= evaluation
    policy["decision"] |= {"rule": "strict", "false_keeps": None, "most_trials": 1}
    path = folder / f"{task}.yaml"
    path.write_text(yaml.safe_dump(policy))
    return path


def play(home, task: str, policy: Path, script: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run the baseline and a script, and return every experiment."""
    played = policy.with_name(f"{task}-script.yaml")
    played.write_text(yaml.safe_dump(script))
    home.ok("run", task, "--tag", task, "--agent", f"stub:{played}", "--policy", str(policy))
    assert home.runner("audit", task).returncode == 0
    return home.json("list", task)


def audits(experiment: dict[str, Any]) -> list[dict[str, Any]]:
    return [trial for trial in experiment["trials"] if trial["purpose"] == "audit"]


def rewrite(hypothesis: str, text: str) -> dict[str, Any]:
    return {"hypothesis": hypothesis, "changes": [{"path": "train.py", "text": text}]}


def test_packing_is_scored_without_predictors_and_without_an_audit(home, tmp_path):
    home.ok("prepare", "packing")
    script = [
        rewrite("large circles that overlap", CIRCLES.format(radius="0.2")),
        rewrite("no number", CIRCLES.format(radius="numpy.nan")),
        rewrite("nothing at all", "print('done')\n"),
    ]
    policy = small_policy("packing", tmp_path, train="3s")
    baseline, *cheats = play(home, "packing", policy, script)
    assert baseline["status"] == "kept"
    assert 2.5 < baseline["score"] < 2.636
    assert audits(baseline) == []
    assert [found["reason"] for found in cheats] == [
        "centers.npy: overlapping",
        "radii.npy: not-finite",
        "centers.npy: missing",
    ]
    assert all(found["status"] == "invalid-outputs" for found in cheats)
    assert "none: the locked part was not scored" in home.ok("status", "packing")


def test_cifar10_learns_from_official_batches_and_is_audited_on_the_test_batch(home, tmp_path):
    photographs.write(tmp_path, {"data_batch_1": 1000, "test_batch": 200})
    home.ok("prepare", "cifar10", "--from", str(tmp_path), "--seed", "7")
    policy = small_policy("cifar10", tmp_path, train="12s")
    script = [rewrite("the same score for all", CONSTANT), rewrite("a row less", ONE_ROW_LESS)]
    baseline, constant, shorter = play(home, "cifar10", policy, script)
    [audit] = audits(baseline)
    assert baseline["score"] < 0.7  # chance is 0.9, and the cores may be busy
    assert audit["metrics"]["error_rate"] < 0.7
    assert (constant["status"], constant["score"]) == ("reverted", 1.0)
    assert (shorter["status"], shorter["reason"]) == (
        "invalid-outputs",
        "images/scores.npy: wrong-shape",
    )


PREDICT_ONLY = """
import sys
import kit, numpy
if sys.argv[1] == "predict":
    rows = len(kit.inputs.load("images"))
    kit.outputs.save("scores", numpy.ones((rows{fewer}, 10), numpy.float32))
"""
CONSTANT, ONE_ROW_LESS = PREDICT_ONLY.format(fewer=""), PREDICT_ONLY.format(fewer=" - 1")


def test_eclip_ukiyo_learns_from_the_official_folder_and_is_audited_on_locked_prints(
    home, tmp_path
):
    raw = tmp_path / "raw"
    prints_folder.write(raw / "Ukiyo-eVG", {"train": 220, "val": 20, "test": 40})
    home.ok("prepare", "eclip-ukiyo", "--from", str(raw), "--seed", "7")
    policy = small_policy("eclip-ukiyo", tmp_path, train="16s", splits=["fold1"])
    [baseline] = play(home, "eclip-ukiyo", policy, [])
    [audit] = audits(baseline)
    assert (audit["split"], baseline["status"]) == ("full", "kept")
    assert 0 < baseline["score"] < 0.9 * (80 - 1) / 2  # chance is half of the other prints
    assert 0 < audit["metrics"]["mean_rank"] < 40


def test_a_print_without_its_image_stops_the_preparation_by_name(home, tmp_path):
    raw = tmp_path / "raw"
    prints_folder.write(raw)
    (raw / "images" / "test0003.jpg").unlink()
    failed = home.runner("prepare", "eclip-ukiyo", "--from", str(raw), "--force")
    assert failed.returncode != 0
    assert "exit 5): there is no images/test0003.jpg among the raw files" in failed.stderr
    raw.chmod(0o700)
    failed = home.runner("prepare", "eclip-ukiyo", "--from", str(raw), "--force")
    assert "hint: open it for reading: chmod -R a+rX" in failed.stderr
