"""Being here puts this folder on the import path, so that every test can `import fakes`."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from runner.paths import PROJECT, read_tree

TASK_ROOMS = ("policies", "harness", "workspace-template")


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard() -> None:
    """Whoever started the tests may ignore signals (`nohup`, a job in the background does), and
    what the tests start would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def tasks_stay_as_they_are() -> Iterator[None]:
    """What a test writes into the project itself would be found by the tests after it."""
    before = {room: read_tree(PROJECT / room) for room in TASK_ROOMS}
    yield
    after = {room: read_tree(PROJECT / room) for room in TASK_ROOMS}
    changed = [
        f"{room}/{name}"
        for room in TASK_ROOMS
        for name in sorted(before[room].keys() | after[room].keys())
        if before[room].get(name) != after[room].get(name)
    ]
    assert not changed, f"a test wrote into the project: {', '.join(changed)}"
