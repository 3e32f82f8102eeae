"""`--base REV`: what an ordinary repository changes, and that nothing in it runs meanwhile."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes import POLICY_TEXT

from runner.audit import objects
from runner.audit.findings import CannotCheckError, Report
from runner.audit.pull_request import audit_changes

TRAIN = "workspace-template/eclip/train.py"
NOTES = "workspace-template/eclip/scratchpad.md"
RUN = "workspace-template/eclip/run.sh"


@dataclass(frozen=True)
class Repository:
    """An ordinary repository with a branch `main`, and a branch `work` checked out."""

    root: Path

    def git(self, *args: str) -> str:
        settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", *settings, *args]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "LC_ALL": "C"}
        done = subprocess.run(
            command, cwd=self.root, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, path: str, content: str = "changed\n", mode: int = 0o644) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        place.chmod(mode)

    def link(self, path: str, target: str) -> None:
        (self.root / path).unlink(missing_ok=True)
        (self.root / path).symlink_to(target)

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def audit(self, rev: str = "main") -> Report:
        return audit_changes(self.root, rev)

    def found(self) -> list[tuple[str, str, str]]:
        return [(each.rule, each.file, each.commit or "") for each in self.audit().findings]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.root.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    made.write("policies/eclip.yaml", POLICY_TEXT)
    made.write("policies/policy.schema.json", "{}")
    made.write("runner/decision.py")
    made.write(".gitignore", "state/\n")
    for path in (TRAIN, NOTES):
        made.write(path, "first\n")
    made.write(RUN, mode=0o755)
    made.commit()
    made.git("switch", "--quiet", "-c", "work")
    return made


def test_edits_of_mutable_files_and_notes_are_clean(repository: Repository) -> None:
    repository.write(TRAIN)
    repository.commit()
    repository.write(NOTES)
    repository.git("add", NOTES)
    repository.write(TRAIN, "again\n")
    report = repository.audit()
    assert report.lines == [
        "changes since main: clean (examined committed files: 1, staged files: 1, "
        "files of the working tree: 1)"
    ]


def test_what_main_did_since_is_not_held_against_it(repository: Repository) -> None:
    repository.git("switch", "--quiet", "main")
    repository.write("runner/decision.py", "theirs\n")
    repository.commit()
    repository.git("switch", "--quiet", "work")
    assert repository.audit().clean


Change = Callable[[Repository], object]
FORBIDDEN = [
    pytest.param(lambda r: r.write("runner/decision.py", "x"), "frozen-file", id="the runner"),
    pytest.param(lambda r: r.write(RUN, "x", mode=0o755), "frozen-file", id="a frozen file"),
    pytest.param(lambda r: r.write(".gitignore", "x"), "frozen-file", id="what git ignores"),
    pytest.param(
        lambda r: r.write("policies/eclip.yaml", POLICY_TEXT.replace("[train.py]", "[run.sh]")),
        "frozen-file",
        id="the policy",
    ),
    pytest.param(lambda r: r.write("policies/mine.yaml", "x"), "path-not-mutable", id="a policy"),
    pytest.param(
        lambda r: r.write("workspace-template/eclip/torch.py"), "path-not-mutable", id="a file"
    ),
    pytest.param(lambda r: r.write("train.py"), "path-not-mutable", id="the name elsewhere"),
    pytest.param(lambda r: r.write(".gitattributes"), "path-not-mutable", id="attributes"),
    pytest.param(lambda r: (r.root / TRAIN).unlink(), "file-missing", id="a deletion"),
    pytest.param(lambda r: (r.root / RUN).unlink(), "frozen-file", id="a frozen file deleted"),
    pytest.param(lambda r: (r.root / TRAIN).chmod(0o755), "file-mode", id="a mode"),
    pytest.param(lambda r: (r.root / RUN).chmod(0o644), "file-mode", id="a frozen file's mode"),
    pytest.param(lambda r: r.link(TRAIN, "/etc/passwd"), "file-kind", id="a link"),
    pytest.param(lambda r: r.link("new", "/etc/passwd"), "file-kind", id="a new link"),
    pytest.param(lambda r: r.link(RUN, "train.py"), "file-kind", id="a link for a frozen file"),
]


@pytest.mark.parametrize(("change", "rule"), FORBIDDEN)
def test_a_forbidden_change_is_found_wherever_it_stands(
    repository: Repository, change: Change, rule: str
) -> None:
    change(repository)
    [(working_tree, file, where)] = repository.found()
    assert (working_tree, where) == (rule, "working-tree")
    repository.git("add", "--all")
    assert repository.found() == [(rule, file, "staged")]
    commit = repository.commit()
    assert repository.found() == [(rule, file, commit)]
    repository.write(NOTES)
    repository.commit()
    assert repository.found() == [(rule, file, commit)]


def add_submodule(repository: Repository, path: str) -> str:
    commit = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    repository.git("commit", "--quiet", "--allow-empty", "-m", "x")  # git takes it for unchanged
    return repository.git("rev-parse", "HEAD")


def test_a_submodule_cannot_hide_behind_its_own_settings(repository: Repository) -> None:
    repository.git("config", "submodule.lib.ignore", "all")
    repository.git("config", "diff.ignoreSubmodules", "all")
    (repository.root / "lib").mkdir()
    (repository.root / ".gitmodules").write_text(
        '[submodule "lib"]\n\tpath = lib\n\turl = ./\n\tignore = all\n'
    )
    commit = add_submodule(repository, "lib")
    assert ("file-kind", "lib", commit) in repository.found()


def test_a_repository_inside_is_found(repository: Repository) -> None:
    (repository.root / "lib").mkdir()
    Repository(repository.root / "lib").git("init", "--quiet")
    Repository(repository.root / "lib").commit()
    assert repository.found() == [("file-kind", "lib/", "working-tree")]


def test_a_forbidden_change_that_was_taken_back_is_clean(repository: Repository) -> None:
    repository.write(RUN, "x", mode=0o755)
    repository.commit()
    repository.write(RUN, mode=0o755)
    assert [where for _, _, where in repository.found()] != ["working-tree"]
    repository.commit()
    assert repository.audit().clean


def test_a_pipe_in_place_of_a_file_does_not_wait(repository: Repository) -> None:
    (repository.root / TRAIN).unlink()
    os.mkfifo(repository.root / TRAIN)
    assert repository.found() == [("file-kind", TRAIN, "working-tree")]


def test_ignored_files_are_no_part_of_it(repository: Repository) -> None:
    repository.write("state/journal.sqlite")
    assert repository.audit().clean


def test_a_sparse_checkout_deletes_nothing(repository: Repository) -> None:
    repository.git("update-index", "--skip-worktree", RUN)
    (repository.root / RUN).unlink()
    assert repository.audit().clean


def test_names_that_are_not_text_are_shown_escaped(repository: Repository) -> None:
    (repository.root / os.fsdecode(b"\xff\n")).write_text("x")
    [finding] = repository.audit().findings
    assert "\\udcff\\x0a" in finding.line
    assert finding.document["file"] == "\\udcff\\x0a"


def test_nothing_of_the_repository_runs(repository: Repository, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    script = tmp_path / "canary.sh"
    script.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    script.chmod(0o755)
    for name in (
        "post-checkout",
        "post-index-change",
        "fsmonitor-watchman",
        "reference-transaction",
    ):
        (repository.root / ".git/hooks" / name).write_text(script.read_text())
        (repository.root / ".git/hooks" / name).chmod(0o755)
    repository.write(".gitattributes", "* filter=evil diff=evil\n")
    repository.git("add", ".gitattributes")
    repository.git("commit", "--quiet", "-m", "x")
    for key in (
        "core.fsmonitor",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "core.pager",
        "gpg.program",
        "core.sshCommand",
        "core.alternateRefsCommand",
    ):
        repository.git("config", key, str(script))
    repository.git("config", "log.showSignature", "true")
    canary.unlink(missing_ok=True)
    repository.write(TRAIN)
    assert not repository.audit().clean  # the attributes are a change too
    assert not canary.exists()
    with suppress(subprocess.CalledProcessError):
        repository.git("add", "--all")
    assert canary.exists(), "this is how it would have shown"


def test_another_user_s_repository_can_be_read(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(objects.SCRUBBED, "GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert repository.audit().clean


def test_a_bare_repository_has_no_working_tree(repository: Repository, tmp_path: Path) -> None:
    repository.write(RUN, "x", mode=0o755)
    repository.commit()
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    report = audit_changes(tmp_path / "bare", "main")
    assert [finding.rule for finding in report.findings] == ["frozen-file"]
    assert report.unchecked == ("working tree: the repository is bare",)


CANNOT = [
    pytest.param(lambda _: "nothing", "is no commit", id="no such revision"),
    pytest.param(lambda _: "--help", "is no commit", id="an option for a revision"),
    pytest.param(lambda _: "HEAD:runner", "is no commit", id="a tree for a revision"),
    pytest.param(lambda r: stranger(r), "share no commit", id="no common commit"),
    pytest.param(lambda r: without_policies(r), "has no policies", id="no policies"),
    pytest.param(lambda r: with_broken_policy(r), "policies/eclip.yaml:1", id="a broken policy"),
]


def stranger(repository: Repository) -> str:
    repository.git("switch", "--quiet", "--orphan", "stranger")
    repository.commit()
    repository.git("switch", "--quiet", "work")
    return "stranger"


def without_policies(repository: Repository) -> str:
    repository.git("rm", "-r", "--quiet", "policies")
    return repository.commit()


def with_broken_policy(repository: Repository) -> str:
    repository.write("policies/eclip.yaml", "{")
    return repository.commit()


@pytest.mark.parametrize(("prepare", "message"), CANNOT)
def test_what_cannot_be_checked_is_said(
    repository: Repository, prepare: Callable[[Repository], str], message: str
) -> None:
    rev = prepare(repository)
    with pytest.raises(CannotCheckError, match=message):
        repository.audit(rev)


def test_a_folder_without_a_repository_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(CannotCheckError, match="not a git repository"):
        audit_changes(tmp_path, "main")
