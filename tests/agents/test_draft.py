"""A draft shows what the context holds, and takes edits where the policy lets it."""

from __future__ import annotations

import pytest

from runner.agents.draft import MOST_SHOWN, Draft
from runner.patterns import FilePatterns
from runner.records import EXECUTABLE, Change, File

FILES = {
    "train.py": File(content=b"A = 1\nB = 2\nA = 1\n"),
    "run.sh": File(content=b"#!/bin/sh\n", mode=EXECUTABLE),
    "scratchpad.md": File(content=b"# Notes\n"),
    "picture.png": File(content=b"\x89PNG\xff"),
}


@pytest.fixture
def draft():
    return Draft(FILES, FilePatterns(mutable=("train.py", "new.py"), notes=("scratchpad.md",)))


def view(draft, path="train.py", **more):
    return draft.edit({"command": "view", "path": path, **more})


def test_a_new_draft_has_no_changes(draft):
    assert draft.changes() == ()


def test_viewing_numbers_the_lines(draft):
    assert view(draft).text.splitlines()[1] == "     2\tB = 2"
    assert view(draft, view_range=[2, 2]).text == "     2\tB = 2"
    assert view(draft, view_range=[3, -1]).text.startswith("     3\tA = 1")


def test_frozen_files_can_be_read_and_the_folder_lists_them(draft):
    assert "#!/bin/sh" in view(draft, "run.sh").text
    assert view(draft, ".").text.split() == sorted(FILES)


@pytest.mark.parametrize("path", ["/workspace/train.py", "./train.py", "train.py"])
def test_the_workspace_may_be_named_as_containers_see_it(draft, path):
    assert not view(draft, path).failed


@pytest.mark.parametrize(
    "path", ["/harness/scoring/auc.py", "../harness/kit/data.py", "/etc/passwd", "harness/x.py"]
)
def test_what_is_not_in_the_context_is_not_there(draft, path):
    said = view(draft, path)
    assert said.failed
    assert "there is no file" in said.text


def test_a_unique_text_is_replaced(draft):
    said = draft.edit(
        {"command": "str_replace", "path": "train.py", "old_str": "B = 2", "new_str": "B = 3"}
    )
    assert said.text == "train.py: replaced at line 2"
    assert draft.changes() == (Change(path="train.py", content=b"A = 1\nB = 3\nA = 1\n"),)


@pytest.mark.parametrize("words", ["insert_text", "new_str"])
@pytest.mark.parametrize("ending", ["", "\n"])
def test_lines_are_inserted_under_either_name(draft, words, ending):
    draft.edit({"command": "insert", "path": "train.py", "insert_line": 1, words: f"X = 0{ending}"})
    assert draft.changes()[0].content == b"A = 1\nX = 0\nB = 2\nA = 1\n"


def test_a_mutable_file_that_is_not_there_yet_can_be_created(draft):
    draft.edit({"command": "create", "path": "new.py", "file_text": "C = 3\n"})
    assert draft.changes() == (Change(path="new.py", content=b"C = 3\n"),)
    assert "C = 3" in view(draft, "new.py").text


def test_a_new_file_may_be_created_where_the_policy_lets_some_be_added():
    patterns = FilePatterns(mutable=("src/*.py",), frozen=("src/split.py",), may_add=True)
    draft = Draft(FILES, patterns)
    said = {
        path: draft.edit({"command": "create", "path": path, "file_text": "A = 1\n"}).failed
        for path in ("src/blocks.py", "src/split.py", "src/a/b.py", "train.py", "run.sh")
    }
    assert [path for path, failed in said.items() if not failed] == ["src/blocks.py"]
    assert draft.changes() == (Change(path="src/blocks.py", content=b"A = 1\n"),)
    assert "src/blocks.py" in draft.edit({"command": "view", "path": "."}).text
    still = Draft(FILES, FilePatterns(mutable=patterns.mutable))
    assert still.edit({"command": "create", "path": "src/a.py", "file_text": ""}).failed


def test_what_a_pattern_matches_may_be_taken_away_and_come_back():
    files = {**FILES, "src/old.py": File(content=b"B = 2\n")}
    patterns = FilePatterns(mutable=("train.py", "src/*.py"), may_add=True)
    draft = Draft(files, patterns)
    create = {"command": "create", "path": "src/new.py", "file_text": "A = 1\n"}
    assert not draft.edit(create).failed
    assert not any(draft.remove(path).failed for path in ("src/new.py", "src/old.py"))
    assert draft.changes() == (Change(path="src/old.py", content=None),)
    assert draft.edit({"command": "view", "path": "src/old.py"}).failed
    for path, why in (
        ("train.py", "must stay"),
        ("run.sh", "must stay"),
        ("src/old.py", "no file"),
    ):
        assert why in draft.remove(path).text
    assert not draft.edit({**create, "path": "src/old.py"}).failed
    assert draft.changes() == (Change(path="src/old.py", content=b"A = 1\n"),)
    assert Draft(files, FilePatterns(mutable=patterns.mutable)).remove("src/old.py").failed


def test_a_change_that_was_taken_back_is_none(draft):
    for old, new in (("B = 2", "B = 3"), ("B = 3", "B = 2")):
        draft.edit({"command": "str_replace", "path": "train.py", "old_str": old, "new_str": new})
    assert draft.changes() == ()


def test_notes_are_changes_too(draft):
    draft.edit({"command": "create", "path": "scratchpad.md", "file_text": "seen\n"})
    assert [change.path for change in draft.changes()] == ["scratchpad.md"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        pytest.param({"command": "view", "path": "picture.png"}, "not text", id="binary"),
        pytest.param({"command": "undo_edit", "path": "train.py"}, "must be one of", id="unknown"),
        pytest.param({"command": "view"}, "path must be given", id="no path"),
        pytest.param(
            {"command": "view", "path": "train.py", "view_range": [9, 2]},
            "view_range must be",
            id="a range that is none",
        ),
        pytest.param(
            {"command": "str_replace", "path": "train.py", "old_str": "A = 1", "new_str": "x"},
            "2 times, at lines 1, 3",
            id="ambiguous",
        ),
        pytest.param(
            {"command": "str_replace", "path": "train.py", "old_str": "Z", "new_str": "x"},
            "not in train.py",
            id="absent",
        ),
        pytest.param(
            {"command": "str_replace", "path": "train.py", "old_str": "", "new_str": "x"},
            "empty",
            id="nothing to replace",
        ),
        pytest.param(
            {"command": "str_replace", "path": "train.py", "old_str": "B = 2"},
            "new_str must be given",
            id="half an input is no deletion",
        ),
        pytest.param(
            {"command": "insert", "path": "train.py", "insert_line": 99, "insert_text": "x"},
            "from 0 to 4",
            id="beyond the end",
        ),
        pytest.param(
            {"command": "create", "path": "run.sh", "file_text": "x"},
            "you may change: train.py, new.py, scratchpad.md",
            id="frozen",
        ),
        pytest.param(
            {"command": "create", "path": "../../etc/cron.d/x", "file_text": "x"},
            "may not be changed",
            id="outside",
        ),
    ],
)
def test_what_cannot_be_done_is_explained_and_changes_nothing(draft, command, words):
    said = draft.edit(command)
    assert said.failed
    assert words in said.text
    assert draft.changes() == ()


def test_a_huge_file_is_cut_off_and_says_how_to_see_the_rest():
    draft = Draft({"big": File(content=b"x" * 2 * MOST_SHOWN)}, FilePatterns(mutable=()))
    assert "view a range" in view(draft, "big").text
    assert len(view(draft, "big").text) < MOST_SHOWN + 100


def test_a_file_keeps_its_mode():
    draft = Draft(FILES, FilePatterns(mutable=("run.sh",)))
    draft.edit({"command": "create", "path": "run.sh", "file_text": "#!/bin/bash\n"})
    assert draft.changes()[0].mode == EXECUTABLE


def test_text_that_no_encoding_holds_is_left_to_the_review(draft):
    draft.edit({"command": "create", "path": "train.py", "file_text": "\ud800"})
    assert draft.changes()[0].content == b"\xed\xa0\x80"


def test_what_is_there_a_hundred_thousand_times_is_counted_to_twenty():
    """A count of each from the start of the file would take hours for a file of a megabyte."""
    draft = Draft(FILES, FilePatterns(mutable=("train.py",)))
    draft.edit({"command": "create", "path": "train.py", "file_text": "a\n" * 500_000})
    edit = {"command": "str_replace", "path": "train.py", "old_str": "a", "new_str": "b"}
    said = draft.edit(edit)
    assert said.failed
    assert f"many times, first at lines {', '.join(map(str, range(1, 21)))}" in said.text
    assert "21" not in said.text
