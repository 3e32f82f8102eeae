"""A/A runs on real tasks: how often each rule keeps what changes nothing.

    python bench/aa.py [--planted 40] [--train-seconds S] [--rule RULE ...] [TASK ...]

A run of each task under each rule, all of whose proposals are planted: a comment more, and nothing
else. The runs lie in the state folder (`RUNNER_HOME`) under tags of their own; cut off, this goes
on where it was, and what is there already is only read. Prints the table, and writes it to
bench/aa.md with the rows of other tasks that it had.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import yaml
from tasks import prepare

from runner import intervals, paths
from runner.errors import RunnerError
from runner.noise.simulation import World, posterior
from runner.policy.load import load_policy
from runner.rules import constants

OUTPUT = Path(__file__).with_suffix(".md")
TASKS = ("eclip", "shakespeare", "heart")
RULES = ("posterior", "strict")
HEADING = (
    "| task | rule | train s | planted | kept | share | interval of 95 % | simulated | trials "
    "| hours |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)
PREAMBLE = """# What each rule keeps of proposals that change nothing

`python bench/aa.py` plants a comment and nothing else, on the best of the moment, again and again.
The interval is Clopper and Pearson's.
*Simulated* is what as many proposals come to in simulated runs: under posterior with the product's
own numbers, under strict the records among independent means; none where scores are exact.
`min_gain` is 0, so that nothing but the rule stands between noise and a keep, and the kernel's
caches are not dropped. Trials run one after the other, on all the cores that the policy gives them.

"""
RUNS = 400


def run(*arguments: object) -> str:
    """Run a verb; its output is shown only where it failed."""
    command = [sys.executable, "-m", "runner", *map(str, arguments)]
    done = subprocess.run(command, cwd=paths.PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def conducted(
    tag: str, task: str, rule: str, *options: object, experiments: int, min_gain: float | None = 0.0
) -> dict[str, Any]:
    """Begin a run under a rule, or go on with it; return where it stands.

    `min_gain` takes the place of the policy's; `None` leaves that.
    """
    known = {each["tag"] for each in json.loads(run("list", "--json"))} if any_runs() else set()
    if tag in known:
        run("run", "--resume", tag, "--experiments", experiments)
    else:
        policy = load_policy(paths.policy_path(task))
        document = yaml.safe_load(policy.text)
        gain = policy.policy.decision.min_gain if min_gain is None else min_gain
        document["decision"] = {"rule": rule, "min_gain": gain}
        document["stop_at"] = None
        document["resources"] |= {"flush": False}  # nobody hides anything here
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(document, file)
            file.flush()
            run(
                "run", task, "--tag", tag, "--policy", file.name, "--experiments", experiments,
                *options,
            )  # fmt: skip
    found: dict[str, Any] = json.loads(run("status", tag, "--json"))
    return found


def at_hand(tasks: Sequence[str]) -> Iterator[str]:
    """Yield the tasks whose data are here or can be made here; say why others are left out."""
    for task in tasks:
        try:
            prepare(task)
        except RunnerError as error:
            click.echo(f"{task} is left out: {error}", err=True)
        else:
            yield task


def any_runs() -> bool:
    return paths.state().journal.is_file()


def trials_of(tag: str) -> list[dict[str, Any]]:
    experiments = json.loads(run("list", tag, "--all", "--json"))
    return [trial for each in experiments for trial in each["trials"]]


def expected(rule: str, count: int, *, exact: bool) -> float:
    """Return how many of so many changes of nothing are kept in simulation."""
    if exact:
        return 0.0
    if rule == "strict":
        return sum(1 / place for place in range(2, count + 2))
    world = World(name="", helpful=0.0, neutral=1.0)
    bounds = constants.bounds(0.05, 14)
    tally = posterior(world, constants.PRIOR, bounds, constants.BASELINE, RUNS, 1)
    return float(np.mean(tally.kept[:, :count].sum(axis=1)))


def row(task: str, rule: str, planted: int, seconds: float | None) -> tuple[str, int, int, float]:
    """Conduct one run; return its line, how many were planted and kept, and what was expected."""
    shown = "" if seconds is None else f"-{seconds:g}s".replace(".", "-")
    tag = f"aa-{task}-{rule}{shown}"
    options = ["--aa", planted] + ([] if seconds is None else ["--train-seconds", seconds])
    found = conducted(tag, task, rule, *options, experiments=planted)["planted"]
    trials = [each for each in trials_of(tag) if each["purpose"] == "decision"]
    policy = load_policy(paths.policy_path(task)).policy
    scores = {trial["metrics"][policy.metric.name] for trial in trials if trial["metrics"]}
    splits = {trial["split"] for trial in trials}
    likely = expected(rule, found["count"], exact=len(scores) <= len(splits))
    trained = (
        load_policy(paths.policy_path(task)).policy.budget.train if seconds is None else seconds
    )
    hours = sum(trial["wall_seconds"] for trial in trials) / 3600
    line = cells(task, rule, f"{trained:g}", found["kept"], found["count"], likely)
    return f"{line} {len(trials)} | {hours:.2f} |", found["count"], found["kept"], likely


def cells(task: str, rule: str, trained: str, kept: int, count: int, likely: float) -> str:
    low, high = intervals.share(kept, count)
    share = f"{100 * kept / count:.1f} % | {100 * low:.1f} to {100 * high:.1f} % | {likely:.2f}"
    return f"| {task} | {rule} | {trained} | {count} | {kept} | {share} |"


def merged(rows: Sequence[str]) -> str:
    """Return the page with these rows, and those of other tasks and rules that it had."""
    before = OUTPUT.read_text(encoding="utf-8").splitlines() if OUTPUT.exists() else []
    known = {key(line): line for line in before if line.startswith("| ") and "---" not in line}
    known |= {key(line): line for line in rows}
    known.pop(key(HEADING), None)
    return "\n".join([PREAMBLE + HEADING, *(known[name] for name in sorted(known))]) + "\n"


def key(line: str) -> tuple[bool, str, str]:
    _, task, rule, *_ = (cell.strip() for cell in line.split("|"))
    return task == "all", task, rule


@click.command()
@click.option("--planted", default=40, show_default=True, type=click.IntRange(min=1))
@click.option("--train-seconds", type=float, help="Seconds of training in place of the policy's.")
@click.option("--rule", "rules", multiple=True, default=RULES, type=click.Choice(RULES))
@click.argument("tasks", nargs=-1)
def main(
    planted: int, train_seconds: float | None, rules: tuple[str, ...], tasks: tuple[str, ...]
) -> None:
    """Plant changes of nothing into runs of TASKS, or of eclip, shakespeare and heart."""
    rows = []
    for rule in rules:
        found = []
        for task in at_hand(tasks or TASKS):
            line, *numbers = row(task, rule, planted, train_seconds)
            click.echo(line)
            rows.append(line)
            found.append(numbers)
            OUTPUT.write_text(merged(rows), encoding="utf-8")
        if len(found) > 1:
            count, kept, likely = (sum(each) for each in zip(*found, strict=True))
            rows.append(f"{cells('all', rule, '', int(kept), int(count), likely)}  |  |")
            click.echo(rows[-1])
            OUTPUT.write_text(merged(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
