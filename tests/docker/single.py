"""One container by itself: what the tests that run code in one, and nothing else, share."""

from __future__ import annotations

import time
from collections.abc import Callable

from runner.sandbox.container import ContainerResult, Ended

PLENTY_SECONDS = 60.0
Run = Callable[..., ContainerResult]


def lines(result: ContainerResult) -> list[str]:
    assert result.ended is Ended.EXITED, result
    assert result.exit_code == 0, result.output.decode()
    return result.stdout.decode().splitlines()


def wait_until(happened: Callable[[], bool], *, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
