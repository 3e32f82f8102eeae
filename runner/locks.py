"""Who works on what: one supervisor per tag, one run per device, told apart by name.

The lock is the operating system's, so it is gone with its holder, however that one died. The locks
of devices lie where nobody but their user can remove or hold them (`private`), so two users of one
machine do not wait for each other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from runner import given
from runner.errors import BusyError, ConfigError
from runner.private import runtime_folder

WAIT_SECONDS = 1.0
MOST_BYTES = 10_000
CPU, GPU = "cpu", "gpu"
LOCK_MODE = 0o660
"""For others a lock cannot even be opened, and so not be held."""


def device_of(gpus: int) -> str:
    """Name what a run occupies: `cpu`, or `gpu-0-1` for the first two GPUs."""
    return "-".join([GPU, *map(str, range(gpus))]) if gpus else CPU


def gpus_of(device: str) -> tuple[str, ...]:
    """Return the numbers of the GPUs that a device is made of, in their order."""
    return tuple(sorted(device.split("-")[1:], key=int))


@contextmanager
def tag_lock(folder: Path, tag: str) -> Iterator[None]:
    """Hold a tag, or raise `BusyError` saying who does."""
    path = folder / "lock"
    lock = FileLock(path, mode=LOCK_MODE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"{tag} is in use by {holder(path)}", hint="choose another TAG, or end that one first"
        ) from None
    except OSError as error:
        hint = "the state folder belongs to another user; RUNNER_HOME names one of your own"
        raise BusyError(f"{path}: {error.strerror}", hint=hint) from error
    with _held(lock, path, tag):
        yield


@contextmanager
def device_lock(device: str, tag: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a device of this machine, waiting for whoever has it and saying for whom.

    One of several GPUs is several locks, so that sets that overlap wait for each other, and they
    are taken in the order of their numbers, so that no two runs can block each other.
    """
    folder = runtime_folder()
    with ExitStack() as stack:
        for each in [f"{GPU}-{gpu}" for gpu in gpus_of(device)] or [device]:
            stack.enter_context(_one_device(folder / f"{each}.lock", each, tag, say))
        yield


@contextmanager
def _one_device(path: Path, device: str, tag: str, say: Callable[[str], None]) -> Iterator[None]:
    lock = FileLock(path, mode=LOCK_MODE)
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
        said = json.loads(given.read(_name_tag(path), most=MOST_BYTES))
        return f"run {said['tag']} (process {said['pid']})"
    except (ConfigError, ValueError, KeyError, TypeError, RecursionError):
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
