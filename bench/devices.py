"""Experiments per hour on two devices of one core each, over one device.

    python bench/devices.py [--experiments N]

A real engine, the task packing with one processor per trial, an agent that thinks for no time.
Training ends when its seconds are over, so what two trials take from each other, and what the
supervisor and the engine take from both, is time for everything else, and steps that are not made.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from scripted import Home, Scripted, home, load, watching

from runner.scheduler import run_loop

TARGET = 1.6
TRAIN = 4.0


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
    table = Table("devices", "experiments", "per hour", "a trial, s", "ratio", "to reach")
    with tempfile.TemporaryDirectory() as folder, home(Path(folder)) as at:
        found = {n: per_hour(at, f"devices-{n}", TRAIN, n, experiments) for n in (1, 2)}
    for devices, (count, trial) in found.items():
        ratio = [f"{count / found[1][0]:.2f}", f"≥ {TARGET}"] if devices > 1 else []
        table.add_row(str(devices), str(experiments), f"{count:.0f}", f"{trial:.1f}", *ratio)
    Console(width=120).print(table)
    print(load())


if __name__ == "__main__":
    main()
