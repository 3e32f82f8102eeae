"""`runner run` without an engine, below `argv[1]`; each trial waits for a file of its experiment.

The trials of experiment N end once `argv[1]/let-N` is there, or at once where the run is stopped.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fake_work import fake_work
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, scored

from runner.cli import cli
from runner.records import TrialResult, TrialSpec

FOLDER = Path(sys.argv[1])


@dataclass
class Gated(FakeSandbox):
    def run(self, spec: TrialSpec) -> TrialResult:
        while not (FOLDER / f"let-{spec.experiment}").exists() and not self.abort.is_set():
            time.sleep(0.02)
        return super().run(spec)


proposals = [edit("WIDTH = 32", f"WIDTH = {64 + n}", f"try {n}") for n in range(1, 9)]
with fake_work(FOLDER, Gated(lambda _: scored(100.0)), agent=ScriptedAgent(proposals)):
    cli(["run", "eclip", "--tag", TAG, *sys.argv[2:]])
