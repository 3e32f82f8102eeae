"""Trials outside of a run, with everything that a run's have: a device, its lock, a clean stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from runner import paths
from runner.engines.protocol import Engine, require_runtime
from runner.executor.devices import Machine, devices
from runner.locks import device_lock, tag_lock
from runner.records import Resources
from runner.stopping import Stop
from runner.trial import Host, TrialRunner


@contextmanager
def one_off(
    engine: Engine,
    state: paths.State,
    tag: str,
    asked: Resources,
    stop: Stop,
    say: Callable[[str], None],
) -> Iterator[TrialRunner]:
    """Yield what runs trials on a device of this machine, once that is free.

    Args:
        engine: where the containers are.
        state: where the data are.
        tag: a name no run can have; what a killed one left under it is removed.
        asked: what each trial may use.
        stop: the person's wish to stop.
        say: told who has the device.

    Raises:
        BusyError: somebody else works under this name.
        ConfigError: this machine has no such device, or the engine no such runtime.
    """
    with ExitStack() as stack:
        stack.enter_context(tag_lock(state.run(tag), tag))
        state.claim()
        require_runtime(engine, asked)
        [device] = devices(
            Machine.here(), cpus=asked.cpus, gpus=asked.gpus, memory_bytes=asked.memory_bytes,
            most=1,
        )  # fmt: skip
        host = Host(state=state, harness=paths.harness())
        sandbox = TrialRunner(engine=engine, host=host, gpu_ids=device.gpu_ids)
        stack.enter_context(device_lock(device.parts, tag, say, sandbox.abort))
        sandbox.sweep(tag)
        stack.enter_context(stop.stopping(sandbox))
        yield sandbox
