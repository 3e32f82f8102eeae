"""A supervisor at work on scripted trials, to be looked at from other processes.

python progress_driver.py FOLDER    a trial waits in its second seed's `train`, until killed
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import paths
from runner.locks import tag_lock
from runner.progress import Tracker
from runner.records import Stage, TrialResult, TrialSpec
from runner.scheduler import run_loop


@dataclass
class Staged(FakeSandbox):
    """Tells its stages, and waits in that of the second trial of the first experiment."""

    watch: Callable[[Stage], None] = lambda _: None

    def run(self, spec: TrialSpec) -> TrialResult:
        self.watch(Stage(name="exp 1: train", seconds=20.0))
        if spec.experiment == 1 and any(
            each.experiment == 1 and each.index != spec.index for each in self.specs
        ):
            sys.stdout.write("waiting\n")
            sys.stdout.flush()
            time.sleep(600)
        return super().run(spec)


def main(folder: Path) -> None:
    state = paths.State(folder / "state")
    proposals = [edit("WIDTH = 32", f"WIDTH = {width}") for width in (64, 65)]
    with tag_lock(state.run(TAG), TAG), Tracker.at(state.progress(TAG)) as tracker:
        sandbox = Staged(lambda spec: scored(100.0 - spec.experiment * 10))
        with make_session(folder, sandbox, progress=tracker) as session:
            run_loop(session, ScriptedAgent(proposals), experiments=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
