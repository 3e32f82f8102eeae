"""How many trials a run has at once: `_executor` of `runner.start`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from fakes import POLICY_TEXT

from runner.executor import devices as found_devices
from runner.executor.devices import Machine
from runner.policy.load import parse_policy
from runner.progress import Tracker
from runner.session import Person
from runner.start import _executor


@dataclass
class Bare:
    """What `_executor` needs of a sandbox."""

    gpu_ids: tuple[str, ...] = ()
    watch: object = None
    show: object = None
    abort: threading.Event = field(default_factory=threading.Event)


@pytest.mark.parametrize(("flush", "expected"), [("true", 1), ("false", 4)])
def test_where_the_caches_are_dropped_trials_run_one_after_another(monkeypatch, flush, expected):
    """What runs at the same time could signal all the same."""
    here = Machine(processors=8, memory_bytes=64 * 2**30)
    monkeypatch.setattr(Machine, "here", staticmethod(lambda: here))
    assert "flush: true" in POLICY_TEXT
    policy = parse_policy(POLICY_TEXT.replace("flush: true", f"flush: {flush}")).policy
    assert len(found_devices(here, cpus=2, gpus=0, memory_bytes=4 * 2**30)) == 4
    executor = _executor(policy, "t1", Bare(), None, Tracker(), Person())
    assert executor.capacity == expected
    executor.close()
