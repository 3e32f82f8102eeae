"""`runner mcp` on a run without an engine; below `argv[1]`; `slow` holds the first experiment."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from fake_work import StoppableSandbox, fake_work
from fakes import TAG, scored

from runner.cli import cli

FOLDER, *ARGUMENTS = sys.argv[1:]
SLOW = "slow"


def held(spec):
    return SLOW in ARGUMENTS and spec.experiment == 1


sandbox = StoppableSandbox(lambda spec: scored(100.0 - 10 * spec.experiment), held=held)
with fake_work(Path(FOLDER), sandbox):
    cli(["mcp", "--task", "eclip", "--tag", TAG, *[one for one in ARGUMENTS if one != SLOW]])
