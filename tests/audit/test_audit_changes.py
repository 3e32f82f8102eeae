"""`--base REV`: what an ordinary repository changes, and that nothing in it runs meanwhile."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes import POLICY_TEXT, with_files

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
        return self.found_since("main")

    def found_since(self, rev: str) -> list[tuple[str, str, str]]:
        return [(each.rule, each.file, each.commit or "") for each in self.audit(rev).findings]


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


@pytest.mark.parametrize("name", ["eclip-loose", "zz"])
def test_another_policy_of_a_task_allows_nothing(repository, name):
    repository.git("switch", "--quiet", "main")
    loose = with_files(POLICY_TEXT, mutable="[train.py, run.sh]")
    repository.write(f"policies/{name}.yaml", loose)
    repository.commit()
    repository.git("switch", "--quiet", "work")
    repository.git("merge", "--quiet", "main")
    repository.write(TRAIN)
    repository.write(RUN, "echo hello\n", mode=0o755)
    commit = repository.commit()
    assert [each[1:] for each in repository.found()] == [(RUN, commit)]


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


TEMPLATE = "workspace-template/eclip/"
PATTERNS = with_files(
    POLICY_TEXT, mutable="[train.py, 'src/**/*.py']", frozen="[src/metrics.py]", may_add="true"
)


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        pytest.param("src/a/blocks.py", [], id="matched"),
        pytest.param("src/blocks.txt", ["path-not-mutable"], id="not matched"),
        pytest.param("src/metrics/__init__.py", ["path-shadows"], id="in place of a frozen file"),
        pytest.param("src/evaluate.py", ["path-shadows"], id="what run.sh names"),
        pytest.param("src/json.py", ["path-shadows"], id="in place of a module"),
        pytest.param("src/conftest.py", ["path-not-mutable"], id="what pytest reads"),
        pytest.param("src/model.py", [], id="a change"),
        pytest.param("src/metrics.py", ["frozen-file"], id="frozen wins"),
    ],
)
def test_patterns_hold_for_a_branch_too(
    repository: Repository, path: str, rules: list[str]
) -> None:
    repository.git("switch", "--quiet", "main")
    repository.write("policies/eclip.yaml", PATTERNS)
    for name in ("src/metrics.py", "src/model.py", "src/old.py"):
        repository.write(f"{TEMPLATE}{name}", "first\n")
    repository.write(RUN, "python src/evaluate.py\n", mode=0o755)
    repository.commit()
    repository.git("switch", "--quiet", "-C", "work")
    (repository.root / TEMPLATE / "src/old.py").unlink()
    repository.write(f"{TEMPLATE}{path}", "x\n")
    assert [rule for rule, _, _ in repository.found()] == rules
    repository.commit()
    assert [rule for rule, _, _ in repository.found()] == rules


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
    report = repository.audit()
    [finding] = report.findings
    assert "\\udcff\\x0a" in finding.line
    assert report.document["findings"][0]["file"] == "\\udcff\\x0a"


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


def test_line_endings_that_a_user_s_git_made_at_checkout_are_no_change(
    repository: Repository,
) -> None:
    (repository.root / RUN).unlink()
    repository.git("-c", "core.autocrlf=true", "checkout", "--quiet", "--", RUN)
    assert (repository.root / RUN).read_bytes().endswith(b"\r\n")
    assert repository.found() == []
    repository.write(RUN, "other\r\n", mode=0o755)
    assert [rule for rule, _, _ in repository.found()] == ["frozen-file"]


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


# -- what the repository itself says of itself ----------------------------------------------------


def hidden_by(repository: Repository, path: str, *lines: str) -> None:
    place = repository.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(f"{line}\n" for line in lines))


CHEAT = "workspace-template/eclip/torch.py"


def with_edited_frozen_file(repository: Repository) -> None:
    repository.write(RUN, "cheat\n", mode=0o755)


def same_to_git(repository: Repository) -> None:
    """Change a file so that its size and times are what the index remembers."""
    path = repository.root / RUN
    before = path.stat()
    path.write_text("Changed\n"[: before.st_size])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


STEERING = [
    pytest.param(lambda r: r.git("config", "core.bare", "true"), id="core.bare"),
    pytest.param(lambda r: r.git("config", "core.worktree", "/tmp"), id="core.worktree"),
    pytest.param(
        lambda r: (
            r.git("config", "extensions.worktreeConfig", "true"),
            r.git("config", "--worktree", "core.bare", "true"),
        ),
        id="core.bare of the worktree",
    ),
    pytest.param(
        lambda r: (
            hidden_by(r, ".git/more", "[core]", "bare = true", "worktree = /tmp"),
            r.git("config", "include.path", "more"),
        ),
        id="included settings",
    ),
    pytest.param(
        lambda r: (
            hidden_by(r, ".git/everything", "*"),
            r.git("config", "core.excludesFile", str(r.root / ".git/everything")),
        ),
        id="core.excludesFile",
    ),
    pytest.param(lambda r: hidden_by(r, ".git/info/exclude", "*"), id="info/exclude"),
    pytest.param(
        lambda r: hidden_by(r, "workspace-template/eclip/.gitignore", "*"),
        id="an ignore file that ignores itself",
    ),
    pytest.param(lambda r: r.git("config", "core.fileMode", "false"), id="core.fileMode"),
    pytest.param(lambda r: r.git("config", "core.ignoreCase", "true"), id="core.ignoreCase"),
    pytest.param(lambda r: r.git("config", "core.symlinks", "false"), id="core.symlinks"),
    pytest.param(lambda r: r.git("config", "core.checkStat", "minimal"), id="core.checkStat"),
    pytest.param(lambda r: r.git("config", "core.untrackedCache", "true"), id="untrackedCache"),
    pytest.param(lambda r: r.git("config", "core.sparseCheckout", "true"), id="sparseCheckout"),
    pytest.param(lambda r: r.git("update-index", "--assume-unchanged", RUN), id="unchanged"),
    pytest.param(lambda r: r.git("update-index", "--skip-worktree", RUN), id="skip-worktree"),
    pytest.param(lambda r: hidden_by(r, "workspace-template/eclip/.git/HEAD", "x"), id="a .git"),
]


@pytest.mark.parametrize("steer", STEERING)
def test_no_setting_of_the_repository_hides_a_change(repository: Repository, steer: Change) -> None:
    steer(repository)
    same_to_git(repository)
    repository.write(CHEAT)
    found = {(rule, file) for rule, file, _ in repository.found()}
    assert {("frozen-file", RUN), ("path-not-mutable", CHEAT)} <= found


def test_a_name_in_another_case_is_another_file(repository: Repository) -> None:
    repository.git("config", "core.ignoreCase", "true")
    repository.write(TRAIN.replace("train", "TRAIN"))
    assert [rule for rule, _, _ in repository.found()] == ["path-not-mutable"]


def test_the_ignore_files_of_rev_are_the_ones_that_count(repository: Repository) -> None:
    repository.git("switch", "--quiet", "main")
    repository.write("docs/.gitignore", "build/\n!build/kept.txt\n")
    repository.commit()
    repository.git("switch", "--quiet", "work")
    repository.git("merge", "--quiet", "main")
    repository.write("docs/build/page.html")
    repository.write("state/journal.sqlite")
    assert repository.audit().clean
    repository.write("build/page.html")
    assert [file for _, file, _ in repository.found()] == ["build/page.html"]


def test_what_a_sparse_checkout_leaves_out_is_said(repository: Repository) -> None:
    repository.git("update-index", "--skip-worktree", RUN)
    (repository.root / RUN).unlink()
    assert repository.audit().unchecked == ("working tree: a sparse checkout leaves out 1 files",)


def test_a_working_tree_of_its_own_is_checked(repository: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    repository.git("worktree", "add", "--quiet", "-b", "more", str(other.root))
    repository.git("config", "core.bare", "true")
    with_edited_frozen_file(other)
    assert other.found() == [("frozen-file", RUN, "working-tree")]
    assert audit_changes(other.root / "workspace-template", "main").findings


def test_an_object_under_another_s_name_is_not_believed(repository: Repository) -> None:
    with_edited_frozen_file(repository)
    repository.commit()
    honest = repository.git("rev-parse", "main^{tree}")
    forged = repository.git("rev-parse", "HEAD^{tree}")
    objects_folder = repository.root / ".git/objects"
    content = (objects_folder / honest[:2] / honest[2:]).read_bytes()
    place = objects_folder / forged[:2] / forged[2:]
    place.chmod(0o600)
    place.write_bytes(content)
    with pytest.raises(CannotCheckError, match=f"the object {forged} is damaged"):
        repository.audit()


def stored(repository: Repository, kind: str, body: bytes) -> str:
    """Write an object as it is: git itself would refuse to make it."""
    content = f"{kind} {len(body)}\0".encode() + body
    name = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    place = repository.root / ".git/objects" / name[:2] / name[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(zlib.compress(content))
    return name


MADE_UP = {
    "a way up": (b"40000", b".."),
    "a path": (b"40000", b"../elsewhere"),
    "a path from the root": (b"40000", b"/tmp/elsewhere"),
    "git's own folder": (b"40000", b".GIT"),
    "no name": (b"40000", b""),
    "a name twice": (b"40000", b"runner"),
    "no mode": (b"x", b"new"),
}


@pytest.mark.parametrize(("mode", "name"), MADE_UP.values(), ids=MADE_UP)
def test_a_tree_that_git_never_writes_is_no_verdict_and_leads_nowhere(
    repository: Repository, tmp_path: Path, mode: bytes, name: bytes
) -> None:
    blob = bytes.fromhex(stored(repository, "blob", b"*\n"))
    inside = bytes.fromhex(stored(repository, "tree", b"100644 .gitignore\0" + blob))
    honest = repository.git("cat-file", "-p", "main^{tree}").splitlines()
    body = mode + b" " + name + b"\0" + inside
    for line in honest:
        before, path = line.split("\t")
        kind, _, found = before.split()
        body += f"{kind.lstrip('0')} {path}\0".encode() + bytes.fromhex(found)
    commit = repository.git(
        "commit-tree", "-p", "main", "-m", "x", stored(repository, "tree", body)
    )
    for branch in ("main", "work"):
        repository.git("update-ref", f"refs/heads/{branch}", commit)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CannotCheckError, match="is damaged: it holds"):
        repository.audit()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_was_never_there_is_not_read_and_a_known_one_has_an_end(
    repository: Repository,
) -> None:
    def lengthen(path: str) -> None:
        with (repository.root / path).open("ab") as file:
            file.truncate(2**42)

    lengthen("checkpoint.bin")
    assert repository.found() == [("path-not-mutable", "checkpoint.bin", "working-tree")]
    lengthen(RUN)
    with pytest.raises(CannotCheckError, match=r"run\.sh is longer than 512 MiB"):
        repository.audit()


def test_history_that_is_cut_short_is_not_believed(repository: Repository) -> None:
    """It would choose another commit as the one at which HEAD left the branch."""
    (repository.root / ".git/shallow").write_text(repository.git("rev-parse", "main") + "\n")
    repository.write(TRAIN)
    repository.commit()
    assert repository.audit().clean
    with_edited_frozen_file(repository)
    hidden = repository.commit()
    (repository.root / ".git/shallow").write_text(hidden + "\n")
    assert ("frozen-file", RUN, hidden) in repository.found()


@pytest.mark.parametrize("ref", ["refs/tags/main", "refs/remotes/main", "refs/main"])
def test_a_name_that_could_mean_two_commits_is_refused(repository: Repository, ref: str) -> None:
    with_edited_frozen_file(repository)
    commit = repository.commit()
    repository.git("update-ref", ref, commit)
    with pytest.raises(CannotCheckError, match="is ambiguous: refs/heads/main") as refused:
        repository.audit()
    assert ref in str(refused.value)
    assert [rule for rule, _, _ in repository.found_since("refs/heads/main")] == ["frozen-file"]


def test_a_name_beside_the_refs_is_not_believed(repository: Repository) -> None:
    with_edited_frozen_file(repository)
    (repository.root / ".git/main").write_text(repository.commit() + "\n")
    assert [rule for rule, _, _ in repository.found()] == ["frozen-file"]


def test_a_tag_named_like_an_id_is_refused(repository: Repository) -> None:
    short = repository.git("rev-parse", "main")[:8]
    with_edited_frozen_file(repository)
    repository.git("tag", short, repository.commit())
    with pytest.raises(CannotCheckError, match="is ambiguous"):
        repository.audit(short)


@pytest.mark.parametrize(
    "rev", ["main", "work~1", "v1", "refs/heads/main", "HEAD~1", "origin/main"]
)
def test_branches_tags_ids_and_steps_are_understood(repository: Repository, rev: str) -> None:
    repository.git("tag", "-a", "-m", "x", "v1", "main")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    with_edited_frozen_file(repository)
    repository.commit()
    for name in (rev, repository.git("rev-parse", "main"), repository.git("rev-parse", "main")[:9]):
        assert [rule for rule, _, _ in repository.found_since(name)] == ["frozen-file"]


@pytest.mark.parametrize("rev", ["@{upstream}", "main@{0}", ":/x", "main^{/x}", "@{-1}"])
def test_what_a_reflog_or_a_setting_would_settle_is_refused(
    repository: Repository, rev: str
) -> None:
    with pytest.raises(CannotCheckError, match="is no commit"):
        repository.audit(rev)


def test_a_branch_that_was_left_twice_is_refused(repository: Repository) -> None:
    repository.write(TRAIN)
    repository.commit()
    repository.git("switch", "--quiet", "main")
    repository.write("runner/decision.py", "theirs\n")
    repository.commit()
    repository.git("merge", "--quiet", "-m", "x", "work")
    repository.git("switch", "--quiet", "work")
    repository.git("merge", "--quiet", "-m", "x", "--no-ff", "main~1")
    with pytest.raises(CannotCheckError, match="at 2 commits"):
        repository.audit()


def test_names_that_are_not_text_are_found_wherever_they_stand(repository: Repository) -> None:
    name = os.fsdecode(b"workspace-template/eclip/\xff\n\x1b.py")
    (repository.root / name).write_text("x")
    assert [where for _, _, where in repository.found()] == ["working-tree"]
    commit = repository.commit()
    repository.git("update-ref", os.fsdecode(b"refs/tags/\xe9\xff"), "main")
    assert [where for _, _, where in repository.found()] == [commit]
    [line, _] = repository.audit().lines
    assert line.isascii()
    assert line.isprintable()


def test_a_link_to_a_repository_that_no_path_can_be_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(b"gitdir: \0")
    with pytest.raises(CannotCheckError, match="null byte"):
        audit_changes(tmp_path, "main")
