"""`runner run` without an engine, below `argv[1]`; its first proposal's trial is held.

Until it is stopped, or for a second where `argv[2]` is `briefly`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from fake_work import StoppableSandbox, fake_work
from fakes import TAG, ScriptedAgent, edit, scored

from runner.cli import cli

FOLDER, HOLD = sys.argv[1:]


def held(spec) -> bool:
    if spec.experiment != 1:
        return False
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    if HOLD == "briefly":
        time.sleep(1)
    return HOLD != "briefly"


agent = ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")])
with fake_work(Path(FOLDER), StoppableSandbox(lambda _: scored(100.0), held=held), agent=agent):
    cli(["run", "eclip", "--tag", TAG])
