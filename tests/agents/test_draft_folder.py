from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from runner.agents.draft_folder import MOST_BYTES, UnsettledError, draft_folder
from runner.errors import ConfigError, JournalError, WorkspaceError
from runner.records import EXECUTABLE, Change, File
from runner.seams import Context

FILES = {
    "train.py": File(content=b"A = 1\n"),
    "run.sh": File(content=b"#!/bin/sh\n", mode=EXECUTABLE),
    "scratchpad.md": File(content=b"# Notes\n"),
    "model/layers.py": File(content=b"B = 2\n"),
    "model/frozen.py": File(content=b"C = 3\n"),
}
CONTEXT = Context(
    number=1,
    files=FILES,
    mutable=("train.py", "model/layers.py"),
    notes=("scratchpad.md", "LEARNING.md"),
    metric="m",
    direction="minimize",
    history=(),
)
PATIENCE = 20
"""Seconds after which a report that did not come is missing."""


@dataclass
class Reports:
    """What the watch said, and a way to wait until it said something."""

    said: list[tuple[str, str]] = field(default_factory=list)
    new: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, path, what):
        with self.new:
            self.said.append((path, what))
            self.new.notify_all()

    def wait_for(self, path):
        with self.new:
            assert self.new.wait_for(lambda: path in self.paths(), PATIENCE), self.said

    def paths(self):
        return [path for path, _ in self.said]


@contextmanager
def drafting(**more):
    reports = Reports()
    about = {"brief.md": b"do it\n"}
    with draft_folder(CONTEXT, about=about, report=reports, **more) as draft, draft.watched():
        yield draft, reports


def test_nobody_else_can_enter_and_frozen_files_are_read_only():
    with drafting() as (draft, _):
        assert stat.S_IMODE(draft.private.stat().st_mode) == 0o700
        modes = {
            path: stat.S_IMODE((draft.path / path).stat().st_mode)
            for path in (*FILES, ".autoresearch/brief.md")
        }
    assert modes == {
        "train.py": 0o600,
        "scratchpad.md": 0o600,
        "model/layers.py": 0o600,
        "run.sh": 0o500,
        "model/frozen.py": 0o400,
        ".autoresearch/brief.md": 0o400,
    }


SEVERAL = replace(
    CONTEXT,
    mutable=("train.py", "model/**/*.py"),
    frozen=("model/frozen.py",),
    may_add=True,
)


def test_new_files_are_taken_where_the_policy_lets_some_be_added(tmp_path):
    reports = Reports()
    with draft_folder(SEVERAL, about={}, report=reports, answer="model/answer.py") as draft:
        (draft.path / "model" / "deep" / "er").mkdir(parents=True)
        for path in ("model/deep/er/new.py", "model/deep/no.txt", "other.py", "model/answer.py"):
            (draft.path / path).write_bytes(b"A = 1\n")
        (draft.path / "model" / "layers.py").unlink()
        (draft.path / "model" / "link.py").symlink_to(tmp_path)
        (draft.path / "model" / "out").symlink_to(tmp_path)
        (tmp_path / "far.py").write_text("A = 1\n")
        expected = (
            Change(path="model/layers.py", content=None),
            Change(path="model/deep/er/new.py", content=b"A = 1\n"),
        )
        assert draft.changes() == expected
        draft.compare()
        assert sorted(reports.paths()) == [
            *("model/deep/no.txt", "model/link.py", "model/out", "other.py"),
        ]
        draft.lay_out({})
        assert draft.changes() == expected, "what counts is still there"
        assert not (draft.path / "other.py").exists()
        assert stat.S_IMODE((draft.path / "model/deep/er/new.py").stat().st_mode) == 0o600
    assert (tmp_path / "far.py").exists()


@pytest.fixture
def moving():
    """A draft with a folder of which all files may go."""
    files = {
        "src/old/a.py": File(content=b"A = 1\n"),
        "src/old/deep/b.py": File(content=b"B = 2\n"),
    }
    context = replace(CONTEXT, files=files, mutable=("src/**",), may_add=True)
    reports = Reports()
    with draft_folder(context, about={}, report=reports) as draft, draft.watched():
        yield draft, reports


def test_a_folder_whose_files_may_go_may_be_moved(moving):
    draft, reports = moving
    (draft.path / "src" / "old").rename(draft.path / "src" / "new")
    expected = (
        Change(path="src/old/a.py", content=None),
        Change(path="src/old/deep/b.py", content=None),
        Change(path="src/new/a.py", content=b"A = 1\n"),
        Change(path="src/new/deep/b.py", content=b"B = 2\n"),
    )
    assert draft.changes() == expected
    draft.lay_out({})
    assert draft.changes() == expected
    draft.compare(end=True)
    assert reports.said == []


def test_a_folder_with_a_link_in_its_place_did_not_go(moving, tmp_path):
    draft, reports = moving
    (draft.path / "src" / "old").rename(tmp_path / "old")
    (draft.path / "src" / "old").symlink_to(tmp_path / "old")
    draft.compare()
    assert draft.changes() == ()
    assert reports.paths() == ["src/old"]


def test_a_folder_with_a_frozen_file_is_noted_where_it_is_gone():
    reports = Reports()
    with draft_folder(SEVERAL, about={}, report=reports) as draft:
        (draft.path / "model").rename(draft.path / ".gone")
        draft.compare()
        assert draft.changes() == (Change(path="model/layers.py", content=None),)
        assert "model" in reports.paths()


def test_a_folder_in_place_of_a_frozen_file_brings_nothing_in():
    with draft_folder(SEVERAL, about={}, report=Reports()) as draft:
        (draft.path / "model" / "frozen.py").unlink()
        (draft.path / "model" / "frozen.py").mkdir()
        (draft.path / "model" / "frozen.py" / "x.py").write_bytes(b"A = 1\n")
        assert draft.changes() == ()


def test_a_flood_of_new_files_fails_the_proposal(monkeypatch):
    monkeypatch.setattr("runner.agents.draft_folder.MOST_LOOKED_AT", 10)
    with draft_folder(SEVERAL, about={}, report=Reports()) as draft:
        for number in range(20):
            (draft.path / "model" / f"m{number}.py").touch()
        with pytest.raises(UnsettledError, match="more than 10 files"):
            draft.changes()
        for number in range(20):
            (draft.path / "model" / f"m{number}.py").unlink()


def test_nothing_is_left_of_it():
    with drafting() as (draft, _):
        pass
    assert not draft.private.exists()


def test_the_bytes_of_mutable_files_and_notes_are_taken():
    with drafting() as (draft, reports):
        (draft.path / "train.py").write_bytes(b"A = 2\n")
        (draft.path / "model" / "layers.py").write_bytes(b"B = 9\n")
        (draft.path / "LEARNING.md").write_bytes(b"learnt\n")
        changes = draft.changes()
    assert changes == (
        Change(path="train.py", content=b"A = 2\n"),
        Change(path="model/layers.py", content=b"B = 9\n"),
        Change(path="LEARNING.md", content=b"learnt\n"),
    )
    assert reports.said == []


def test_an_untouched_draft_changes_nothing():
    with drafting() as (draft, reports):
        assert draft.changes() == ()
    assert reports.said == []


def test_a_file_that_is_gone_is_a_deletion_for_the_review_to_refuse():
    with drafting() as (draft, _):
        (draft.path / "train.py").unlink()
        assert draft.changes() == (Change(path="train.py", content=None),)


def test_a_huge_file_is_cut_where_no_policy_would_take_it():
    with drafting() as (draft, _):
        with (draft.path / "train.py").open("wb") as file:
            file.truncate(10 * MOST_BYTES)
        [change] = draft.changes()
    assert len(change.content) == MOST_BYTES


@pytest.mark.parametrize("path", ["run.sh", "model/frozen.py", ".autoresearch/brief.md"])
def test_a_frozen_file_that_is_written_is_noted_at_once_and_does_not_count(path):
    with drafting() as (draft, reports):
        before = (draft.path / path).read_bytes()
        (draft.path / path).chmod(0o600)
        (draft.path / path).write_bytes(b"mine now\n")
        reports.wait_for(path)
        draft.compare()
        assert reports.paths() == [path], "noted once for as long as it stays"
        assert draft.changes() == ()
        assert any(path in told for told in draft.told())
        assert draft.told() == ()
        draft.lay_out({"brief.md": b"do it\n"})
        assert (draft.path / path).read_bytes() == before


def test_a_frozen_file_that_is_removed_is_noted_and_back_in_the_next_layout():
    with drafting() as (draft, reports):
        (draft.path / "run.sh").unlink()
        reports.wait_for("run.sh")
        assert draft.changes() == ()
        draft.lay_out({"brief.md": b"do it\n"})
        assert (draft.path / "run.sh").read_bytes() == FILES["run.sh"].content
        draft.compare(end=True)
    assert reports.paths() == ["run.sh"]


def test_what_is_put_right_and_broken_again_is_noted_again(monkeypatch):
    monkeypatch.setattr("runner.agents.draft_folder.DraftFolder.on_any_event", lambda *_: None)
    with drafting() as (draft, reports):
        for _ in range(2):
            (draft.path / "evil.py").write_bytes(b"x")
            draft.compare()
            (draft.path / "evil.py").unlink()
            draft.compare()
    assert reports.paths() == ["evil.py"] * 2


def test_a_new_file_is_noted_and_gone_in_the_next_layout():
    with drafting() as (draft, reports):
        (draft.path / "evil.py").write_bytes(b"x")
        reports.wait_for("evil.py")
        assert draft.changes() == ()
        draft.lay_out({"brief.md": b"do it\n"})
        assert not (draft.path / "evil.py").exists()


def test_a_new_folder_is_noted_and_gone_with_all_that_is_in_it(tmp_path):
    keep = tmp_path / "keep.txt"
    keep.write_text("mine")
    with drafting() as (draft, reports):
        (draft.path / "junk").mkdir()
        reports.wait_for("junk")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "link").symlink_to(tmp_path)
        (tmp_path / "made").rename(draft.path / "made")
        reports.wait_for("made")
        draft.lay_out({"brief.md": b"do it\n"})
        assert not (draft.path / "junk").exists()
        assert not (draft.path / "made").exists()
    assert not draft.private.exists()
    assert keep.read_text() == "mine"


def test_a_link_in_place_of_a_mutable_file_is_never_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"the labels")
    with drafting() as (draft, reports):
        (draft.path / "train.py").unlink()
        (draft.path / "train.py").symlink_to(secret)
        assert draft.changes() == ()
        reports.wait_for("train.py")
        draft.lay_out({"brief.md": b"do it\n"})
        assert (draft.path / "train.py").read_bytes() == FILES["train.py"].content
        assert not (draft.path / "train.py").is_symlink()
    assert secret.read_bytes() == b"the labels"


def test_a_pipe_in_place_of_a_mutable_file_holds_nobody_up():
    with drafting() as (draft, reports):
        (draft.path / "train.py").unlink()
        os.mkfifo(draft.path / "train.py")
        assert draft.changes() == ()
        reports.wait_for("train.py")


def test_a_link_in_place_of_a_folder_is_never_followed(tmp_path):
    (tmp_path / "layers.py").write_bytes(b"not yours")
    (tmp_path / "frozen.py").write_bytes(b"not yours")
    with drafting() as (draft, reports):
        (draft.path / "model").rename(draft.home / "elsewhere")
        (draft.path / "model").symlink_to(tmp_path)
        draft.compare()
        assert draft.changes() == ()
        draft.lay_out({"brief.md": b"do it\n"})
        assert (draft.path / "model" / "frozen.py").read_bytes() == FILES["model/frozen.py"].content
        assert not (draft.path / "model").is_symlink()
    assert "model" in reports.paths()
    assert (tmp_path / "layers.py").read_bytes() == b"not yours"
    assert (tmp_path / "frozen.py").read_bytes() == b"not yours"


def test_an_editor_that_writes_beside_a_file_and_renames_is_let_be():
    with drafting() as (draft, reports):
        for number in range(20):
            beside = draft.path / f"train.py.tmp.{number}.abc"
            beside.write_bytes(b"A = %d\n" % number)
            beside.rename(draft.path / "train.py")
        assert draft.changes() == (Change(path="train.py", content=b"A = 19\n"),)
    assert reports.said == []


def test_what_an_editor_leaves_behind_is_reported_in_the_end():
    with drafting() as (draft, reports):
        (draft.path / "train.py~").write_bytes(b"A = 1\n")
        draft.compare()
        assert reports.said == []
    assert reports.paths() == ["train.py~"]


def test_a_last_look_finds_what_the_watch_has_missed(monkeypatch):
    monkeypatch.setattr("runner.agents.draft_folder.DraftFolder.on_any_event", lambda *_: None)
    with drafting() as (draft, reports):
        (draft.path / "new.py").write_bytes(b"x")
        (draft.path / "run.sh").unlink()
        assert reports.said == []
    assert sorted(reports.paths()) == ["new.py", "run.sh"]


def test_a_flood_is_reported_fifty_times_and_gone_in_the_next_layout():
    with drafting() as (draft, reports):
        for number in range(200):
            (draft.path / f"flood{number}").write_bytes(b"x")
        draft.compare()
        draft.lay_out({"brief.md": b"do it\n"})
        assert not list(draft.path.glob("flood*"))
    assert len(reports.said) == 50


def test_a_report_that_fails_is_raised_to_whoever_compares():
    def full(path, what):
        raise JournalError("the disk is full")

    with draft_folder(CONTEXT, about={}, report=full) as draft:
        (draft.path / "evil.py").write_bytes(b"x")
        with pytest.raises(JournalError):
            draft.compare()
        (draft.path / "evil.py").unlink()


def test_what_may_be_read_is_laid_out_anew_and_what_was_written_stays():
    with drafting(answer="proposal.json") as (draft, reports):
        (draft.path / "train.py").write_bytes(b"A = 2\n")
        (draft.path / "model" / "layers.py").unlink()
        (draft.path / "proposal.json").write_bytes(b"{}")
        draft.lay_out({"brief.md": b"do it again\n"})
        assert (draft.path / ".autoresearch" / "brief.md").read_bytes() == b"do it again\n"
        assert draft.content("proposal.json") == b"{}"
        assert draft.changes() == (
            Change(path="train.py", content=b"A = 2\n"),
            Change(path="model/layers.py", content=None),
        )
    assert reports.said == []


def test_an_answer_may_be_written_and_is_no_change():
    with drafting(answer="proposal.json") as (draft, reports):
        (draft.path / "proposal.json").write_bytes(b"{}")
        assert draft.content("proposal.json") == b"{}"
        assert draft.changes() == ()
    assert reports.said == []


def test_a_workspace_file_is_no_place_for_an_answer():
    with pytest.raises(ConfigError), drafting(answer="run.sh"):
        pass


@pytest.fixture
def ordinary_user():
    """To root no folder is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def temporary_folder(monkeypatch):
    """One that any user can write to, and that is empty again at the end."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []


def test_folders_within_folders_go_however_deep_they_are(temporary_folder):
    made = temporary_folder / "made"
    made.mkdir()
    at = os.open(made, os.O_RDONLY)
    for _ in range(1_200):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    with drafting() as (draft, reports):
        made.rename(draft.path / "made")
        reports.wait_for("made")
        draft.compare()
    assert not draft.private.exists()


def test_what_an_agent_closed_to_everybody_is_opened_again(
    temporary_folder, ordinary_user, monkeypatch
):
    monkeypatch.setattr("runner.agents.draft_folder.DraftFolder.on_any_event", lambda *_: None)
    with drafting() as (draft, _):
        (draft.path / "train.py").write_bytes(b"A = 2\n")
        (draft.path / "junk" / "inner").mkdir(parents=True)
        (draft.path / "junk" / "inner" / "file").write_bytes(b"x")
        for closed in ("train.py", "run.sh", "model", "junk/inner", "junk", ""):
            (draft.path / closed).chmod(0)
        draft.compare()
        assert draft.changes() == (Change(path="train.py", content=b"A = 2\n"),)
    assert not draft.private.exists()


BUSTLE = """
import os, random, shutil, sys, time
from contextlib import suppress

# Whoever follows a link of its making comes to a folder of the test's, never to the machine's.
root, elsewhere, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
paths = ["train.py", "run.sh", "model", "model/layers.py", "model/frozen.py", "junk"]

def fill(path):
    os.makedirs(path, exist_ok=True)
    for number in range(20):
        open(f"{path}/{number}", "w").close()

def swap(path):
    os.rename(path, f"{root}/{random.random()}")
    os.symlink(elsewhere, path)

def become(path):
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        os.unlink(path)
    random.choice([os.mkdir, os.mkfifo, fill])(path)

acts = [
    fill, swap, become, os.unlink, shutil.rmtree,
    lambda path: os.chmod(path, 0),
    lambda path: os.rename(path, f"{root}/model/{random.random()}"),
    lambda path: os.makedirs(path + "/d" * 300),
    lambda path: os.rename(path, f"{path}~"),
    lambda path: os.mkdir(f"{root}/train.py"),
    lambda path: open(f"{root}/{random.random()}", "w").close(),
]
print("busy", flush=True)
until = time.monotonic() + seconds
while time.monotonic() < until:
    with suppress(OSError):
        random.choice(acts)(f"{root}/{random.choice(paths)}")
"""


@contextmanager
def bustling(root, seconds):
    """Somebody who fills, moves, closes and replaces what is in a folder, all the time."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as elsewhere,
        subprocess.Popen(
            [sys.executable, "-c", BUSTLE, str(root), elsewhere, str(seconds)],
            stdout=subprocess.PIPE,
        ) as process,
    ):
        try:
            assert process.stdout.readline() == b"busy\n"
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_bustle_in_the_draft_fails_a_proposal_at_most(temporary_folder, monkeypatch):
    """A folder is filled while it is removed, swapped for a link, closed: no matter when."""
    died = []
    monkeypatch.setattr(threading, "excepthook", lambda found: died.append(found))
    done = dict.fromkeys(("compare", "lay_out", "changes", "content", "end"), 0)
    for _ in range(5):
        with suppress(UnsettledError), drafting(answer="proposal.json") as (draft, _):
            with bustling(draft.path, seconds=60):
                until = time.monotonic() + 0.8
                while time.monotonic() < until:
                    for name, arguments in (
                        ("compare", ()),
                        ("lay_out", ({"brief.md": b"again\n"},)),
                        ("changes", ()),
                        ("content", ("proposal.json",)),
                    ):
                        with suppress(UnsettledError):
                            getattr(draft, name)(*arguments)
                            done[name] += 1
            done["end"] += 1
    assert all(done.values()), done
    assert not died, "the watch goes on"


def test_a_draft_that_was_taken_away_fails_the_proposal():
    places = []

    def take_it_away():
        with drafting() as (draft, _):
            places.append(draft.private)
            draft.path.rename(draft.private / "elsewhere")
            draft.path.symlink_to("/etc")

    with pytest.raises(UnsettledError):
        take_it_away()
    assert not places[0].exists()


def test_a_full_disk_is_not_the_agent_s_failure(monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WorkspaceError, match="No space left"), drafting():
        monkeypatch.setattr("runner.agents.beneath.names", full)
