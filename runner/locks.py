"""Who works on what: one supervisor per tag, one run per device, told apart by name.

The lock is the operating system's, so it is gone with its holder, however that one died.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from runner.errors import BusyError

WAIT_SECONDS = 1.0


@contextmanager
def tag_lock(folder: Path, tag: str) -> Iterator[None]:
    """Hold a tag, or raise `BusyError` saying who does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    lock = FileLock(path, mode=0o666)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"{tag} is in use by {holder(path)}", hint="choose another TAG, or end that one first"
        ) from None
    with _held(lock, path, tag):
        yield


@contextmanager
def device_lock(device: str, tag: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a device of this machine, waiting for whoever has it and saying for whom."""
    path = _devices() / f"{device}.lock"
    lock = FileLock(path, mode=0o666)
    told = None
    while not lock.is_locked:
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout:
            if (who := holder(path)) != told:
                say(f"waiting for device {device}, in use by {who}")
                told = who
    with _held(lock, path, tag):
        yield


def holder(path: Path) -> str:
    """Say who holds a lock, as far as it told."""
    try:
        said = json.loads(_name_tag(path).read_text())
        return f"run {said['tag']} (process {said['pid']})"
    except (OSError, ValueError, KeyError):
        return "somebody who did not leave a name"


@contextmanager
def _held(lock: FileLock, path: Path, tag: str) -> Iterator[None]:
    """Leave our name beside a lock that we have, and free it afterwards."""
    try:
        _name_tag(path).unlink(missing_ok=True)  # it may belong to another user
        _name_tag(path).write_text(json.dumps({"tag": tag, "pid": os.getpid()}))
        yield
    finally:
        lock.release()


def _name_tag(path: Path) -> Path:
    return path.with_suffix(".holder")


def _devices() -> Path:
    """A folder that every user of the machine shares; a device is not one user's own."""
    folder = Path(tempfile.gettempdir()) / "autoresearch-runner-devices"
    folder.mkdir(exist_ok=True)
    with suppress(PermissionError):
        folder.chmod(0o777)
    return folder
