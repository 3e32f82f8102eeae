"""Whether the machine is part of a score: templates alone, and beside busy processes.

    python bench/clock.py [--seeds N] [--train SECONDS] [--busy N] [TASK ...]

Each clock of a budget has its rows; a round is the same seed alone and beside processes that do
nothing but keep a processor at work, so that whatever else the machine does falls on all alike.
Shown are means with standard deviations; `share` is what training had of the processor time that
its policy allows, and `moved` how far the score is from that of the same seeds alone, in standard
deviations of a trial alone.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click
from rich.console import Console
from rich.table import Table

from runner import data, engines, paths
from runner.engines import images
from runner.policy.load import load_policy
from runner.records import Clock, TrialResult, TrialSpec
from runner.task_check.playing import specification
from runner.trial import Host, TrialRunner

STRETCH = 6.0
"""Enough for training beside as many busy processes as there are processors."""
STEPS = re.compile(rb"^(\d+) steps", re.MULTILINE)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    spin = [sys.executable, "-c", "while True: pass"]
    neighbours = [subprocess.Popen(spin) for _ in range(processes)]
    try:
        yield
    finally:
        for each in neighbours:
            each.kill()
            each.wait()


def sandbox_and_trial(task: str) -> tuple[TrialRunner, TrialSpec]:
    loaded, client, state = load_policy(paths.policy_path(task)), engines.connect(), paths.state()
    image_ids = [images.require_image(client, name) for name in (loaded.image, images.SCORER)]
    prepared = data.load(state, task)
    spec = specification(
        task, loaded.policy, prepared, image_id=image_ids[0], scorer_image_id=image_ids[1]
    )
    return TrialRunner(engine=client, host=Host(state=state, harness=paths.harness())), spec


def timed(spec: TrialSpec, clock: Clock, train: float | None) -> TrialSpec:
    budget = replace(
        spec.budget,
        clock=clock,
        stretch=STRETCH if clock is Clock.CPU else 1.0,
        train=spec.budget.train if train is None else train,
    )
    return replace(spec, budget=budget)


def steps(result: TrialResult) -> float:
    said = STEPS.search(result.logs.get("train", b""))
    return float(said[1]) if said else float("nan")


def spread(values: list[float], digits: int = 4) -> str:
    middle = f"{statistics.fmean(values):.{digits}g}"
    return f"{middle} ± {statistics.stdev(values):.2g}" if len(values) > 1 else middle


def rows(task: str, seeds: int, train: float | None, neighbours: int) -> Iterator[list[str]]:
    sandbox, spec = sandbox_and_trial(task)
    metric = load_policy(paths.policy_path(task)).policy.metric.name
    places = [(clock, count) for clock in Clock for count in (0, neighbours)]
    found: dict[tuple[Clock, int], list[TrialResult]] = {place: [] for place in places}
    for seed in range(1, seeds + 1):
        for clock, count in places:
            with busy(count):
                one = replace(timed(spec, clock, train), seed=seed, index=seed)
                found[clock, count].append(sandbox.run(one))
    for (clock, count), results in found.items():
        alone = [one.score.metrics[metric] for one in found[clock, 0] if one.score]
        scores = [one.score.metrics[metric] for one in results if one.score]
        moved = ""
        if count and len(alone) > 1 and scores:
            by = statistics.fmean(scores) - statistics.fmean(alone)
            moved = f"{by:+.3g} ({by / statistics.stdev(alone):+.1f} sd)"
        yield [
            task,
            clock,
            f"{count} busy" if count else "alone",
            f"{spread(scores)} ({len(scores)} of {len(results)})" if scores else "no score",
            moved,
            spread([steps(one) for one in results]),
            spread([one.wall_seconds for one in results], 3),
            f"{statistics.fmean(one.processor_share or 0.0 for one in results):.0%}",
        ]


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--train", type=float, help="Seconds of training in place of the policy's.")
@click.option("--busy", "neighbours", default=2, show_default=True, help="Busy processes.")
@click.argument("tasks", nargs=-1)
def main(seeds: int, train: float | None, neighbours: int, tasks: tuple[str, ...]) -> None:
    """Measure TASKS, whose data are prepared; eclip and shakespeare if none is named."""
    table = Table("task", "clock", "beside", "score", "moved", "steps", "trial s", "share")
    for task in tasks or ("eclip", "shakespeare"):
        for row in rows(task, seeds, train, neighbours):
            table.add_row(*row)
    Console(width=140).print(table)
    Console().print(
        f"{seeds} seeds; {os.cpu_count()} cores; load at the end {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
