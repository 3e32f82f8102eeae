"""One container by itself: what the tests that run code in one, and nothing else, share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from runner.engines.container import ContainerResult, Ended
from runner.engines.protocol import MIB
from runner.records import Resources

RESOURCES = Resources(
    cpus=1,
    memory_bytes=128 * MIB,
    pids=64,
    shm_bytes=16 * MIB,
    artifacts_bytes=4 * MIB,
    outputs_bytes=2 * MIB,
    output_log_bytes=256 * 1024,
    gpus=0,
)
PLENTY_SECONDS = 60.0
NEVER = threading.Event()
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
