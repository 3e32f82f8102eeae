"""What a run of a sealed task kept goes home to a repository that knows nothing of sealing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.records import Change, File
from runner.take import SEALING, as_branch, as_patches, sealing
from runner.workspace import Workspace

HYPOTHESIS = "[lr] Re: a larger step"
WHEN = "2025-11-21T04:00:00.000+00:00"
OWN = {
    "train.py": File(content=b"LR = 1\nfit(LR)\nprint('loss')\n"),
    "run.sh": File(content=b"the project's own\n"),
}
NOTES = {"program.md": File(content=b"goal"), "LEARNING.md": File(content=b"")}
SEALED = {
    **NOTES,
    "train.py": File(content=OWN["train.py"].content + b"save()\n"),
    "predict.py": File(content=b"def predict(rows): ...\n"),
    "names.json": File(content=b"[]"),
    "run.sh": File(content=b"ours\n"),
    "run.project.sh": OWN["run.sh"],
}


@pytest.fixture
def run(tmp_path) -> tuple[Workspace, str]:
    """A run of the sealed task that kept a change of both files, and what it began with."""
    made = Workspace.create(
        tmp_path / "run.git", "t1", template=SEALED, harness={"a.py": File(content=b"")}, when=WHEN
    )
    changes = [
        Change(path="train.py", content=b"LR = 2\nfit(LR)\nprint('loss')\nsave()\nmore()\n"),
        Change(path="predict.py", content=b"def predict(rows): return rows\n"),
    ]
    base = made.head()
    attempt = made.attempt(1, base, changes, HYPOTHESIS, WHEN)
    made.keep(attempt, base, HYPOTHESIS, WHEN)
    return made, base


@pytest.fixture
def home(tmp_path) -> Path:
    """The person's repository."""
    root = tmp_path / "theirs"
    root.mkdir()
    for name, file in OWN.items():
        (root / name).write_bytes(file.content)
    git(root, "init", "-q")
    git(root, "config", "user.name", "me")
    git(root, "config", "user.email", "me@localhost")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "mine")
    return root


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", root, *words], check=True, capture_output=True, text=True)
    return done.stdout


def test_what_sealing_added_comes_before_the_keeps(run, home, tmp_path):
    workspace, base = run
    first = sealing({**OWN, **NOTES}, workspace.files(base), WHEN)
    taken = as_branch(workspace, base, home, "autoresearch/t1", first)
    assert taken.count == 1
    log = git(home, "log", "--format=%s", "autoresearch/t1").splitlines()
    assert log == [HYPOTHESIS, SEALING, "mine"]
    assert git(home, "show", "autoresearch/t1:predict.py").endswith("return rows\n")
    assert git(home, "show", "autoresearch/t1:train.py").startswith("LR = 2\n")
    assert git(home, "show", "autoresearch/t1:run.sh") == "the project's own\n"
    names = git(home, "ls-tree", "--name-only", "autoresearch/t1").split()
    assert names == ["predict.py", "run.sh", "train.py"]
    as_patches(workspace, base, tmp_path / "patches", first)
    assert len(list((tmp_path / "patches").iterdir())) == 2


def test_where_sealing_changed_nothing_there_is_no_commit_of_it():
    assert sealing({**OWN, **NOTES}, {**OWN, "names.json": SEALED["names.json"]}, WHEN) == []


@pytest.mark.parametrize("name", ["a..b", "-D", "autoresearch/t1"])
def test_a_branch_that_cannot_be_is_no_fault_of_the_changes(run, home, name):
    git(home, "branch", "autoresearch")
    workspace, base = run
    first = sealing({**OWN, **NOTES}, workspace.files(base), WHEN)
    with pytest.raises(ConfigError, match=f"{name} is no name|no branch {name}") as refused:
        as_branch(workspace, base, home, name, first)
    assert refused.value.hint == "--branch NAME"
    assert git(home, "worktree", "list").count("\n") == 1


def test_changes_that_do_not_fit_are_said_to(run, home):
    (home / "train.py").write_text("another\n")
    git(home, "commit", "-qam", "moved on")
    with pytest.raises(ConfigError, match="do not fit"):
        as_branch(*run, home, "kept")
    assert "kept" not in git(home, "branch")


@pytest.mark.parametrize("wish", ["fix", "error"])
def test_what_was_kept_arrives_byte_for_byte(home, tmp_path, wish):
    workspace = Workspace.create(tmp_path / "run.git", "t1", template=OWN, harness={}, when=WHEN)
    base, spaces = workspace.head(), b"LR = 2   \n"
    attempt = workspace.attempt(1, base, [Change(path="train.py", content=spaces)], "two", WHEN)
    workspace.keep(attempt, base, "two", WHEN)
    git(home, "config", "apply.whitespace", wish)
    as_branch(workspace, base, home, "kept")
    assert git(home, "show", "kept:train.py").encode() == spaces


def test_git_s_own_words_say_why_a_repository_is_none(run, home, tmp_path):
    with pytest.raises(ConfigError, match="that git reads: git: fatal: not a git repository"):
        as_branch(*run, tmp_path, "kept")
    (home / ".git" / "config").write_text("[core]\nrepositoryformatversion = 99\n")
    with pytest.raises(ConfigError, match=r"that git reads: .*version"):
        as_branch(*run, home, "kept")


def test_a_repository_without_a_commit_is_said_to_have_none(run, tmp_path):
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(ConfigError, match="has no commit"):
        as_branch(*run, tmp_path / "empty", "kept")
