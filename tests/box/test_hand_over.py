"""What is handed over from inside a box, with other folders in the place of its own."""

from __future__ import annotations

import base64

import pytest

from harness.box import inside


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with two files, as it was given."""
    for name, place in (("GIVEN", tmp_path / "given"), ("WORKSPACE", tmp_path / "workspace")):
        (place / "src").mkdir(parents=True)
        (place / "src" / "train.py").write_text("A = 1\n")
        (place / "src" / "model.py").write_text("B = 1\n")
        monkeypatch.setattr(inside, name, place)
    return tmp_path / "workspace"


def test_what_was_changed_added_and_removed_is_handed_over(workspace):
    (workspace / "src" / "train.py").write_text("A = 2\n")
    (workspace / "src" / "model.py").unlink()
    (workspace / "src" / "new.py").write_text("")
    (workspace / "proposal.json").write_text("{}")
    said = {"src/train.py": base64.b64encode(b"A = 2\n").decode(), "src/new.py": ""}
    assert inside.draft() == {"changed": {**said, "src/model.py": None}, "words": "{}"}


def test_no_crowd_of_tries_takes_a_file_away(workspace, monkeypatch):
    monkeypatch.setattr(inside, "MOST_FILES", 3)
    (workspace / "tries").mkdir()
    for number in range(5):
        (workspace / "tries" / f"{number}.txt").touch()
    (workspace / "src" / "train.py").write_text("A = 2\n")
    changed = inside.draft()["changed"]
    assert None not in changed.values()
    assert base64.b64decode(changed["src/train.py"]) == b"A = 2\n"


def test_what_is_reached_by_a_link_does_not_stand_there(workspace):
    (workspace / "src").rename(workspace / "other")
    (workspace / "src").symlink_to(workspace / "other")
    (workspace / "other" / "model.py").unlink()
    (workspace / "other" / "model.py").symlink_to("train.py")
    changed = inside.draft()["changed"]
    assert changed == {"src/train.py": None, "src/model.py": None, "other/train.py": "QSA9IDEK"}
