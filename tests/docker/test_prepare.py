"""Preparing eclip's data: once, whole, and again where something is wrong."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Home

from runner.paths import PROJECT

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Iterator[Home]:
    """A state folder that these tests may damage."""
    own = Home(tmp_path_factory.mktemp("own"))
    own.ok("prepare", "eclip", "--seed", "7")
    yield own
    own.sweep()


def public(home: Home) -> Path:
    return home.path / "data" / "eclip"


def digests(home: Home) -> dict[str, str]:
    return {
        str(path.relative_to(public(home))): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(public(home).rglob("*"))
        if path.is_file()
    }


def test_a_second_call_does_nothing(own):
    before = {path: path.stat().st_mtime_ns for path in public(own).rglob("*")}
    said = own.ok("prepare", "eclip")
    assert "preparing" not in said
    assert {path: path.stat().st_mtime_ns for path in public(own).rglob("*")} == before


def test_the_same_seed_gives_the_same_bytes(own, home):
    assert digests(own) == digests(home)


def test_a_picture_of_samples_lies_beside_the_public_data(own):
    assert (public(own) / "samples.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "truncated"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x00"), "altered"),
        (lambda path: path.unlink(), "missing"),
    ],
)
def test_a_damaged_file_is_named_and_rebuilt(own, damage, word):
    before = digests(own)
    damage(public(own) / "train" / "images.npy")
    said = own.ok("prepare", "eclip")
    assert "train/images.npy" in said
    assert word in said
    assert digests(own) == before


def test_force_draws_a_new_seed(own):
    before = digests(own)
    own.ok("prepare", "eclip", "--force")
    assert digests(own)["train/images.npy"] != before["train/images.npy"]


def test_a_killed_preparation_can_be_done_again(own):
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "prepare", "eclip", "--force"],
        cwd=PROJECT,
        env=own.environment,
        stdout=subprocess.DEVNULL,
    )
    label = "label=runner.data=eclip"
    until = time.monotonic() + 30
    while not subprocess.check_output(["docker", "ps", "-q", "--filter", label]):
        assert time.monotonic() < until
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    own.ok("prepare", "eclip")
    assert own.ok("prepare", "eclip").count("preparing") == 0


def test_a_run_does_not_go_on_with_other_data(own):
    own.ok("run", "eclip", "--tag", "before", "--experiments", "0", *QUICK)
    own.ok("prepare", "eclip", "--force")
    done = own.runner("run", "--resume", "before", "--experiments", "0")
    assert done.returncode == 2
    assert "the data of eclip is not what before was created with" in done.stderr


def test_a_folder_that_was_moved_keeps_its_data_and_a_copy_of_it_takes_nothing(own):
    there = Home(own.path.with_name("moved to here"))
    own.path.rename(there.path)
    try:
        assert "preparing" not in there.ok("prepare", "eclip")
        copy = Home(Path(shutil.copytree(there.path, there.path.with_name("copy"))))
        for verb in (["prepare", "eclip"], ["clean"], ["run", "eclip", "--experiments", "0"]):
            refused = copy.runner(*verb)
            assert refused.returncode == 2
            assert f"is a copy of {there.path}" in refused.stderr
    finally:
        there.path.rename(own.path)
    assert "preparing" not in own.ok("prepare", "eclip")


def test_data_whose_sealed_volume_is_gone_are_not_made_anew_unasked(own):
    before = digests(own)
    own.sweep()
    for verb in (["prepare", "eclip"], ["run", "eclip", "--experiments", "0"]):
        refused = own.runner(*verb)
        assert refused.returncode == 7
        assert "is not on this engine" in refused.stderr
    assert digests(own) == before
    own.ok("prepare", "eclip", "--force")


QUICK = ("--policy", str(PROJECT / "tests" / "scripts" / "quick-policy.yaml"))
