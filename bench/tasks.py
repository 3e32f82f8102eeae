"""A row for each task: what its unmodified template scores, and what a trial costs.

    python bench/tasks.py [--seeds N] [TASK ...]
    python bench/tasks.py --generated-prints [--train SECONDS] [--seeds N]

Prepares what is missing (`RUNNER_RAW_DATA` names raw files, as for `runner prepare`), runs every
split with N seeds and the audit once, prints the rows and merges them into bench/tasks.md: a task
that is not measured now keeps the row that it has. A task whose raw files cannot be had gets a row
that says so.

`--generated-prints` measures eclip-ukiyo on a folder in the official format, with painted prints.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from runner import data, engines, paths
from runner.engines import images
from runner.errors import RunnerError
from runner.noise.report import Noise, sight
from runner.policy.load import load_policy
from runner.policy.schema import Policy
from runner.records import Purpose, TrialResult, TrialSpec
from runner.task_check.playing import specification
from runner.trial import Host, TrialRunner

STATED = {
    "cifar10": "~0.19 (60 s, GPU)",
    "eclip": "344.68 -> 157.43 (real prints, other pool)",
    "eclip-ukiyo": "344.68 -> 157.43 (ViT-Small, 5 min, 4090)",
    "heart": "not published for this harness",
    "nanochat": "0.9979 (full profile, 5 min, H100)",
    "packing": "2.6359 (best known)",
    "shakespeare": "~3.1 (30 s, CPU)",
    "tabular": "none",
}
HEADING = (
    "| task | metric | mean | noise | sees | seeds | audit | trial s | scoring s "
    "| stated by the original | measured on |"
)
RULE = "|---|---|--:|--:|--:|--:|--:|--:|--:|---|---|"
OUTPUT = Path(__file__).with_suffix(".md")
PREAMBLE = """# What the unmodified templates score

The mean over a policy's splits, and the locked part once.
*Noise* is the standard deviation from seed to seed, *sees* the true gain that a run of 100
experiments under this policy keeps with 50 %: both by the code of `runner noise`.
A trial is one split with one seed, its scoring included.
A served model's forward passes are part of its scoring.
Budgets are seconds of all the cores a task has, as in its policy.
So a template that keeps one of two cores busy trains twice as long on the wall, and other work on
the machine makes a trial longer and its score no worse.
"""
PRINTS = {"train": 2200, "val": 300, "test": 300}
"""How many prints are painted; the official folder has 9,893 to learn from and 1,100 locked."""


@dataclass(frozen=True)
class Measured:
    """One task's figures: a score per seed (the mean over splits), and the trials behind them."""

    scores: list[float]
    audit: float | None
    trials: list[TrialResult]

    @property
    def centre(self) -> str:
        return f"{statistics.fmean(self.scores):.4g}" if self.scores else "no score"

    @property
    def noise(self) -> Noise:
        return Noise(scores=tuple(self.scores))

    @property
    def deviation(self) -> str:
        found = self.noise.deviation
        return "" if found is None else f"{found:.2g}"

    def sees(self, policy: Policy) -> str:
        """Return the gain that a run sees; nothing where scores are exact, or too few."""
        found = self.noise.deviation
        half = sight(policy, found).half if found else None
        return "" if half is None or found is None else f"{half * found:.2g}"

    @property
    def locked(self) -> str:
        return "none" if self.audit is None else f"{self.audit:.4g}"


def prepare(task: str, *options: str) -> None:
    command = [sys.executable, "-m", "runner", "prepare", task, *options]
    done = subprocess.run(command, cwd=paths.PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunnerError(done.stderr.strip().splitlines()[0].rpartition("): ")[2])


def measure(
    task: str, seeds: int, change: Callable[[TrialSpec], TrialSpec] = lambda spec: spec
) -> Measured:
    """Run a task's template, or what `change` makes of it."""
    loaded, client, state = load_policy(paths.policy_path(task)), engines.connect(), paths.state()
    policy, image = loaded.policy, images.require_image(client, loaded.image)
    scorer = images.require_image(client, images.SCORER)
    host = Host(state=state, harness=paths.harness())
    sandbox = TrialRunner(engine=client, host=host)
    prepared = data.load(state, task)
    spec = change(specification(task, policy, prepared, image_id=image, scorer_image_id=scorer))
    rounds = [
        [sandbox.run(one) for one in decided(spec, policy, seed + 1)] for seed in range(seeds)
    ]
    locked = [
        sandbox.run(replace(spec, split=split, purpose=Purpose.AUDIT))
        for split in policy.evaluation.audited
    ]
    means = [mean(results, policy.metric.name) for results in rounds]
    return Measured(
        scores=[score for score in means if score is not None],
        audit=mean(locked, policy.metric.name),
        trials=[result for results in rounds for result in results],
    )


def decided(spec: TrialSpec, policy: Policy, seed: int) -> list[TrialSpec]:
    return [replace(spec, split=split, index=seed, seed=seed) for split in policy.evaluation.splits]


def mean(results: list[TrialResult], metric: str) -> float | None:
    scores = [result.score.metrics[metric] for result in results if result.score]
    return statistics.fmean(scores) if scores and len(scores) == len(results) else None


def row(name: str, task: str, seeds: int, train: float | None = None) -> str:
    policy = load_policy(paths.policy_path(task)).policy
    found = measure(task, seeds, lambda spec: trained_for(spec, train))
    wall = statistics.median(result.wall_seconds for result in found.trials)
    scoring = statistics.median(result.scoring_seconds for result in found.trials)
    score = f"{found.centre} | {found.deviation} | {found.sees(policy)} | {seeds} | {found.locked}"
    return (
        f"| {name} | {policy.metric.name} | {score} | {wall:.1f} | {scoring:.2f} | {origin(task)} |"
    )


def trained_for(spec: TrialSpec, seconds: float | None) -> TrialSpec:
    return replace(spec, budget=replace(spec.budget, train=seconds)) if seconds else spec


def unmeasured(name: str, task: str, why: str) -> str:
    metric = load_policy(paths.policy_path(task)).policy.metric.name
    return f"| {name} | {metric} | not measured: {why} |  |  |  |  |  |  | {origin(task)} |"


def origin(task: str) -> str:
    """What the original states, and where and when this was measured."""
    here = f"{os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}"
    return f"{STATED.get(task, 'none')} | {here}"


def merged(before: str, rows: list[str]) -> str:
    """Return the table with these rows, and of all other tasks the rows that it had."""
    lines = before.splitlines()
    known = {key(line): line for line in lines if line.startswith("| ") and line != HEADING}
    known |= {key(line): line for line in rows}
    return "\n".join([PREAMBLE, HEADING, RULE, *(known[name] for name in sorted(known))]) + "\n"


def key(line: str) -> str:
    return line.split("|")[1].strip()


def tell(line: str) -> None:
    """Print a row and put it into the table at once: the next task may take long."""
    click.echo(line)
    before = OUTPUT.read_text(encoding="utf-8") if OUTPUT.exists() else ""
    OUTPUT.write_text(merged(before, [line]), encoding="utf-8")


def measured(task: str, seeds: int, train: float | None) -> str:
    try:
        prepare(task)
    except RunnerError as error:
        return unmeasured(task, task, str(error).removeprefix("error: "))
    return row(task if train is None else f"{task}, {train:g} s of training", task, seeds, train)


def on_generated_prints(seeds: int, train: float | None) -> str:
    sys.path.append(str(paths.PROJECT / "tests" / "harness"))
    import prints_folder

    with tempfile.TemporaryDirectory() as folder:
        prints_folder.write(Path(folder), PRINTS)
        Path(folder).chmod(0o755)
        prepare("eclip-ukiyo", "--from", folder)
    count = PRINTS["train"] + PRINTS["val"]
    trained = f", {train:g} s of training" if train else ""
    return row(f"eclip-ukiyo on {count} generated prints{trained}", "eclip-ukiyo", seeds, train)


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--train", type=float, help="Seconds of training in place of the policy's.")
@click.option("--generated-prints", is_flag=True, help="eclip-ukiyo on painted prints alone.")
@click.argument("tasks", nargs=-1)
def main(seeds: int, train: float | None, generated_prints: bool, tasks: tuple[str, ...]) -> None:
    """Measure the templates of TASKS, or of all tasks."""
    if generated_prints:
        tell(on_generated_prints(seeds, train))
        return
    for task in tasks or paths.tasks():
        tell(measured(task, seeds, train))


if __name__ == "__main__":
    main()
