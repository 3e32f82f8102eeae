"""How much memory of its GPUs a trial used, as NVML says on the host: no cgroup counts it.

The whole device is sampled, less what was in use before: a run has its devices to itself among
runs, and what other programs take meanwhile is counted with it.

What this does not protect against: a peak between two samples. It is a number for the person.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

SAMPLE_SECONDS = 0.25


class DeviceMemory:
    """Samples the devices until it is stopped."""

    def __init__(self, nvml: Any, handles: Sequence[Any]) -> None:
        self._nvml, self._handles = nvml, handles
        self._before = self._used()
        self._most = self._before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def peak_bytes(self) -> int | None:
        """The most that was in use on all devices together; `None` if nobody could say."""
        if self._before is None or self._most is None:
            return None
        return max(0, self._most - self._before)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            if (used := self._used()) is not None:
                self._most = max(used, self._most or 0)

    def _used(self) -> int | None:
        try:
            return sum(int(self._nvml.nvmlDeviceGetMemoryInfo(each).used) for each in self._handles)
        except self._nvml.NVMLError:
            return None


@contextmanager
def watched(gpu_ids: Sequence[str]) -> Iterator[DeviceMemory | None]:
    """Yield what samples these devices; nothing without GPUs, NVML and `nvidia-ml-py`."""
    nvml = _nvml() if gpu_ids else None
    if nvml is None:
        yield None
        return
    try:
        memory = _sampling(nvml, gpu_ids)
        try:
            yield memory
        finally:
            if memory:
                memory.stop()
    finally:
        nvml.nvmlShutdown()


def _sampling(nvml: Any, gpu_ids: Sequence[str]) -> DeviceMemory | None:
    try:
        return DeviceMemory(nvml, [_handle(nvml, each) for each in gpu_ids])
    except (nvml.NVMLError, ValueError):  # a name that it does not know: the number is missing
        return None


def _handle(nvml: Any, gpu_id: str) -> Any:
    if gpu_id.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(gpu_id))
    return nvml.nvmlDeviceGetHandleByUUID(gpu_id)


def _nvml() -> Any:
    """Return NVML's Python module, at work, or nothing."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml
