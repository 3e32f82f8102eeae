"""Trials on this machine: as many at once as there are devices, each on one that it has alone.

A device is taken for one trial and given back after it. So two runs on one machine take turns,
trial by trial, and a run that waits for its agent leaves the device to another.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from runner.progress import DEVICE, Tracker
from runner.records import Guard, GuardResult, Stage, TrialResult, TrialSpec
from runner.seams import Sandbox

Watch = Callable[[Stage], None]
"""Told of each stage of a trial as it begins."""
Show = Callable[[bytes], None]
"""Given the end of what a container prints, now and then."""
Hold = Callable[[threading.Event], AbstractContextManager[object]]
"""Takes a device on the machine, unless the event is set while it waits."""


class LocalExecutor:
    """Runs trials and guards; set `abort` to end all that are under way."""

    def __init__(
        self,
        devices: Sequence[tuple[Callable[[Watch, Show], Sandbox], Hold]],
        *,
        abort: threading.Event | None = None,
        progress: Tracker | None = None,
    ) -> None:
        """For each device take what makes its sandbox, and what takes it on the machine."""
        self.capacity = len(devices)
        self.abort = abort or threading.Event()
        self.on_stage: Watch = lambda _: None
        """Told of each stage of every trial."""
        self._progress = progress or Tracker()
        self._free: queue.SimpleQueue[tuple[str, Sandbox, Hold]] = queue.SimpleQueue()
        for number, (make, hold) in enumerate(devices, start=1):
            who = DEVICE if self.capacity == 1 else f"{DEVICE} {number}"
            show = partial(self._progress.printed, who)
            self._free.put((who, make(self._watcher(who), show), hold))
        self._threads = ThreadPoolExecutor(self.capacity, thread_name_prefix="device")

    def submit(
        self, spec: TrialSpec, about: Mapping[str, Any] | None = None
    ) -> Future[TrialResult]:
        """Run a trial as soon as a device is free; `about` is what progress says of it.

        The future raises `SandboxError` for our own faults, and `StoppedError` after an abort.
        """
        return self._threads.submit(self._run, about or {}, lambda sandbox: sandbox.run(spec))

    def submit_guard(
        self, spec: TrialSpec, guard: Guard, about: Mapping[str, Any] | None = None
    ) -> Future[GuardResult]:
        """Run a guard where the trainer of this trial would run."""
        return self._threads.submit(
            self._run, about or {}, lambda sandbox: sandbox.guard(spec, guard)
        )

    @contextmanager
    def device(self, about: Mapping[str, Any]) -> Iterator[Sandbox]:
        """Hold a device, waiting for one that is free."""
        who, sandbox, hold = taken = self._free.get()
        try:
            with hold(self.abort), self._progress.doing(who, **about):
                yield sandbox
        finally:
            self._free.put(taken)

    def close(self) -> None:
        """Wait until nothing runs any more."""
        self._threads.shutdown(cancel_futures=True)

    def _run(self, about: Mapping[str, Any], work: Callable[[Sandbox], Any]) -> Any:
        with self.device({"what": "a trial of", **about}) as sandbox:
            return work(sandbox)

    def _watcher(self, who: str) -> Watch:
        def watch(stage: Stage) -> None:
            self._progress.stage(who, stage.name.rpartition(": ")[2], stage.seconds)
            self.on_stage(stage)

        return watch
