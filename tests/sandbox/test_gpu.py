"""The peak of device memory: from NVML where there is one, and never in the way of a trial."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import pytest

from runner.sandbox import gpu

GIB = 1024**3


class NVMLError(Exception):
    pass


class FakeNvml(SimpleNamespace):
    """Two devices whose use follows a list, the last one for ever."""

    NVMLError = NVMLError

    def __init__(self, *used: int, broken: str = "") -> None:
        super().__init__(used=list(used), broken=broken, open=0, asked=[])

    def _do(self, name: str) -> None:
        if name == self.broken:
            raise NVMLError(name)

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own names
        self._do("init")
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        self._do("handle")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        self._do("handle")
        if not uuid.isascii():
            raise ValueError(uuid)
        return uuid

    def nvmlDeviceGetMemoryInfo(self, handle: int | str) -> SimpleNamespace:  # noqa: N802
        self._do("memory")
        self.asked.append(handle)
        used = self.used.pop(0) if len(self.used) > 1 else self.used[0]
        return SimpleNamespace(used=used)


def peak(nvml: object, monkeypatch: pytest.MonkeyPatch, gpu_ids: tuple[str, ...] = ("0",)):
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(gpu, "SAMPLE_SECONDS", 0.005)
    with gpu.watched(gpu_ids) as memory:
        until = time.monotonic() + 5
        while memory and len(getattr(nvml, "used", [])) > 1 and time.monotonic() < until:
            time.sleep(0.005)
    return memory.peak_bytes if memory else None


def test_the_peak_is_the_most_above_what_was_in_use_before(monkeypatch):
    nvml = FakeNvml(1 * GIB, 3 * GIB, 9 * GIB, 2 * GIB)
    assert peak(nvml, monkeypatch) == 8 * GIB
    assert nvml.open == 0


def test_several_devices_are_added_up(monkeypatch):
    nvml = FakeNvml(0, 0, 1 * GIB, 2 * GIB, 0)
    assert peak(nvml, monkeypatch, ("0", "3")) == 3 * GIB
    assert set(nvml.asked) == {0, 3}


def test_a_device_may_be_named_by_its_uuid(monkeypatch):
    nvml = FakeNvml(0, 0, 1 * GIB, 0)
    assert peak(nvml, monkeypatch, ("GPU-8f1d", "3")) == 1 * GIB
    assert set(nvml.asked) == {"GPU-8f1d", 3}


def test_a_name_that_nvml_cannot_read_is_no_failure_of_a_trial(monkeypatch):
    assert peak(FakeNvml(0), monkeypatch, ("GPU-\u00e9",)) is None


@pytest.mark.parametrize("broken", ["init", "handle", "memory"])
def test_an_nvml_that_fails_is_no_failure_of_a_trial(monkeypatch, broken):
    nvml = FakeNvml(0, broken=broken)
    assert peak(nvml, monkeypatch) is None
    assert nvml.open == 0


def test_without_the_package_or_without_gpus_nothing_is_asked(monkeypatch):
    assert peak(None, monkeypatch) is None
    nvml = FakeNvml(0)
    assert peak(nvml, monkeypatch, ()) is None
    assert nvml.asked == []


def test_a_trial_that_raises_leaves_nvml_closed(monkeypatch):
    nvml = FakeNvml(0)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    with pytest.raises(RuntimeError), gpu.watched(("0",)):
        raise RuntimeError
    assert nvml.open == 0
