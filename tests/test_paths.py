from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner import paths
from runner.errors import ConfigError
from runner.records import EXECUTABLE, File


def test_every_task_has_its_three_rooms():
    assert paths.tasks()
    for task in paths.tasks():
        assert paths.require_task(task) == task
        assert {"run.sh", "program.md"} <= set(paths.template(task))


@pytest.mark.parametrize("task", ["nothing", "", "../policies/eclip", "ECLIP"])
def test_a_task_that_there_is_not_is_refused_naming_those_there_are(task):
    with pytest.raises(ConfigError) as refused:
        paths.require_task(task)
    assert "eclip" in refused.value.hint


def test_the_harness_comes_without_caches():
    files = paths.harness()
    assert "__main__.py" in files
    assert not [path for path in files if "__pycache__" in path]
    kit, rest = paths.below(files, "kit"), paths.without(files, "kit")
    assert len(kit) + len(rest) == len(files)
    assert "__init__.py" in kit
    assert not [path for path in rest if path.startswith("kit/")]


def test_a_tree_is_read_with_its_modes(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_bytes(b"\0")
    (tmp_path / "run.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    assert paths.read_tree(tmp_path) == {
        "run.sh": File(content=b"#!/bin/sh\n", mode=EXECUTABLE),
        "src/a.py": File(content=b"\0"),
    }


@pytest.mark.parametrize("target", ["/etc/passwd", ".", "nothing"])
def test_links_do_not_travel_into_a_run(tmp_path, target):
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ConfigError, match="not a plain file"):
        paths.read_tree(tmp_path)


def test_the_state_folder_is_chosen_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.state({"RUNNER_HOME": "~/x"}).root == tmp_path / "x"
    assert paths.state({}).root == paths.PROJECT / "state"


def test_two_state_folders_are_told_apart_on_one_engine():
    assert paths.State(Path("/a")).id != paths.State(Path("/b")).id


# -- which folder it is -----------------------------------------------------------------------


@pytest.fixture
def known(tmp_path) -> paths.State:
    """A folder that the engine has something of."""
    state = paths.State(tmp_path / "here")
    state.claim()
    return state


def moved(state: paths.State, to: str) -> paths.State:
    return paths.State(state.root.rename(state.root.with_name(to)))


def copied(state: paths.State, to: str) -> paths.State:
    return paths.State(Path(shutil.copytree(state.root, state.root.with_name(to))))


def test_a_folder_keeps_its_containers_and_volumes_wherever_it_is_moved(known):
    before = known.id
    there = moved(known, "a folder with spaces")
    assert there.id == before
    there.claim()
    assert moved(there, "elsewhere").id == before


def test_a_new_folder_at_an_old_place_is_another(known):
    before = known.id
    moved(known, "there")
    known.claim()
    assert known.id != before


def test_a_folder_of_before_ids_were_written_down_keeps_its_volumes(tmp_path):
    old = paths.State(tmp_path / "old")
    old.data("eclip").mkdir(parents=True)
    before = old.id
    old.claim()
    assert moved(old, "new").id == before


def test_a_copy_is_told_from_what_it_was_copied_from(known):
    copy = copied(known, "copy")
    assert (copy.original(), known.original()) == (known.root, None)
    with pytest.raises(ConfigError, match=f"copy is a copy of {known.root}") as refused:
        copy.claim()
    known.claim()
    assert f"rm {copy.root}/identity" in refused.value.hint
    copy.data("eclip").mkdir(parents=True)
    copy.identity.unlink()
    copy.claim()
    assert copy.id != known.id


def test_a_copy_takes_the_place_of_what_is_gone(known):
    copy, before = copied(known, "copy"), known.id
    shutil.rmtree(known.root)
    copy.claim()
    assert (copy.id, copy.original()) == (before, None)


def test_a_folder_with_two_names_is_no_copy(known):
    (known.root.parent / "link").symlink_to(known.root)
    linked = paths.State(known.root.parent / "link")
    linked.claim()
    assert linked.id == known.id


def test_who_comes_at_the_same_moment_gets_the_same_id(tmp_path):
    state = paths.State(tmp_path / "new")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: state.claim(), range(8)))
    assert [path.name for path in state.root.iterdir()] == ["identity"]


def test_an_id_that_was_changed_by_hand_is_said(known):
    known.identity.write_text("mine\n")
    with pytest.raises(ConfigError, match="was changed by hand"):
        _ = known.id


def test_every_container_s_log_has_a_file_of_its_own():
    state = paths.State(Path("/s"))
    path = state.log("t1", 3, "decision-train-7", "predict images")
    assert path == Path("/s/runs/t1/logs/0003/decision-train-7-predict-images.log")
