"""FLAML on heart in the same sealed trial as the template: folds, container and scorer alike.

    python bench/flaml.py [--seeds N] [--seconds S]

Three programs take the place of `train.py`: the template's, a FLAML search that gets as long as
the template's training took from the start of its process, imports included, and one that gets S
seconds a fold. FLAML's own imports come on top of its search. Prints the table and writes it to
bench/flaml.md.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from tasks import Measured, measure, prepare

from runner.records import File, TrialSpec

TASK, PROGRAM = "heart", "train.py"
TIMED = '''

import os as _os
import time as _time
from pathlib import Path as _Path

import kit as _kit

_build = build_pipeline


class Timed:
    """Fits what it holds, and says how long that and the whole process took so far."""

    def __init__(self, pipeline):
        self.pipeline = pipeline

    def fit(self, features, targets):
        begun = _time.monotonic()
        self.pipeline.fit(features, targets)
        _kit.curves.log("fit_seconds", 0, _time.monotonic() - begun)
        _kit.curves.log("train_seconds", 0, since_start())

    def predict_proba(self, features):
        return self.pipeline.predict_proba(features)


def since_start():
    ticks = int(_Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return _time.clock_gettime(_time.CLOCK_BOOTTIME) - ticks / _os.sysconf("SC_CLK_TCK")


def build_pipeline():
    return Timed(_build())
'''
SEARCH = '''"""FLAML with its own choice of models."""

import kit
from flaml import AutoML

HYPOTHESIS = "a search for {seconds} s"


class Search(AutoML):
    def fit(self, features, targets):
        super().fit(
            features, targets, task="classification", metric="roc_auc",
            time_budget={seconds}, seed=kit.seed() % 2**31, verbose=0,
        )


def feature_fn(X):
    return X


def build_pipeline():
    return Search()
'''
PREAMBLE = """# FLAML at equal time on heart

The same folds, containers and scorer; only `train.py` differs.
`fit s` is the fit alone, `train s` the process until the fit ended, imports included; medians.
"""
HEADING = "| program | val_auc | sd | seeds | audit | fit s | train s |"
RULE = "|---|--:|--:|--:|--:|--:|--:|"


def with_program(spec: TrialSpec, source: str | None) -> TrialSpec:
    """Return the trial with another `train.py`, the template's own without one, and timed."""
    text = source or spec.workspace[PROGRAM].content.decode()
    file = File(content=(text + TIMED).encode(), mode=spec.workspace[PROGRAM].mode)
    return replace(spec, workspace={**spec.workspace, PROGRAM: file})


def played(seeds: int, source: str | None) -> Measured:
    found = measure(TASK, seeds, partial(with_program, source=source))
    failed = [result.reason for result in found.trials if result.score is None]
    assert not failed, failed[0]
    return found


def seconds(found: Measured, curve: str) -> float:
    """Return the median over the trials of what a curve of one point says."""
    values = [
        one.points[0][1] for result in found.trials for one in result.curves if one.name == curve
    ]
    return statistics.median(values)


def row(name: str, found: Measured) -> str:
    times = f"{seconds(found, 'fit_seconds'):.2f} | {seconds(found, 'train_seconds'):.1f}"
    score = f"{found.centre} | {found.deviation} | {len(found.scores)} | {found.locked}"
    return f"| {name} | {score} | {times} |"


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--seconds", "long", default=20.0, show_default=True, help="Of the longer search.")
def main(seeds: int, long: float) -> None:
    """Measure the template and two FLAML searches."""
    prepare(TASK)
    lines = [PREAMBLE, HEADING, RULE]
    template = played(seeds, None)
    equal = round(seconds(template, "train_seconds"), 1)
    searches = {
        f"FLAML, {equal:g} s: as long as the template's training": equal,
        f"FLAML, {long:g} s a fold": long,
    }
    lines.append(row("the template, a logistic regression", template))
    click.echo("\n".join(lines))
    for name, budget in searches.items():
        lines.append(row(name, played(seeds, SEARCH.format(seconds=budget))))
        click.echo(lines[-1])
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
