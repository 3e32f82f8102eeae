"""The processor time that this container has taken, as the kernel's account of it says.

The account counts every process of the container, those that nobody waited for included. A
sandbox that shows none (gVisor) leaves what a process knows of itself and of the children that it
waited for; the supervisor reads the account from outside all the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MOST_BYTES = 4096


def clock(cpus: float) -> Callable[[], float]:
    """Return a clock that moves a second for each second of so many processors at work."""
    seconds = account()
    return lambda: seconds() / cpus


def account(groups: Path = GROUPS, own: Path = Path("/proc/self/cgroup")) -> Callable[[], float]:
    """Return what reads the processor seconds so far."""
    try:
        said = own.read_text()
    except OSError:
        said = ""
    for path, read in _accounts(groups, said):
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            _account(file, read)
        except (OSError, ValueError, IndexError):
            os.close(file)
            continue
        return partial(_account, file, read)
    return _own


def _account(file: int, read: Callable[[bytes], float]) -> float:
    return read(os.pread(file, MOST_BYTES, 0))


def _accounts(groups: Path, said: str) -> Iterator[tuple[Path, Callable[[bytes], float]]]:
    """Yield where an account may be, and how it is read: of control groups v1, then of v2.

    What a container sees begins with its own group, or with that of the whole machine.
    """
    for line in sorted(said.splitlines(), reverse=True):
        _, controllers, path = line.split(":", 2)
        for below in dict.fromkeys((path.strip("/"), "")):
            if "cpuacct" in controllers.split(","):
                for name in dict.fromkeys((controllers, "cpuacct")):
                    yield groups / name / below / "cpuacct.usage", _nanoseconds
            elif not controllers:
                yield groups / below / "cpu.stat", _statistics


def _nanoseconds(said: bytes) -> float:
    return int(said) / 1e9


def _statistics(said: bytes) -> float:
    name, value = said.split(maxsplit=2)[:2]
    if name != b"usage_usec":
        raise ValueError(name)
    return int(value) / 1e6


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
