"""Experiments per hour on two devices of one core each, over one device.

    python bench/devices.py [--experiments N]

A real engine, the task packing with one processor per trial, an agent that thinks for no time.
`by the clock`: training ends when its seconds are over, as in most tasks. `by the work`: it does a
fixed number of steps, so that two trials, the supervisor and the engine share the same cores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from scripted import Home, Scripted, home, load, watching

from runner.scheduler import run_loop

TARGET = 1.6
ROWS = {"by the clock": 4.0, "by the work": 120.0}
"""Seconds of training: the template's steps take much less than the latter."""


def per_hour(
    at: Home, tag: str, train: float, devices: int, experiments: int
) -> tuple[float, float]:
    """Return experiments per hour, and the median seconds of a trial."""
    with watching(tag) as watcher, at.start(tag, train, devices) as work:
        assert work.session.executor.capacity == devices
        run_loop(work.session, Scripted(ahead=1), experiments=experiments)
        assert len(work.session.history) == experiments + 1
        took = [found.trials[-1].result.wall_seconds for found in work.session.history[1:]]
    lives = watcher.of(range(1, experiments + 1))
    seconds = max(life.ended for life in lives) - lives[0].began
    return experiments * 3600 / seconds, sorted(took)[len(took) // 2]


@click.command()
@click.option("--experiments", default=12, show_default=True)
def main(experiments: int) -> None:
    table = Table(
        "training ends", "experiments", "one device, per hour", "a trial, s",
        "two devices, per hour", "a trial, s", "ratio", "to reach",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, home(Path(folder)) as at:
        for name, train in ROWS.items():
            cells: list[float] = []
            for devices in (1, 2):
                tag = f"{name.split()[-1]}-{devices}"
                cells += per_hour(at, tag, train, devices, experiments)
                print(f"{name}, {devices}: {cells[-2]:.0f} per hour, {load()}", file=sys.stderr)
            one, one_trial, two, two_trial = cells
            table.add_row(
                name, str(experiments), f"{one:.0f}", f"{one_trial:.1f}", f"{two:.0f}",
                f"{two_trial:.1f}", f"{two / one:.2f}", f"≥ {TARGET}",
            )  # fmt: skip
    Console(width=120).print(table)
    print(load())


if __name__ == "__main__":
    main()
