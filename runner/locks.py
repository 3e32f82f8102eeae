"""Who works on what: one supervisor per tag, one trial per device, and trials or boxes in turns.

The lock is the operating system's, so it is gone with its holder, however that one died. The locks
of devices lie where nobody but their user can remove or hold them (`private`), so two users of one
machine do not wait for each other.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from runner import given
from runner.errors import BusyError, ConfigError, StoppedError
from runner.private import runtime_folder

WAIT_SECONDS = 0.5
TURN_SECONDS = 0.05
MOST_BYTES = 10_000
LOCK_MODE = 0o660
"""For others a lock cannot even be opened, and so not be held."""
TRIALS, BOXES = "trials", "boxes"


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
    try:
        with _named(path, tag):
            yield
    finally:
        lock.release()


@contextmanager
def device_lock(
    parts: Sequence[str], tag: str, say: Callable[[str], None], abort: threading.Event
) -> Iterator[None]:
    """Hold the parts of a device of this machine, waiting for whoever has them.

    They are taken in the order of their names, so that sets that overlap wait for each other and
    no two runs can block each other. Whoever waits stands at a turnstile before each, so a run that
    gave a part back does not get it again before the one that waits for it.

    Args:
        parts: their names, in any order.
        tag: the run's.
        say: told for whom it waits.
        abort: ends the waiting.

    Raises:
        StoppedError: `abort` was set.
    """
    folder = runtime_folder()
    with ExitStack() as stack:
        for part in sorted(parts):
            path = folder / f"{part}.lock"
            with _waited_for(folder / f"{part}.next.lock", part, say, abort):
                stack.enter_context(_waited_for(path, part, say, abort))
            stack.enter_context(_named(path, tag))
        stack.enter_context(turn(TRIALS, BOXES, say, abort.is_set))
        yield


@contextmanager
def turn(
    ours: str, others: str, say: Callable[[str], None], stop: Callable[[], bool]
) -> Iterator[None]:
    """Be among those of one kind at work on this machine, once nobody of the other kind is.

    Any number of trials run at once, or any number of agents' boxes, and never one beside the
    other. Whoever comes waits at a turnstile, behind those that came before it.

    Raises:
        StoppedError: `stop` said so while it waited.
    """
    folder = runtime_folder()
    with ExitStack() as stack:
        with _held(folder / "turn.lock", fcntl.LOCK_EX, others, say, stop):
            with _held(folder / f"{others}.lock", fcntl.LOCK_EX, others, say, stop):
                pass
            stack.enter_context(_held(folder / f"{ours}.lock", fcntl.LOCK_SH, others, say, stop))
        yield


@contextmanager
def _held(
    path: Path, how: int, others: str, say: Callable[[str], None], stop: Callable[[], bool]
) -> Iterator[None]:
    """Hold a file's lock, alone or with others, as soon as it can be had."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, LOCK_MODE)
    told = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop():
                    raise StoppedError("stopped by the person") from None
                if not told:
                    say(f"waiting for a turn: {others} are at work or wait for theirs")
                    told = True
                time.sleep(TURN_SECONDS)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _waited_for(
    path: Path, part: str, say: Callable[[str], None], abort: threading.Event
) -> Iterator[None]:
    lock, told = FileLock(path, mode=LOCK_MODE), None
    while not lock.is_locked:
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout:
            if abort.is_set():
                raise StoppedError("stopped by the person") from None
            device = path.with_name(f"{part}.lock")
            if (who := holder(device)) != told:
                say(f"waiting for device {part}, in use by {who}")
                told = who
    try:
        yield
    finally:
        lock.release()


def holder(path: Path) -> str:
    """Say who holds a lock, as far as it told."""
    try:
        said = json.loads(given.read(_name_tag(path), most=MOST_BYTES))
        return f"run {said['tag']} (process {said['pid']})"
    except (ConfigError, ValueError, KeyError, TypeError, RecursionError):
        return "somebody who did not leave a name"


@contextmanager
def _named(path: Path, tag: str) -> Iterator[None]:
    """Leave our name beside a lock that we have."""
    _name_tag(path).unlink(missing_ok=True)  # it may belong to another user
    _name_tag(path).write_text(json.dumps({"tag": tag, "pid": os.getpid()}))
    yield


def _name_tag(path: Path) -> Path:
    return path.with_suffix(".holder")
