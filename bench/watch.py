"""What `runner watch` costs while nobody types: `python bench/watch.py [--experiments 100000]`.

The journal is that of `bench/journal.py`. The screen is a pseudo-terminal; processor time is what
the kernel counts for the process, start-up left out. At work means that two devices have a trial
and that every second its clocks are drawn anew.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import journal as long
from dashboard import spent
from rich.console import Console
from rich.table import Table
from screenshots import at_work

from runner.paths import PROJECT, State

sys.path.append(str(PROJECT / "tests"))
from terminals import at_terminal

SIZES = ((80, 24), (200, 50))
SECONDS = 30.0
DRAWN = 8.0
"""Seconds until the screen is whole."""


def shares(home: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the share of one processor, by what the run does and by the size of the screen."""
    command = [sys.executable, "-m", "runner", "watch", long.TAG]
    environment = os.environ | {"RUNNER_HOME": str(home), "PYTHONPATH": str(PROJECT)}
    environment |= {"TERM": "xterm-256color"}
    for what, run in (("idle", nullcontext()), ("at work", at_work(State(home), long.TAG))):
        with run:
            for size in SIZES:
                with at_terminal(command, cwd=PROJECT, env=environment, size=size) as screen:
                    screen.wait_to_see(long.TAG)
                    screen.screen(seconds=DRAWN)
                    began, before = time.monotonic(), spent(screen.process)
                    screen.screen(seconds=SECONDS)
                    share = (spent(screen.process) - before) / (time.monotonic() - began)
                target = "2 %" if what == "idle" else ""
                yield f"{what}, {size[0]} x {size[1]}", f"{share:.1%}", target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="where the journal is or stays")
    given = parser.parse_args()
    console = Console(width=100)
    table = Table("runner watch", "share of one processor", "to stay below")
    with long.home_of(given.keep) as home:
        long.make(home, given.experiments, calls=True, say=console.print)
        for row in shares(home):
            table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
