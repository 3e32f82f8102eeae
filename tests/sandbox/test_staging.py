from __future__ import annotations

import os
import stat

import pytest

from runner.records import EXECUTABLE, SYMLINK, File
from runner.sandbox import staging

FILES = {
    "run.sh": File(content=b"#!/bin/sh\n", mode=EXECUTABLE),
    "train.py": File(content=b"LR = 1\n"),
    "src/deep/model.py": File(content=b""),
}


@pytest.fixture(autouse=True, params=[0o022, 0o077, 0o000])
def umask(request):
    """Whatever the person's umask is."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def fresh(root, files, names) -> dict:
    staged = staging.empty_mutable(root, names)
    staging.write_mutable(staged, files)
    return staged


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_tree_is_readable_by_any_user_and_writable_by_none_else(tmp_path):
    root = staging.write_tree(tmp_path / "workspace", FILES)
    modes = {path.relative_to(root).as_posix(): mode(path) for path in root.rglob("*")}
    assert modes == {
        "run.sh": 0o755,
        "train.py": 0o644,
        "src": 0o755,
        "src/deep": 0o755,
        "src/deep/model.py": 0o644,
    }
    assert mode(root) == 0o755
    assert {path: (root / path).read_bytes() for path in FILES} == {
        path: file.content for path, file in FILES.items()
    }


def test_a_link_is_never_made_on_the_host(tmp_path):
    root = staging.write_tree(tmp_path / "w", {"x": File(content=b"/etc/passwd", mode=SYMLINK)})
    assert not (root / "x").is_symlink()
    assert (root / "x").read_bytes() == b"/etc/passwd"


def test_a_mutable_file_is_writable_by_the_container_behind_a_folder_that_is_closed(tmp_path):
    with staging.folder(tmp_path / "mutable") as closed:
        staged = fresh(closed / "0", FILES, ["train.py"])
        assert mode(staged["train.py"]) == 0o666
        assert mode(staged["train.py"].parent) == 0o700
        assert staged["train.py"].read_bytes() == b"LR = 1\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"LR = 1\n", ()),
        (b"LR = 2\n", ("train.py",)),
        (b"LR = 1\n ", ("train.py",)),
        (b"", ("train.py",)),
    ],
)
def test_what_training_changed_on_disk_is_named(tmp_path, content, expected):
    staged = fresh(tmp_path / "0", FILES, ["train.py", "run.sh"])
    staged["train.py"].write_bytes(content)
    assert staging.changed(staged, FILES) == expected


def test_a_blown_up_file_is_not_read(tmp_path):
    staged = fresh(tmp_path / "0", FILES, ["train.py"])
    os.truncate(staged["train.py"], 2**40)
    assert staging.changed(staged, FILES) == ("train.py",)


def test_a_folder_is_ours_alone_and_gone_afterwards_whatever_happens(tmp_path):
    path = tmp_path / "a" / "b"
    with staging.folder(path) as folder:
        assert mode(folder) == 0o700
        staging.write_tree(folder / "w", FILES)
    assert not path.exists()
    with pytest.raises(KeyError), staging.folder(path):
        raise KeyError
    assert not path.exists()


def test_a_folder_that_is_there_already_is_never_taken_for_fresh(tmp_path):
    with pytest.raises(FileExistsError), staging.folder(tmp_path):
        pass
    assert tmp_path.exists()


def test_files_of_one_name_in_several_folders_are_each_alone(tmp_path):
    files = {f"{folder}x.py": File(content=folder.encode()) for folder in ("", "a/", "a/b/")}
    staged = fresh(tmp_path / "files", files, tuple(files))
    assert len(set(staged.values())) == 3
    assert {path: place.read_bytes() for path, place in staged.items()} == {
        path: file.content for path, file in files.items()
    }
    staged["a/x.py"].write_bytes(b"mine")
    assert staging.changed(staged, files) == ("a/x.py",)


def test_a_mutable_file_is_there_and_empty_before_it_is_anybody_s(tmp_path):
    staged = staging.empty_mutable(tmp_path / "files", ["train.py"])
    place = staged["train.py"].stat()
    assert (place.st_size, mode(staged["train.py"])) == (0, 0o666)
    staging.write_mutable(staged, FILES)
    assert staged["train.py"].stat().st_ino == place.st_ino, "the file that was mounted"


def test_a_tree_is_filled_where_it_was_mounted_empty(tmp_path):
    root = staging.empty_tree(tmp_path / "deep" / "workspace")
    place = root.stat().st_ino
    assert list(root.iterdir()) == []
    staging.write_tree(root, FILES)
    assert (root.stat().st_ino, mode(root)) == (place, 0o755)
