from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from runner import locks
from runner.errors import BusyError, StoppedError
from runner.locks import device_lock, tag_lock

HOLD_TAG = "with locks.tag_lock(Path(sys.argv[1]), 'nov21'): hold()"
HOLD_DEVICE = "with locks.device_lock(['cpu-0'], 'nov21', print, threading.Event()): hold()"
PROGRAM = """
import sys, threading
from pathlib import Path
from runner import locks

def hold():
    print("held", flush=True)
    sys.stdin.read()

locks.runtime_folder = lambda: Path(sys.argv[2])
{body}
"""


@pytest.fixture(autouse=True)
def devices(tmp_path, monkeypatch):
    """Keep this test's devices apart from the machine's own."""
    monkeypatch.setattr(locks, "runtime_folder", lambda: tmp_path)
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.05)


@contextmanager
def another_process(body: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM.format(body=body), str(folder), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_tag_in_use_is_refused_naming_its_holder(tmp_path):
    with another_process(HOLD_TAG, tmp_path) as process:
        expected = rf"nov21 is in use by run nov21 \(process {process.pid}\)"
        with pytest.raises(BusyError, match=expected), tag_lock(tmp_path, "nov21"):
            pass


def test_a_tag_is_free_once_its_holder_was_killed(tmp_path):
    with another_process(HOLD_TAG, tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with tag_lock(tmp_path, "nov21"):
            assert locks.holder(tmp_path / "lock") == f"run nov21 (process {os.getpid()})"


def test_two_tags_do_not_meet(tmp_path):
    with tag_lock(tmp_path / "a", "a"), tag_lock(tmp_path / "b", "b"):
        pass


def test_a_busy_device_is_waited_for_saying_for_whom(tmp_path):
    said: list[str] = []
    waiting, got_it = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        waiting.set()

    def wait_for_it() -> None:
        with device_lock(["cpu-0"], "nov22", say, threading.Event()):
            got_it.set()

    with another_process(HOLD_DEVICE, tmp_path) as process:
        waiter = threading.Thread(target=wait_for_it)
        waiter.start()
        assert waiting.wait(timeout=10)
        assert not got_it.is_set()
        process.send_signal(signal.SIGKILL)
        assert got_it.wait(timeout=10)
        waiter.join()
    assert said == [f"waiting for device cpu-0, in use by run nov21 (process {process.pid})"]


def test_parts_are_taken_in_one_order_whatever_order_they_are_named_in():
    """Else two that name them in different orders hold one each, and wait for good."""
    waiting, abort = threading.Event(), threading.Event()

    def wait_for_both() -> None:
        with (
            suppress(StoppedError),
            device_lock(["gpu-1", "gpu-0"], "nov22", lambda _: waiting.set(), abort),
        ):
            pass

    waiter = threading.Thread(target=wait_for_both)
    with device_lock(["gpu-0"], "nov21", lambda _: None, abort):
        waiter.start()
        assert waiting.wait(timeout=10)
        hurried = threading.Event()
        hurried.set()  # it is ended where it has to wait
        with device_lock(["gpu-1"], "nov21", lambda _: None, hurried):
            pass
    waiter.join()


def test_another_device_is_not_waited_for(tmp_path):
    said: list[str] = []
    with (
        another_process(HOLD_DEVICE, tmp_path),
        device_lock(["cpu-1"], "nov22", said.append, threading.Event()),
    ):
        assert said == []


def test_whoever_waits_for_a_device_can_be_ended(tmp_path):
    abort = threading.Event()
    with (
        another_process(HOLD_DEVICE, tmp_path),
        pytest.raises(StoppedError),
        device_lock(["cpu-0"], "nov22", lambda _: abort.set(), abort),
    ):
        pass


@pytest.mark.slow
def test_two_runs_take_turns_trial_by_trial(tmp_path):
    """Who gave a device back and wants it again stands behind the one that waited for it."""
    order: list[str] = []
    both = threading.Barrier(2)

    def run(tag: str) -> None:
        both.wait()
        for _ in range(6):
            with device_lock(["cpu-0"], tag, lambda _: None, threading.Event()):
                order.append(tag)
                time.sleep(0.3)

    threads = [threading.Thread(target=run, args=(tag,)) for tag in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    turns = sum(one != other for one, other in pairwise(order[1:-1]))
    assert turns >= 7, order


def test_what_fails_while_a_lock_is_held_is_not_taken_for_a_busy_lock(tmp_path):
    with pytest.raises(locks.Timeout), tag_lock(tmp_path, "nov21"):
        raise locks.Timeout("something else")
    with pytest.raises(locks.Timeout), device_lock(["cpu-0"], "nov21", print, threading.Event()):
        raise locks.Timeout("something else")


HOLD_GPUS = "with locks.device_lock(['gpu-1', 'gpu-2'], 'nov21', print, threading.Event()): hold()"


@pytest.mark.parametrize(
    ("parts", "waits"),
    [(["gpu-0", "gpu-1"], True), (["gpu-0"], False), (["cpu-0"], False)],
    ids=str,
)
def test_two_runs_that_share_a_gpu_wait_for_each_other_and_others_do_not(tmp_path, parts, waits):
    said: list[str] = []
    with another_process(HOLD_GPUS, tmp_path) as process:
        ender = threading.Timer(0.3, process.kill)
        ender.start()
        with device_lock(parts, "nov22", said.append, threading.Event()):
            assert (process.poll() is not None) is waits
        ender.join()
    who = f"run nov21 (process {process.pid})"
    assert said == ([f"waiting for device gpu-1, in use by {who}"] if waits else [])


def test_nobody_else_can_open_a_lock_and_so_hold_it(tmp_path):
    with tag_lock(tmp_path / "runs", "a"), device_lock(["cpu-0"], "a", print, threading.Event()):
        locked = (tmp_path / "cpu-0.lock", tmp_path / "cpu-0.next.lock")
        for path in (tmp_path / "runs" / "lock", *locked):
            assert not path.stat().st_mode & 0o007


@pytest.mark.parametrize("text", ["{broken", "[" * 9_000, "x" * 20_000, "null", "\ud800"])
def test_a_holder_without_a_name_is_still_one(tmp_path, text):
    (tmp_path / "lock.holder").write_text(text, errors="surrogatepass")
    assert locks.holder(tmp_path / "lock") == "somebody who did not leave a name"


def test_a_name_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "lock.holder")
    assert locks.holder(tmp_path / "lock") == "somebody who did not leave a name"


def turn_of(ours: str, others: str):
    return locks.turn(ours, others, lambda _: None, lambda: False)


def entered(ours: str, others: str) -> threading.Event:
    """Have a thread take a turn as soon as it can; set once it has it, and it keeps it."""
    there = threading.Event()

    def take() -> None:
        with turn_of(ours, others):
            there.set()
            time.sleep(0.2)

    threading.Thread(target=take).start()
    return there


BOX, TRIAL = (locks.BOXES, locks.TRIALS), (locks.TRIALS, locks.BOXES)


@pytest.mark.parametrize(("one", "other"), [(BOX, TRIAL), (TRIAL, BOX)])
def test_a_box_and_a_trial_are_never_at_work_together(one, other):
    with turn_of(*one):
        waits = entered(*other)
        assert not waits.wait(0.3)
    assert waits.wait(5)


@pytest.mark.parametrize("kind", [BOX, TRIAL])
def test_those_of_one_kind_are(kind):
    with turn_of(*kind), turn_of(*kind):
        pass


def test_who_waits_is_before_who_comes_later():
    with turn_of(*TRIAL):
        waits = entered(*BOX)
        time.sleep(0.2)
        later = entered(*TRIAL)
        assert not later.wait(0.3)
    assert waits.wait(5)
    assert later.wait(5)


def test_waiting_for_a_turn_ends_when_the_person_stops():
    with turn_of(*BOX), pytest.raises(StoppedError), locks.turn(*TRIAL, print, lambda: True):
        pass


def test_a_trial_s_device_comes_with_its_turn():
    with turn_of(*BOX):
        abort = threading.Event()
        abort.set()
        with pytest.raises(StoppedError), device_lock(["cpu-0"], "t", print, abort):
            pass
