from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runner.errors import WorkspaceError
from runner.patterns import MAX_PATH_BYTES
from runner.policy.paths import unsafe
from runner.records import EXECUTABLE, REGULAR, SYMLINK, Change, File, Files
from runner.workspace import NOTES_REF, Workspace, environment, merged, storable, tree_digest

WHEN = "2025-11-21T04:00:00.000+00:00"
TRAIN = File(content=b"LR = 1\r\n")
TEMPLATE: Files = {
    "train.py": TRAIN,
    "src/model.py": File(content=b"\0\xff not text"),
    "run.sh": File(content=b"#!/bin/sh\n", mode=EXECUTABLE),
}
HARNESS: Files = {"__main__.py": File(content=b"")}


def make(path: Path, template: Files = TEMPLATE) -> Workspace:
    return Workspace.create(path, "t1", template=template, harness=HARNESS, when=WHEN)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return make(tmp_path / "repository.git")


def try_change(workspace: Workspace, *changes: Change, number: int = 1) -> str:
    return workspace.attempt(number, workspace.head(), changes, "attempt", WHEN)


def read_back(workspace: Workspace, commit: str) -> Files:
    """Read it as the next supervisor does, who wrote nothing of it."""
    return Workspace(workspace.path, workspace.tag).files(commit)


def plain_git(workspace: Workspace, *args: str) -> str:
    """Ask the git of an ordinary user, who knows nothing of this class."""
    command = ["git", f"--git-dir={workspace.path}", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# -- what goes in comes out -------------------------------------------------------------------


def test_the_template_comes_back_byte_for_byte_with_its_modes(workspace):
    assert workspace.files(workspace.head()) == read_back(workspace, workspace.head()) == TEMPLATE
    assert workspace.harness() == HARNESS
    assert workspace.problems() == []


def test_what_a_start_that_failed_made_of_other_files_is_made_anew(tmp_path):
    other = {"other.py": File(content=b"")}
    make(tmp_path / "repository.git", other)
    workspace = make(tmp_path / "repository.git")
    assert read_back(workspace, workspace.head()) == TEMPLATE
    assert len(workspace.commits(workspace.branch)) == 1
    try_change(workspace, Change(path="train.py", content=b"x = 2\n"))
    with pytest.raises(WorkspaceError, match="a run that the journal does not know") as refused:
        make(tmp_path / "repository.git", other)
    assert "another TAG" in refused.value.hint


@pytest.mark.parametrize("left", ["an attempt", "a note"])
def test_what_another_run_left_is_not_taken_over_though_its_files_are_the_same(workspace, left):
    change = Change(path="scratchpad.md", content=b"what that run learnt\n")
    if left == "an attempt":
        try_change(workspace, change)
    else:
        workspace.write_notes([change], "notes", WHEN)
    with pytest.raises(WorkspaceError, match="a run that the journal does not know"):
        make(workspace.path)


def test_a_commit_is_the_one_that_git_itself_makes_of_these_files(workspace, tmp_path):
    attempt = try_change(workspace, Change(path="src.py", content=b"LR = 2\n"))  # beside src/
    index = {"PATH": os.environ["PATH"], "GIT_INDEX_FILE": str(tmp_path / "index")}
    who = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
           (("NAME", "runner"), ("EMAIL", "runner@localhost"), ("DATE", WHEN))}  # fmt: skip

    def git(*args: str) -> str:
        command = ["git", f"--git-dir={workspace.path}", *args]
        return subprocess.check_output(command, env=index | who, input=b"attempt").decode().strip()

    git("read-tree", attempt)
    tree = git("write-tree")
    assert git("rev-parse", f"{attempt}^{{tree}}") == tree
    assert git("commit-tree", "-p", workspace.head(), tree) == attempt


def test_refs_that_somebody_packed_are_found(workspace):
    before = workspace.refs("refs"), workspace.head()
    plain_git(workspace, "pack-refs", "--all")
    assert not (workspace.path / workspace.branch).exists()
    assert (workspace.refs("refs"), workspace.head()) == before


def test_creating_twice_changes_nothing(workspace):
    before = workspace.refs("refs")
    again = make(workspace.path)
    assert again.refs("refs") == before


def test_creating_finishes_what_was_cut_off(tmp_path):
    (tmp_path / "r.git").mkdir()
    assert make(tmp_path / "r.git").files("refs/heads/autoresearch/t1") == TEMPLATE


def test_an_attempt_leaves_the_branch_alone(workspace):
    head = workspace.head()
    commit = try_change(workspace, Change(path="train.py", content=b"LR = 2\n"))
    assert workspace.head() == head
    assert read_back(workspace, commit) == {**TEMPLATE, "train.py": File(content=b"LR = 2\n")}
    assert workspace.refs("refs/attempts") == {"refs/attempts/1": commit}


def test_an_attempt_made_twice_is_the_same_commit(workspace):
    change = Change(path="train.py", content=b"LR = 2\n")
    assert try_change(workspace, change) == try_change(workspace, change)


# -- nothing is lost --------------------------------------------------------------------------

ODD = [
    pytest.param(Change(path="train.py", content=b"/etc/passwd", mode=SYMLINK), id="symlink"),
    pytest.param(Change(path="train.py", content=b"x", mode=EXECUTABLE), id="mode change"),
    pytest.param(Change(path="train.py", content=b"x", mode=0o010644), id="fifo mode"),
    pytest.param(Change(path="train.py", content=b"x", mode=0o160000), id="submodule mode"),
    pytest.param(Change(path="train.py", content=b"x", mode=0o104755), id="setuid mode"),
    pytest.param(Change(path="../../etc/passwd", content=b"x"), id="climbing out"),
    pytest.param(Change(path="src/../../x", content=b"x"), id="climbing in the middle"),
    pytest.param(Change(path="/etc/passwd", content=b"x"), id="absolute"),
    pytest.param(Change(path="", content=b"x"), id="empty"),
    pytest.param(Change(path=".", content=b"x"), id="dot"),
    pytest.param(Change(path="src//model.py", content=b"x"), id="empty part"),
    pytest.param(Change(path="src/", content=b"x"), id="trailing slash"),
    pytest.param(Change(path="a\0b", content=b"x"), id="nul"),
    pytest.param(Change(path="a\nb\tc", content=b"x"), id="control characters"),
    pytest.param(Change(path="tr\u0430in.py", content=b"x"), id="not ASCII"),
    pytest.param(Change(path="a\ud800b", content=b"x"), id="lone surrogate"),
    pytest.param(Change(path="a" * 5000, content=b"x"), id="long"),
    pytest.param(Change(path="a/" * 300 + "b", content=b"x"), id="deep"),
    pytest.param(Change(path=".git", content=b"gitdir: /tmp"), id="git file"),
    pytest.param(Change(path=".git/config", content=b"[core]"), id="git folder"),
    pytest.param(Change(path="src/.GIT/hooks/pre-commit", content=b"x"), id="GIT folder"),
    pytest.param(Change(path="git~1/config", content=b"[core]"), id="short name of .git"),
    pytest.param(Change(path="git~1", content=b"x"), id="short name of .git, as a file"),
    pytest.param(Change(path=".gitattributes", content=b"* filter=x diff=x"), id="attributes"),
    pytest.param(Change(path=".gitmodules", content=b"[submodule]", mode=SYMLINK), id="modules"),
    pytest.param(Change(path="a\\b", content=b"x"), id="backslash"),
    pytest.param(Change(path='"a" b', content=b"x"), id="quotes"),
    pytest.param(Change(path="a", content=b"\ndone\nreset refs/x\n"), id="commands of an import"),
    pytest.param(Change(path="train.py/x", content=b"x"), id="folder in place of a file"),
    pytest.param(Change(path="src", content=b"x"), id="file in place of a folder"),
    pytest.param(Change(path="unsafe-path", content=b"x"), id="our own escape's folder"),
]


@pytest.mark.parametrize("change", ODD)
def test_whatever_is_proposed_is_kept_and_git_agrees(workspace, change):
    commit = try_change(workspace, change)
    kept = read_back(workspace, commit)
    assert kept == workspace.files(commit)
    assert kept[storable(change.path)].content == change.content
    assert workspace.refs("refs/attempts") == {"refs/attempts/1": commit}
    assert workspace.problems() == []


def test_many_odd_paths_in_one_proposal_do_not_overwrite_each_other(workspace):
    changes = {each.values[0].path: each.values[0] for each in ODD}
    del changes["src"], changes["train.py/x"]  # these two do replace what others are named
    files = read_back(workspace, try_change(workspace, *changes.values()))
    assert {storable(path) for path in changes} <= set(files)
    assert len({storable(path) for path in changes}) == len(changes)


def test_long_unsafe_paths_do_not_overwrite_each_other():
    assert storable("../" + "a" * 400 + "1") != storable("../" + "a" * 400 + "2")


LONGEST = f"src/{'a' * 100}/{'b' * (MAX_PATH_BYTES - 108)}.py"


@pytest.mark.parametrize("path", ["train.py", "src/model.py", "a b.txt", "..a", "x.git", LONGEST])
def test_an_ordinary_path_keeps_its_name(path):
    assert storable(path) == path


def test_whatever_the_review_lets_through_keeps_its_name():
    assert unsafe(LONGEST) is None
    assert unsafe(f"{LONGEST}c") is not None
    assert storable(f"{LONGEST}c") != f"{LONGEST}c"


def test_deleting_is_kept_and_deleting_nothing_is_fine(workspace):
    gone = Change(path="train.py", content=None)
    never = Change(path="nothing.py", content=None)
    assert "train.py" not in read_back(workspace, try_change(workspace, gone, never))


# -- keeping ----------------------------------------------------------------------------------


def test_keeping_moves_the_branch_once(workspace):
    parent = workspace.head()
    attempt = try_change(workspace, Change(path="train.py", content=b"LR = 2\n"))
    kept = [workspace.keep(attempt, parent, "better", WHEN) for _ in range(2)]
    assert kept == [workspace.head()] * 2
    assert [commit.id for commit in workspace.commits(workspace.branch)] == [parent, kept[0]]
    assert read_back(workspace, workspace.head())["train.py"].content == b"LR = 2\n"


def test_keeping_is_refused_when_the_branch_is_elsewhere(workspace):
    parent = workspace.head()
    first = try_change(workspace, Change(path="train.py", content=b"LR = 2\n"))
    second = try_change(workspace, Change(path="train.py", content=b"LR = 3\n"), number=2)
    kept = workspace.keep(first, parent, "first", WHEN)
    with pytest.raises(WorkspaceError):
        workspace.keep(second, parent, "second", WHEN)
    assert workspace.head() == kept


def test_keeping_is_refused_when_the_branch_was_moved_back(workspace):
    first = workspace.head()
    attempt = try_change(workspace, Change(path="train.py", content=b"LR = 2\n"))
    second = workspace.keep(attempt, first, "better", WHEN)
    attempt = try_change(workspace, Change(path="train.py", content=b"LR = 3\n"), number=2)
    plain_git(workspace, "update-ref", workspace.branch, first)
    with pytest.raises(WorkspaceError, match=first):
        workspace.keep(attempt, second, "best", WHEN)
    assert workspace.head() == first


def test_an_attempt_may_be_made_again_and_is_then_another(workspace):
    for content in (b"LR = 2\n", b"LR = 3\n"):
        commit = try_change(workspace, Change(path="train.py", content=content))
        assert workspace.refs("refs/attempts") == {"refs/attempts/1": commit}


@pytest.mark.parametrize("message", ["", "one\ntwo\n\n", "\u00e9 \ud800", "data 3\nx\ndone\n"])
def test_a_message_is_kept_as_it_is(workspace, message):
    commit = workspace.attempt(1, workspace.head(), (), message, WHEN)
    found = plain_git(workspace, "cat-file", "commit", commit).partition("\n\n")[2]
    assert found.encode() == message.encode(errors="backslashreplace")


# -- notes ------------------------------------------------------------------------------------


def test_notes_live_on_a_ref_of_their_own(workspace):
    head = workspace.head()
    workspace.write_notes([Change(path="scratchpad.md", content=b"one\n")], "Notes", WHEN)
    workspace.write_notes([Change(path="LEARNING.md", content=b"two\n")], "Notes", WHEN)
    assert workspace.head() == head
    notes = Workspace(workspace.path, workspace.tag).notes()
    assert {path: file.content for path, file in notes.items()} == {
        "scratchpad.md": b"one\n",
        "LEARNING.md": b"two\n",
    }


def test_the_log_lies_with_the_notes_and_is_not_read_back_with_them(workspace):
    for path in ("scratchpad.md", "LOG.md"):
        workspace.write_notes([Change(path=path, content=b"x\n")], "Notes", WHEN)
    assert set(workspace.files(NOTES_REF)) == {"scratchpad.md", "LOG.md"}
    again = Workspace(workspace.path, workspace.tag)
    assert set(workspace.notes()) == set(again.notes()) == {"scratchpad.md"}


def test_notes_that_do_not_change_make_no_commit(workspace):
    note = Change(path="scratchpad.md", content=b"one\n")
    for _ in range(2):
        workspace.write_notes([note], "Notes", WHEN)
    assert len(workspace.commits(NOTES_REF)) == 1
    assert workspace.notes() == {"scratchpad.md": File(content=b"one\n", mode=REGULAR)}


# -- nothing runs on the host -----------------------------------------------------------------


def test_nothing_that_a_proposal_or_a_machine_plants_runs(tmp_path, monkeypatch):
    canary, ran = tmp_path / "canary.sh", tmp_path / "ran"
    canary.write_text(f'#!/bin/sh\necho "$0 $*" >> {ran}\ncat\n')
    canary.chmod(0o755)
    workspace = make(tmp_path / "r.git")
    plant(workspace.path, str(canary), monkeypatch)
    parent = workspace.head()
    for number, change in enumerate(planted_changes(), start=1):
        attempt = try_change(workspace, change, number=number)
        workspace.diff(parent, attempt)
        read_back(workspace, attempt)
    kept = workspace.keep(attempt, parent, "keep", WHEN)
    workspace.write_notes([Change(path="scratchpad.md", content=b"x")], "Notes", WHEN)
    assert workspace.commits(workspace.branch)[-1].id == kept
    assert workspace.problems() == []
    assert not ran.exists()


def planted_changes() -> list[Change]:
    attributes = b"* filter=evil diff=evil merge=evil text eol=crlf ident\n"
    return [
        Change(path=".gitattributes", content=attributes),
        Change(path=".git/hooks/reference-transaction", content=b"#!/bin/sh\n", mode=EXECUTABLE),
        Change(path=".git/config", content=b"[core]\n\tfsmonitor = evil\n"),
        Change(path="train.py", content=b"$Id$\n"),
    ]


def plant(repository: Path, canary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what would run the canary: hooks, the caller's environment and configuration."""
    for hook in ("reference-transaction", "post-index-change", "update", "pre-commit"):
        target = repository / "hooks" / hook
        target.parent.mkdir(exist_ok=True)
        target.write_text(f"#!/bin/sh\nexec {canary} {hook}\n")
        target.chmod(0o755)
    home = repository.parent / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n\tfsmonitor = {canary}\n\thooksPath = {repository}/hooks\n"
        f"\tattributesFile = {home}/attributes\n\tpager = {canary}\n\tsshCommand = {canary}\n"
        f'[diff]\n\texternal = {canary}\n[diff "evil"]\n\ttextconv = {canary}\n'
        f"\tcommand = {canary}\n"
        f'[filter "evil"]\n\tclean = {canary}\n\tsmudge = {canary}\n\trequired = true\n'
        f"[gpg]\n\tprogram = {canary}\n[commit]\n\tgpgSign = true\n[gc]\n\tauto = 1\n"
    )
    (home / "attributes").write_text("* filter=evil diff=evil\n")
    for name in ("GIT_EXTERNAL_DIFF", "GIT_EDITOR", "GIT_PAGER", "GIT_SSH_COMMAND", "PAGER"):
        monkeypatch.setenv(name, canary)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", canary)


def test_the_canary_of_the_test_above_can_sing(tmp_path, monkeypatch):
    """Without the scrubbing the plants do run: an ordinary git is caught by them."""
    canary, ran = tmp_path / "canary.sh", tmp_path / "ran"
    canary.write_text(f"#!/bin/sh\necho ran >> {ran}\ncat\n")
    canary.chmod(0o755)
    workspace = make(tmp_path / "r.git")
    plant(workspace.path, str(canary), monkeypatch)
    subprocess.run(
        ["git", f"--git-dir={workspace.path}", "update-ref", "refs/x", workspace.head()],
        check=False, capture_output=True,
    )  # fmt: skip
    assert ran.exists()


def test_the_caller_s_git_variables_are_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    workspace = make(tmp_path / "r.git")
    assert read_back(workspace, workspace.head()) == TEMPLATE
    assert not list(tmp_path.glob("[eoi]*"))
    author = workspace._git("log", "-1", "--format=%an", workspace.branch)
    assert author == b"runner\n"


def test_git_is_given_nothing_of_the_caller_s_but_the_path(monkeypatch):
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("SECRET_API_KEY", "x")
    given = environment({"GIT_INDEX_FILE": "index"})
    assert {key for key, value in given.items() if os.environ.get(key) == value} <= {"PATH"}


def test_a_failure_of_git_names_the_way_out(tmp_path):
    with pytest.raises(WorkspaceError) as failed:
        Workspace(tmp_path / "nothing.git", "t1").head()
    assert failed.value.hint


# -- digest -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"a": File(content=b"2")},
        {"b": File(content=b"1")},
        {"a": File(content=b"1", mode=EXECUTABLE)},
        {"a": File(content=b"1"), "b": File(content=b"")},
        {},
    ],
)
def test_a_tree_s_digest_tells_trees_apart(other):
    one: Files = {"a": File(content=b"1")}
    assert tree_digest(one) != tree_digest(other)
    assert tree_digest(one) == tree_digest(dict(one))


# -- merging ----------------------------------------------------------------------------------

LINES = b"a\nb\nc\nd\ne\nf\ng\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(
            b"A\nb\nc\nd\ne\nf\ng\n", LINES[:-2] + b"G\n", b"A\nb\nc\nd\ne\nf\nG\n", id="apart"
        ),
        pytest.param(LINES, b"x\n", b"x\n", id="only theirs"),
        pytest.param(b"x\n", LINES, b"x\n", id="only ours"),
        pytest.param(b"x\n", b"x\n", b"x\n", id="both the same"),
        pytest.param(b"x" + LINES, b"y" + LINES, None, id="in conflict"),
        pytest.param(b"\0x", b"\0y", None, id="no text"),
    ],
)
def test_changes_of_two_sides_are_merged_where_they_go_together(ours, theirs, expected):
    assert merged(LINES, ours, theirs) == expected
