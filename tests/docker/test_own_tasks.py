"""Tasks of one's own in real containers: a table, a latency, and a share of tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from homes import Home, copied_project, write_text

from runner import engines
from runner.errors import BusyError
from runner.locks import device_lock
from runner.paths import PROJECT, State
from runner.task_check import playing

pytestmark = pytest.mark.docker

EXAMPLES = PROJECT / "docs" / "examples"
SCRIPTS = PROJECT / "tests" / "scripts"


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Iterator[Home]:
    """A copy of the project, as a person has it who adds tasks to it."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    copy = Home(tmp_path_factory.mktemp("own-home"), project=root)
    yield copy
    copy.sweep()


def take(copy: Home, task: str) -> None:
    """Copy an example's parts to where they belong, as the page says."""
    shutil.copytree(EXAMPLES / task, copy.project, dirs_exist_ok=True)


OUR_TEXT = """files:
  - {name: tinyshakespeare.txt, url: null, sha256: null, licence: ours, page: none}
"""


def rows() -> str:
    draw = np.random.default_rng(3)
    lines = ["age,ward,sick"]
    for _ in range(200):
        sick = draw.random() < 0.4
        lines.append(f"{50 + 30 * sick + 8 * draw.normal():.1f},{draw.choice(list('ab'))},{sick}")
    return "\n".join(lines)


def test_a_table_runs_as_it_stands_and_no_cheat_beats_it(copy, tmp_path):
    path = tmp_path / "wards.csv"
    path.write_text(rows())
    copy.ok("new-task", "wards", "--csv", str(path), "--target", "sick", "--folds", "2")
    policy = copy.project / "policies" / "wards.yaml"  # the kernel's caches are other tests' too
    policy.write_text(policy.read_text().replace("flush: null", "flush: false"))
    said = copy.ok("task", "check", "wards", "--quick").splitlines()
    kinds = [line.split()[1] for line in said if line.startswith("ok ")]
    assert kinds == ["rows", "rows", "template", *playing.CHEATS], "of the template and the image"


def test_a_check_that_was_killed_is_in_the_way_of_no_other(copy, tmp_path):
    path = tmp_path / "beds.csv"
    path.write_text(rows())
    copy.ok("new-task", "beds", "--csv", str(path), "--target", "sick", "--folds", "2")
    command = [sys.executable, "-m", "runner", "task", "check", "beds", "--no-cheats"]
    options = {"cwd": copy.project, "env": copy.environment, "stdout": subprocess.PIPE}
    labels = {engines.HOME_LABEL: State(copy.path).id, engines.RUN_LABEL: playing.tag_of("beds")}
    with (
        closing(engines.connect()) as client,
        subprocess.Popen(command, **options) as killed,
    ):
        while not client.leftovers(labels):
            assert killed.poll() is None
        again = copy.runner("task", "check", "beds", "--no-cheats")
        assert again.returncode == BusyError.exit_code
        assert f"process {killed.pid}" in again.stderr
        killed.kill()
        killed.wait()
        assert client.leftovers(labels)
        quick = copy.runner("task", "check", "beds", "--no-cheats", "--quick")
        assert "ok       template" in quick.stdout
        assert "QUICK: one of 2 splits" in quick.stdout
        assert "of training," in quick.stderr
        assert client.leftovers(labels) == []


def test_a_check_waits_for_whoever_has_the_device(copy, monkeypatch):
    monkeypatch.setenv("RUNNER_LOCKS", copy.environment["RUNNER_LOCKS"])
    command = [sys.executable, "-m", "runner", "task", "check", "beds", "--no-cheats"]
    options = {"cwd": copy.project, "env": copy.environment, "text": True}
    with (
        device_lock(["cpu-0"], "nov21", print, threading.Event()),
        subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, **options) as it,
    ):
        said = next(line for line in it.stderr if not line.startswith("time "))
        it.kill()
    assert said.startswith("waiting for device cpu-0, in use by run nov21")


@pytest.mark.alone
def test_shakespeares_template_learns_bytes_and_no_cheat_on_the_wire_beats_it(copy, tmp_path):
    """The task's own check, in a copy whose text is ours and whose training is short."""
    write_text(tmp_path / "tinyshakespeare.txt", words=15)
    tmp_path.chmod(0o755)
    (copy.project / "harness" / "tasks" / "shakespeare" / "raw.yaml").write_text(OUR_TEXT)
    policy = copy.project / "policies" / "shakespeare.yaml"
    text = policy.read_text().replace("train: 30s", "train: 12s")
    policy.write_text(text.replace("clock: null", "clock: wall"))
    copy.ok("prepare", "shakespeare", "--from", str(tmp_path))
    said = [line.split() for line in copy.ok("task", "check", "shakespeare").splitlines()]
    played = {words[1]: words[2:] for words in said if words[0] == "ok"}
    assert list(played) == ["template", *playing.SERVED_CHEATS]
    assert played["template"][0] == "val_bpb"
    # Letters by their frequency alone are 3.4 bits, and words after words 0.4.
    assert 0.4 < float(played["template"][1]) < 3.1
    assert played["unnormalised"][:2] == ["val_bpb", "8,"]
    codes = [played[kind][-1] for kind in playing.SERVED_CHEATS if kind != "unnormalised"]
    assert codes == ["no-connection", "wrong-size", "not-finite", "looks-ahead"]


def play(copy, task: str, script: str) -> list[dict[str, object]]:
    agent = f"stub:{SCRIPTS / script}.yaml"
    copy.ok("run", task, "--tag", script, "--agent", agent)
    return copy.json("list", script)


def test_a_latency_is_the_scorers_and_its_guard_reverts(copy):
    take(copy, "speed")
    copy.ok("prepare", "speed")
    template, faster, guess = play(copy, "speed", "speed")
    assert (faster["status"], guess["status"]) == ("kept", "invalid-outputs")
    assert 0 < faster["score"] < template["score"] - 0.5
    assert guess["score"] is None
    _, careless = play(copy, "speed", "speed-guard")
    assert (careless["status"], careless["rule"]) == ("reverted", "guard:tests")


def test_a_run_stops_when_every_test_passes(copy):
    take(copy, "passing")
    copy.ok("prepare", "passing")
    experiments = play(copy, "passing", "passing")
    assert [one["status"] for one in experiments] == ["kept", "kept"]
    assert experiments[0]["score"] < 0.9
    assert experiments[1]["score"] == 1.0
