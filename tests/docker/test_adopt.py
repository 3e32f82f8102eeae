"""Projects of people, taken in as they are: they run, can change nothing frozen, and are marked."""

from __future__ import annotations

import difflib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Home, copied_project

from runner.records import SELF_REPORTED

pytestmark = pytest.mark.docker

TRAIN = """
import os, sys
from src.model import FACTOR

STEP = 0.5
rows = [float(line) for line in open("data/rows.txt")]
shared = open("../shared/extra.txt").read().strip()
os.makedirs("checkpoints", exist_ok=True)
print("checkpoints", os.listdir("checkpoints"))
open("checkpoints/model.txt", "w").write("weights")
open("src/cache.txt", "w").write("beside the code")
open("log.txt", "w").write("done")
print("extra", shared)
print("seed", os.environ["RUNNER_SEED"], sys.argv[1:])
print(f"epoch 1 val_loss: {sum(rows) * FACTOR * STEP:.3f}")
"""
ATTACK = """
import os, socket
def tried(what, how):
    try:
        how()
        print(what, "WORKED")
    except OSError as error:
        print(what, error.strerror)
tried("write frozen", lambda: open("frozen.py", "w"))
tried("remove frozen", lambda: os.remove("frozen.py"))
tried("replace frozen", lambda: os.replace("train.py", "frozen.py"))
tried("move folder", lambda: os.rename("src", "other"))
tried("write data", lambda: open("data/rows.txt", "a"))
tried("new data", lambda: open("data/more.txt", "w"))
tried("network", lambda: socket.create_connection(("1.1.1.1", 53), 2))
tried("one large file", lambda: open("big", "wb").write(bytes(3 << 20)))
tried("fill the copy", lambda: [open(f"part{n}", "wb").write(bytes(1 << 20)) for n in range(3)])
print("val_loss: 0.001")
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Iterator[Home]:
    """A copy of the runner, as a person has it who takes a project in."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    copy = Home(tmp_path_factory.mktemp("adopt-home"), project=root)
    yield copy
    copy.sweep()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A person's project: a repository with sources in two folders, data beside it and below it."""
    place = tmp_path_factory.mktemp("theirs")
    root = place / "my-model"
    files = {
        "my-model/train.py": TRAIN,
        "my-model/src/model.py": "FACTOR = 2.0\n",
        "my-model/frozen.py": "LIMIT = 1\n",
        "my-model/data/rows.txt": "1\n2\n3\n",
        "my-model/.env": "KEY=secret\n",
        "my-model/.gitignore": "data/\ncheckpoints/\n",
        "shared/extra.txt": "hello\n",
    }
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git = ["git", "-C", str(root), "-c", "user.name=me", "-c", "user.email=me@localhost"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "mine"]):
        subprocess.run([*git, *words], check=True)
    return root


@pytest.fixture(scope="module")
def adopted(copy, theirs) -> str:
    """What was said when it was taken in."""
    line = "python train.py --seed {seed}"
    return copy.ok("adopt", str(theirs), "--run", line, "--metric", "val_loss: {}", "--yes")


def test_a_project_runs_as_it_is_and_says_what_was_understood(adopted):
    said = dict(line.strip().split("  ", 1) for line in adopted.splitlines() if "  " in line)
    assert said["command"] == "python train.py --seed {seed}"
    assert said["may change"] == "train.py, src/model.py"
    assert said["tune"].endswith("train.py:5 STEP = 0.5, src/model.py:1 FACTOR = 2.0")
    assert said["data"] == "../shared/extra.txt (0.0 MB, read-only), data (0.0 MB, read-only)"
    assert ".env: its name says" in said["left at home"]
    assert said["metric"] == "val_loss, less is better: 'val_loss: {}'"
    assert said["first run"].startswith("val_loss 6 in ")
    assert said["believe it?"].startswith("no: SELF-REPORTED")
    assert "wrote policies/my-model.yaml" in adopted


def test_its_secrets_and_its_repository_do_not_travel(adopted, copy):
    folder = copy.project / "workspace-template" / "my-model"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    own = {"train.py", "src/model.py", "frozen.py", ".gitignore"}
    assert found == {*own, "program.md", "LEARNING.md", "scratchpad.md"}


@pytest.fixture(scope="module")
def run(adopted, copy) -> str:
    copy.ok("baseline", "my-model", "--tag", "mine")
    return "mine"


def propose(copy: Home, folder: Path, tag: str, old: str, new: str, why: str) -> None:
    """Hand in a patch that makes another text of `train.py`."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), "a/train.py", "b/train.py"
    )
    (folder / "change.patch").write_text("".join(lines))
    copy.ok("propose", str(folder / "change.patch"), "--tag", tag, "-m", why)


def test_every_view_of_it_says_that_it_is_self_reported(run, copy, theirs, tmp_path):
    before = (theirs / "train.py").read_text()
    half = before.replace("STEP = 0.5", "STEP = 0.25")
    propose(copy, tmp_path, run, before, half, "half of the step")
    for words in (["status"], ["list", run], ["show", "1", run], ["export", run, "--output", "-"]):
        assert "SELF-REPORTED" in copy.ok(*words), words
    assert "SELF-REPORTED" in copy.ok("list")
    assert copy.json("show", "1", run)["self_reported"] is True
    assert copy.json("status", run)["self_reported"] is True
    assert copy.json("status", run)["advisory"] is True
    said = copy.ok("audit", run)
    assert f"{run}: clean records, {SELF_REPORTED}" in said
    repository = copy.path / "runs" / run / "repository.git"
    log = subprocess.run(
        ["git", "--git-dir", repository, "log", "-1", "--format=%B", f"autoresearch/{run}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert SELF_REPORTED in log.stdout
    assert "believe it?  no: SELF-REPORTED" in copy.ok("status", run)


def test_nothing_that_a_run_wrote_reaches_the_next(run, copy):
    for number in ("0", "1"):
        log = copy.ok("show", number, run, "--log")
        assert "checkpoints []" in log
        assert "extra hello" in log


def test_the_draw_reaches_the_command(run, copy):
    [trial, *_] = copy.json("show", "0", run)["trials"]
    assert f"seed {trial['seed']} ['--seed', '{trial['seed']}']" in copy.ok(
        "show", "0", run, "--log"
    )


def test_code_can_forge_its_number_and_change_nothing_else(run, copy, theirs, tmp_path):
    policy = copy.project / "policies" / "my-model.yaml"
    policy.write_text(
        policy.read_text()
        .replace("workspace: 1g", "workspace: 2m")
        .replace("forbid: [dynamic-code, process, network", "forbid: [dynamic-code, process")
        .replace("      - random\n", "      - random\n      - socket\n")
    )
    copy.ok("run", "my-model", "--tag", "attacked", "--experiments", "0")
    propose(copy, tmp_path, "attacked", (theirs / "train.py").read_text(), ATTACK, "print less")
    found = copy.json("show", "1", "attacked")
    assert (found["status"], found["score"]) == ("kept", 0.001)
    assert found["self_reported"] is True
    log = copy.ok("show", "1", "attacked", "--log")
    assert "WORKED" not in log
    assert log.count("Read-only file system") >= 2
    assert log.count("Device or resource busy") >= 2
    assert "network Network is unreachable" in log
    assert "one large file File too large" in log
    assert "fill the copy No space left on device" in log


def test_what_was_kept_goes_home_as_a_branch_and_as_patches(run, copy, theirs, tmp_path):
    said = copy.ok("take", run)
    assert f"1 keep of {run}: branch autoresearch/{run}" in said
    git = ["git", "-C", str(theirs)]
    log = subprocess.run(
        [*git, "log", "-1", "--format=%B", f"autoresearch/{run}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert log.startswith("half of the step\n")
    assert SELF_REPORTED in log
    shown = subprocess.run(
        [*git, "show", f"autoresearch/{run}:train.py"], capture_output=True, text=True, check=True
    ).stdout
    assert "STEP = 0.25" in shown
    assert "STEP = 0.5" in (theirs / "train.py").read_text(), "no work tree is touched"
    copy.ok("take", run, "--patches", str(tmp_path / "patches"))
    [patch] = (tmp_path / "patches").iterdir()
    assert b"+STEP = 0.25" in patch.read_bytes()
    again = copy.runner("take", run)
    assert again.returncode == 2
    assert "has a branch" in again.stderr
