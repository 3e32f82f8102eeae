"""What training had of the machine, from its account and from what nobody used."""

from __future__ import annotations

import os
import time

import pytest

from runner.sandbox import processors
from runner.sandbox.processors import share
from runner.views.lines import CROWDED


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.parametrize(
    ("used", "idle", "found"),
    [
        pytest.param(20.0, 0.0, 1.0, id="both processors"),
        pytest.param(10.0, 10.0, 1.0, id="one, and nobody wanted the other"),
        pytest.param(1.0, 19.0, 1.0, id="it waited by itself"),
        pytest.param(7.0, 0.0, 0.35, id="two busy processes beside it"),
        pytest.param(15.0, 0.0, 0.75, id="a little else"),
        pytest.param(20.5, 0.0, 1.0, id="two clocks that differ"),
        pytest.param(None, 0.0, None, id="no account"),
        pytest.param(5.0, None, None, id="no figure of the machine"),
    ],
)
def test_what_nobody_used_is_nobody_s_fault(used, idle, found):
    assert share(used=used, wall=10.0, cpus=2, idle=idle) == found


def test_a_share_is_of_processors_that_are_there():
    assert share(used=20.0, wall=10.0, cpus=8, idle=0.0) == 1.0
    assert share(used=5.0, wall=10.0, cpus=1, idle=0.0) == 0.5 < CROWDED


def test_idle_seconds_are_the_machine_s():
    before = processors.idle_seconds()
    time.sleep(0.05)
    after = processors.idle_seconds()
    assert before is not None
    assert after is not None
    assert after >= before > 0
