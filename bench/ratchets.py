"""Real ratchets: what a run claims, and what of it the locked part confirms.

    python bench/ratchets.py [--experiments 30] [--times 5] [--train-seconds S] [TASK ...]

Runs `tune` on each task, so many times under each rule. The runs lie in the state folder
(`RUNNER_HOME`) under tags of their own; cut off, this goes on where it was. Prints a line for each
run and the pooled ratios, and writes them to bench/ratchets.md. With `--again` each run's baseline
and best are measured on so many fresh draws too, which tells the audit's noise from the claim's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Self

import click
from aa import RULES, at_hand, conducted
from aa import run as verb

OUTPUT = Path(__file__).with_suffix(".md")
TASKS = ("eclip", "shakespeare", "tabular")
PREAMBLE = """# What a run claims, and what the locked part confirms

`python bench/ratchets.py`: `tune`, {seconds}, so many times on each task under each rule, and the
kernel's caches not dropped.
*Claimed* is the gain of the best over the baseline by which it was kept, *audit* the gain on the
locked part, one trial of each side; *again* is the gain on fresh draws of what decided, and on the
locked part. What stands behind ± is half of an interval of 95 %.

"""
HEADING = (
    "| task | rule | run | experiments | kept | claimed | audit | again | locked again |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|"
)
RATIOS = """
## How much of the claim is confirmed

The sum of what is confirmed over the sum of what was claimed.
Over several tasks each run counts in units of its task's mean claim, under both rules, so that
tasks weigh alike.
The interval of 95 % is that of what confirms; the claim is taken at its word.

| tasks | rule | runs | audit / claimed | interval | locked again / claimed | interval |
|---|---|--:|--:|--:|--:|--:|"""


@dataclass(frozen=True)
class Gain:
    """A gain, and half of its interval where that is known."""

    value: float = 0.0
    margin: float | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any], value: str, margin: str) -> Self | None:
        found = document[value]
        return None if found is None else cls(found, document[margin])

    def __str__(self) -> str:
        return f"{self.value:+.4g}" + ("" if self.margin is None else f" ± {self.margin:.2g}")


@dataclass(frozen=True, kw_only=True)
class Ratchet:
    """One run's end; gains are positive where it became better."""

    task: str
    rule: str
    number: int
    experiments: int
    """The baseline left out."""
    keeps: int
    claimed: Gain = Gain()
    """0 where nothing was kept but the baseline, as the others then."""
    audit: Gain | None = Gain()
    again: Gain | None = None
    locked: Gain | None = None

    @property
    def line(self) -> str:
        gains = (self.claimed, self.audit, self.again, self.locked)
        said = " | ".join("" if gain is None else str(gain) for gain in gains)
        count = f"{self.experiments} | {self.keeps}"
        return f"| {self.task} | {self.rule} | {self.number} | {count} | {said} |"


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
    about |= {"experiments": len(listed) - 1}
    if not keeps:
        return Ratchet(**about)
    audit = found["audit"]
    if audit is None:  # it failed: no audit confirms the claim
        [first] = (each["score"] for each in listed if each["number"] == 0)
        return Ratchet(**about, claimed=Gain(abs(found["best"]["score"] - first)), audit=None)
    parts = {}
    if again:
        parts = json.loads(verb("replicate", tag, "--seeds", again, "--json"))["parts"]
    gains = {name: Gain.read(part["gain"], "mean", "margin") for name, part in parts.items()}
    return Ratchet(
        **about,
        claimed=Gain(audit["claimed_gain"], audit["claimed_margin"]),
        audit=Gain(audit["gain"], audit["margin"]),
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
    claims, confirmed, errors = list[float](), list[float](), list[float]()
    for each in runs:
        unit = fmean(abs(one.claimed.value) for one in found if one.task == each.task) or 1.0
        gain: Gain | None = getattr(each, part)
        if gain is not None:
            claims.append(each.claimed.value / unit)
            confirmed.append(gain.value / unit)
            errors.append((gain.margin or 0.0) / unit)
    if sum(claims) <= 0:
        return "  |  "
    share, margin = sum(confirmed) / sum(claims), math.hypot(*errors) / sum(claims)
    return f"{share:.0%} | {share - margin:.0%} to {share + margin:.0%}".replace("%", " %")


def page(found: Sequence[Ratchet], seconds: float | None) -> str:
    trained = "the policy's training time" if seconds is None else f"{seconds:g} s of training"
    lines = [
        PREAMBLE.format(seconds=trained) + HEADING,
        *(each.line for each in found),
        RATIOS,
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
                OUTPUT.write_text(page(found, train_seconds), encoding="utf-8")
    click.echo("\n".join(ratios(found)))


if __name__ == "__main__":
    main()
