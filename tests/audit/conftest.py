from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fakes import FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored
from planting import Copy

from runner.records import Change, Proposal, TrialResult, TrialSpec
from runner.scheduler import run_loop

PROPOSALS = (
    edit("WIDTH = 32", "WIDTH = 64", notes="wider is better\n"),
    edit("WIDTH = 32", "WIDTH = 48"),
    edit("WIDTH = 32", "WIDTH = 0"),
    Proposal(hypothesis="a shortcut", changes=(Change(path="run.sh", content=b"echo 0\n"),)),
    edit("RATE = 0.001", "RATE = 0.01", notes="and so is faster\n"),
    edit("RATE = 0.001", "RATE = 0.1"),
    edit("RATE = 0.001", "RATE = 0.011"),
)
SCORES = {0: 100.0, 1: 90.0, 2: 95.0, 3: None, 5: 80.0, 6: 85.0, 7: 79.8}
"""Kept, kept, reverted at once, crashed, (refused), kept, reverted at once, reverted after two."""


def results(spec: TrialSpec) -> TrialResult:
    value = SCORES[spec.experiment]
    return (
        crashed() if value is None else scored(value + (spec.purpose.part == "locked"), extra=1.0)
    )


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with make_session(folder, FakeSandbox(results)) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=None)
    return folder / "state"


@pytest.fixture
def copy(finished_run: Path, tmp_path: Path) -> Copy:
    shutil.copytree(finished_run, tmp_path / "state")
    return Copy(tmp_path / "state")
