"""Fresh copies of reviewed bytes on disk, one set per container, and a look at them afterwards."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.records import EXECUTABLE, File, Files

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours in it, that only we can enter


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that only we can enter; it is gone afterwards."""
    path.mkdir(parents=True, mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def memory_root(otherwise: Path) -> Path:
    """Return where files that agent code may write are staged: in memory, where there is such.

    `fsize` counts a file's bytes. On a disk, fallocate takes blocks beyond them, as many as there
    are; in memory it may not, and what is taken counts as the container's own.
    """
    ours = SHARED_MEMORY.is_mount() and os.access(SHARED_MEMORY, os.W_OK | os.X_OK)
    return SHARED_MEMORY if ours else otherwise


def sweep(root: Path, prefix: str) -> None:
    """Remove the folders that a killed supervisor of ours left under names that begin so.

    In shared memory anybody can plant such a name. What is no real folder of ours is let be: a
    fresh folder has a name that nobody can guess, so it is in nobody's way.
    """
    for left in root.glob(f"{prefix}*"):
        found = left.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            shutil.rmtree(left)


def empty_tree(root: Path) -> Path:
    """Make a folder that any user may read; it can be mounted before `write_tree` fills it."""
    root.mkdir(parents=True, mode=0o755)
    return root


def write_tree(root: Path, files: Files) -> Path:
    """Write a tree that any user may read and nobody else may write; return its root."""
    root.mkdir(mode=0o755, exist_ok=True)
    for path, file in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, file, mode=0o755 if file.mode == EXECUTABLE else 0o644)
    for directory in [root, *(found for found in root.rglob("*") if found.is_dir())]:
        directory.chmod(0o755)
    return root


def empty_mutable(root: Path, names: Sequence[str]) -> dict[str, Path]:
    """Make each mutable file alone, so that it can be mounted alone; return path → host file.

    Mode 0666 lets another user's container write it without the supervisor being root; the
    0700 folder around it keeps everybody else on the host away.
    """
    root.mkdir(mode=0o700)
    staged = {name: root / str(index) for index, name in enumerate(names)}
    for target in staged.values():
        _write(target, File(content=b""), mode=0o666)
    return staged


def write_mutable(staged: Mapping[str, Path], files: Files) -> None:
    """Write the reviewed bytes of each mutable file."""
    for name, target in staged.items():
        target.write_bytes(files[name].content)


def changed(staged: Mapping[str, Path], files: Files) -> tuple[str, ...]:
    """Name the staged files that no longer hold the reviewed bytes."""
    return tuple(name for name, path in staged.items() if not _same(path, files[name].content))


def _same(path: Path, content: bytes) -> bool:
    # The size first: the file may have been blown up to the quota.
    return path.stat().st_size == len(content) and path.read_bytes() == content


def _write(target: Path, file: File, *, mode: int) -> None:
    target.write_bytes(file.content)
    target.chmod(mode)
