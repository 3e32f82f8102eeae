from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.records import File
from runner.sandbox import staging


@pytest.fixture
def closed_umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_another_user_can_read_a_staged_tree_whatever_the_umask(tmp_path, closed_umask):
    files = {"kit/deep/__init__.py": File(content=b""), "run.sh": File(content=b"")}
    root = staging.write_tree(tmp_path / "tree", files)
    unreadable = [path for path in (root, *root.rglob("*")) if not path.stat().st_mode & 0o004]
    assert unreadable == []


def test_what_agent_code_may_write_is_staged_in_memory(tmp_path):
    """On a disk fallocate takes blocks that the file size limit does not count."""
    root = staging.memory_root(tmp_path)
    memory = Path("/dev/shm")
    assert root == (memory if memory.is_mount() else tmp_path)
