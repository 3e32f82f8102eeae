"""The devices that a run's trials can have on this machine; pure but for what it counts.

A trial that asks for GPUs has that many of them to itself. Without, the processors are one device,
or several where what the policy gives a trial fits more than once. Each device is a set of parts
with a lock each, so that runs whose sets overlap take turns.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import ceil

from runner.errors import ConfigError

NAME = re.compile(r"\d+|(?:GPU|MIG)-[\w/-]+")
"""A device's number or UUID, as the engine takes them."""

CPU, GPU = "cpu", "gpu"


@dataclass(frozen=True, kw_only=True)
class Device:
    """What one trial has to itself while it runs."""

    name: str
    parts: tuple[str, ...]
    """What is locked: `cpu-0`, `gpu-3`."""
    gpu_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What there is."""

    processors: int
    memory_bytes: int
    gpus: tuple[str, ...] | None = None
    """`None` where nobody could be asked."""

    @classmethod
    def here(cls) -> Machine:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return cls(processors=os.cpu_count() or 1, memory_bytes=memory, gpus=_gpus())


def _gpus() -> tuple[str, ...] | None:
    """Return the GPUs by number or UUID; `None` where nobody could be asked.

    Where `CUDA_VISIBLE_DEVICES` is set it is those; as CUDA reads it, what is none ends the list.
    """
    if chosen := os.environ.get("CUDA_VISIBLE_DEVICES"):
        named = takewhile(NAME.fullmatch, (each.strip() for each in chosen.split(",")))
        return tuple(dict.fromkeys(named))
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(said.stdout.split())


def devices(
    machine: Machine, *, cpus: float, gpus: int, memory_bytes: int, most: int | None = None
) -> tuple[Device, ...]:
    """Return the devices on which trials can run at the same time, at least one.

    Args:
        machine: what there is.
        cpus: of one trial; more trials than fit into what there is are not run.
        gpus: of one trial; 0 for none.
        memory_bytes: of one trial.
        most: how many devices the person wants at most.

    Raises:
        ConfigError: a trial wants more GPUs than there are.
    """
    if machine.gpus is not None and len(machine.gpus) < gpus:
        hint = "lower resources.gpus in a policy of your own, or look at CUDA_VISIBLE_DEVICES"
        raise ConfigError(f"a trial wants {gpus} GPUs, and {len(machine.gpus)} are here", hint=hint)
    if gpus:
        # Without a driver that can be asked, the first ones are taken, and the engine decides.
        found = machine.gpus or tuple(str(each) for each in range(gpus))
        parts, size, kind = found, gpus, GPU
    else:
        parts, size, kind = tuple(str(each) for each in range(machine.processors)), ceil(cpus), CPU
    size = min(size, len(parts))
    # Trials on GPUs need processors and memory of their own, too.
    fit = min(
        len(parts) // size,
        machine.processors // ceil(cpus),
        machine.memory_bytes // memory_bytes,
    )
    count = max(1, fit if most is None else min(fit, most))
    if count == 1 and kind == CPU:
        size = len(parts)  # the whole machine, as a budget in seconds of a clock wants it
    return tuple(
        _device(kind, parts[at * size : (at + 1) * size], at, count) for at in range(count)
    )


def _device(kind: str, parts: Sequence[str], at: int, count: int) -> Device:
    return Device(
        name=kind if count == 1 else f"{kind} {at + 1}",
        parts=tuple(f"{kind}-{part}" for part in parts),
        gpu_ids=tuple(parts) if kind == GPU else (),
    )
