"""Real ratchets: what a run claims, and what of it the locked part confirms.

    python bench/ratchets.py [--experiments 30] [--times 5] [--train-seconds S] [TASK ...]

Runs `tune` on each task, so many times under each rule. The runs lie in the state folder
(`RUNNER_HOME`) under tags of their own; cut off, this goes on where it was. Prints a line for each
run and the pooled ratios, and writes them to bench/ratchets.md. With `--again` each run's baseline
and best are measured on so many fresh draws too, which tells the audit's noise from the claim's.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from aa import RULES, at_hand, conducted
from aa import run as verb

OUTPUT = Path(__file__).with_suffix(".md")
TASKS = ("eclip", "shakespeare", "tabular")
RESAMPLES = 5000
PREAMBLE = """# What a run claims, and what the locked part confirms

`python bench/ratchets.py`: {times} runs of `tune` with {experiments} experiments, {seconds}, on
each task under each rule, and the kernel's caches not dropped.
*Claimed* is the gain of the best over the baseline by which it was kept, *audit* the gain on the
locked part, one trial of each side; *again* is the gain on fresh draws of what decided, and on the
locked part.

"""
HEADING = (
    "| task | rule | run | kept | claimed | audit | again | locked again |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)
RATIOS = """
## How much of the claim is confirmed

The sum of what is confirmed over the sum of what was claimed.
Over several tasks each run counts in units of its task's mean claim, under both rules, so that
tasks weigh alike.
The interval of 95 % resamples runs within each task, {resamples:,} times.

| tasks | rule | runs | audit / claimed | interval | locked again / claimed | interval |
|---|---|--:|--:|--:|--:|--:|"""


@dataclass(frozen=True, kw_only=True)
class Ratchet:
    """One run's end; gains are positive where it became better."""

    task: str
    rule: str
    number: int
    keeps: int
    claimed: float = 0.0
    """0 where nothing was kept but the baseline, as the others then."""
    audit: float | None = 0.0
    again: float | None = None
    locked: float | None = None

    @property
    def line(self) -> str:
        gains = (self.claimed, self.audit, self.again, self.locked)
        said = " | ".join("" if gain is None else f"{gain:+.4g}" for gain in gains)
        return f"| {self.task} | {self.rule} | {self.number} | {self.keeps} | {said} |"


def ratchet(
    task: str, rule: str, number: int, experiments: int, seconds: float | None, again: int
) -> Ratchet:
    shown = "" if seconds is None else f"-{seconds:g}s".replace(".", "-")
    tag = f"ratchet-{task}-{rule}-{number}{shown}"
    options = [] if seconds is None else ["--train-seconds", seconds]
    found = conducted(
        tag, task, rule, "--agent", "tune", *options, experiments=experiments, min_gain=None
    )
    listed = json.loads(verb("list", tag, "--all", "--json"))
    keeps = sum(each["status"] == "kept" for each in listed) - 1
    about = {"task": task, "rule": rule, "number": number, "keeps": keeps}
    if not keeps:
        return Ratchet(**about)
    audit = found["audit"] or {"claimed_gain": found["best"]["score"], "gain": None}
    parts = {}
    if again:
        parts = json.loads(verb("replicate", tag, "--seeds", again, "--json"))["parts"]
    gains = {name: part["gain"]["mean"] for name, part in parts.items()}
    return Ratchet(
        **about,
        claimed=audit["claimed_gain"],
        audit=audit["gain"],
        again=gains.get("holdout"),
        locked=gains.get("locked part"),
    )


def ratios(found: Sequence[Ratchet]) -> Iterator[str]:
    """Yield a line for each task and rule, and for each rule over all tasks."""
    tasks = sorted({each.task for each in found})
    for rule in RULES:
        own = [each for each in found if each.rule == rule]
        for some in (*([task] for task in tasks), *([tasks] if len(tasks) > 1 else [])):
            runs = [each for each in own if each.task in some]
            if runs:
                name = some[0] if len(some) == 1 else "all"
                parts = (pooled(found, runs, part) for part in ("audit", "locked"))
                yield f"| {name} | {rule} | {len(runs)} | {' | '.join(parts)} |"


def pooled(found: Sequence[Ratchet], runs: Sequence[Ratchet], part: str) -> str:
    """Return the ratio and its interval as two cells; empty where nothing was claimed."""
    by_task: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in runs:
        unit = np.mean([abs(one.claimed) for one in found if one.task == each.task]) or 1.0
        confirmed = getattr(each, part)
        if each.claimed and confirmed is None:
            continue
        by_task[each.task].append((each.claimed / unit, (confirmed or 0.0) / unit))
    if not any(claim for pairs in by_task.values() for claim, _ in pairs):
        return "  |  "
    random = np.random.default_rng(1)
    sums = np.zeros((RESAMPLES + 1, 2))
    for pairs in by_task.values():
        values = np.array(pairs)
        drawn = random.integers(len(values), size=(RESAMPLES, len(values)))
        sums[0] += values.sum(axis=0)
        sums[1:] += values[drawn].sum(axis=1)
    whole = sums[sums[:, 0] > 0]
    shares = whole[:, 1] / whole[:, 0]
    if min(map(len, by_task.values())) < 2:
        return f"{100 * shares[0]:.0f} % | "
    low, high = np.quantile(shares[1:], [0.025, 0.975])
    return f"{100 * shares[0]:.0f} % | {100 * low:.0f} to {100 * high:.0f} %"


def page(found: Sequence[Ratchet], times: int, experiments: int, seconds: float | None) -> str:
    trained = "the policy's training time" if seconds is None else f"{seconds:g} s of training"
    lines = [
        PREAMBLE.format(times=times, experiments=experiments, seconds=trained) + HEADING,
        *(each.line for each in found),
        RATIOS.format(resamples=RESAMPLES),
        *ratios(found),
    ]
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--experiments", default=30, show_default=True, type=click.IntRange(min=1))
@click.option("--times", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--train-seconds", type=float, help="Seconds of training in place of the policy's.")
@click.option("--again", default=0, show_default=True, help="Fresh draws to replicate on.")
@click.option("--rule", "rules", multiple=True, default=RULES, type=click.Choice(RULES))
@click.argument("tasks", nargs=-1)
def main(
    experiments: int,
    times: int,
    train_seconds: float | None,
    again: int,
    rules: tuple[str, ...],
    tasks: tuple[str, ...],
) -> None:
    """Run `tune` on TASKS, or on eclip, shakespeare and tabular."""
    found: list[Ratchet] = []
    known = tuple(at_hand(tasks or TASKS))
    for number in range(1, times + 1):
        for task in known:
            for rule in rules:
                found.append(ratchet(task, rule, number, experiments, train_seconds, again))
                click.echo(found[-1].line)
                OUTPUT.write_text(page(found, times, experiments, train_seconds), encoding="utf-8")
    click.echo("\n".join(ratios(found)))


if __name__ == "__main__":
    main()
