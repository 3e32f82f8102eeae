from __future__ import annotations

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


def test_every_container_s_log_has_a_file_of_its_own():
    state = paths.State(Path("/s"))
    path = state.log("t1", 3, "decision-train-7", "predict images")
    assert path == Path("/s/runs/t1/logs/0003/decision-train-7-predict-images.log")
