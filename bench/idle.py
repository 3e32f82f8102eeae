"""How long the device is idle while one agent thinks as long as a trial lasts.

    python bench/idle.py [--experiments N] [--train SECONDS]

A real engine, the task packing, one device. Idle is when no container of a trial runs, as the
engine's own events say, from the end of experiment 1 to the end of the last one; `between trials`
is the part of it from the last container of one experiment to the first of the next.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from scripted import Home, Scripted, alive, home, last_trial_seconds, load, watching

from runner.scheduler import run_loop

TARGET = 0.05


@dataclass(frozen=True)
class Found:
    """Shares of the time from the end of experiment 1 to the end of the last one."""

    seconds: float
    idle: float
    between: float
    trial: float


def measure(at: Home, ahead: int, experiments: int, train: float) -> Found:
    tag = f"ahead-{ahead}"
    with watching(tag) as watcher, at.start(tag, train, devices=1) as work:
        agent = Scripted(partial(last_trial_seconds, work.session))
        run_loop(work.session, agent, experiments=experiments, ahead=ahead)
        assert len(work.session.history) == experiments + 1
        took = [found.trials[-1].result.wall_seconds for found in work.session.history[2:]]
    ends = [max(life.ended for life in watcher.of(range(n, n + 1))) for n in range(experiments + 1)]
    lives = watcher.of(range(2, experiments + 1))
    starts = [watcher.of(range(n, n + 1))[0].began for n in range(2, experiments + 1)]
    whole = ends[-1] - ends[1]
    between = sum(begin - end for end, begin in zip(ends[1:], starts, strict=False))
    return Found(
        seconds=whole,
        idle=1 - alive(lives, ends[1], ends[-1]) / whole,
        between=between / whole,
        trial=sorted(took)[len(took) // 2],
    )


@click.command()
@click.option("--experiments", default=20, show_default=True)
@click.option("--train", default=4.0, show_default=True, help="Seconds of training.")
def main(experiments: int, train: float) -> None:
    table = Table(
        "--ahead", "experiments", "seconds", "a trial, s", "idle", "between trials", "to reach"
    )
    with tempfile.TemporaryDirectory() as folder, home(Path(folder)) as at:
        for ahead in (0, 1):
            began = time.monotonic()
            found = measure(at, ahead, experiments, train)
            table.add_row(
                str(ahead), f"2 to {experiments}", f"{found.seconds:.0f}", f"{found.trial:.1f}",
                f"{found.idle:.1%}", f"{found.between:.1%}",
                f"≤ {TARGET:.0%}" if ahead else "",
            )  # fmt: skip
            print(f"ahead {ahead}: {time.monotonic() - began:.0f} s, {load()}", file=sys.stderr)
    Console(width=120).print(table)
    print(load())


if __name__ == "__main__":
    main()
