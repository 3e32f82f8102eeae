"""`runner run` without an engine, below `argv[1]`; each trial waits for a file of its experiment.

The trials of experiment N end once `argv[1]/let-N` is there, or at once where the run is stopped.
With `argv[2]` `noisy` the rule is `posterior`, the first two draws of each wait for nothing, and
all that agents and containers say is hostile.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fake_work import fake_work
from fakes import POLICY_TEXT, SHIPPED, TAG, FakeSandbox, ScriptedAgent, edit, scored

from runner.cli import cli
from runner.draws import index
from runner.records import Stage, TrialResult, TrialSpec

FOLDER, HOW, *MORE = sys.argv[1:]
HOSTILE = "\x1b[2J\x1b]0;pwned\x07[red]\u202e</b>\x9b31m" if HOW == "noisy" else ""
PRINTED = f"step 1: loss 2.1\nstep 2\rstep 3: {HOSTILE}loss 1.9\n".encode()


@dataclass
class Gated(FakeSandbox):
    watch: Callable[[Stage], None] = lambda _: None
    show: Callable[[bytes], None] = lambda _: None

    def run(self, spec: TrialSpec) -> TrialResult:
        self.watch(Stage(name=f"exp {spec.experiment}: train", seconds=20.0))
        self.show(PRINTED)
        held = HOW != "noisy" or spec.index >= index(spec.experiment, 2)
        let = Path(FOLDER) / f"let-{spec.experiment}"
        while held and not let.exists() and not self.abort.is_set():
            time.sleep(0.02)
        return super().run(spec)


def score(spec: TrialSpec) -> TrialResult:
    draw = random.Random(f"{spec.experiment} {spec.index}")  # noqa: S311 - made up
    return scored(100.0 - 10 * spec.experiment + (2 * draw.gauss() if HOW == "noisy" else 0.0))


proposals = [edit("WIDTH = 32", f"WIDTH = {64 + n}", f"{HOSTILE}try {n}") for n in range(1, 9)]
policy = SHIPPED if HOW == "noisy" else POLICY_TEXT
agent = ScriptedAgent(proposals)
with fake_work(Path(FOLDER), Gated(score), agent=agent, policy_text=policy):
    cli(["run", "eclip", "--tag", TAG, *MORE])
