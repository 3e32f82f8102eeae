"""How a prompt grows with the history, and how long it takes to write.

    python bench/prompt.py

No tokenizer works offline. A token is taken for four bytes of UTF-8, and once more for a *piece*:
up to six letters, up to three digits, or one sign, which is hard on lines full of numbers.
The lengths are rough; the ratios, which are what is asked for, are given in both.

The history is made up: 10 % kept, 12 % crashed, 5 % refused, nine categories, hypotheses of 15 to
45 words, notes that grow with every experiment. Files, programs and policies are the tasks' own.
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from runner import paths
from runner.policy.load import load_policy
from runner.policy.schema import Policy
from runner.policy.words import summary
from runner.prompt.brief import brief
from runner.records import (
    Crash,
    Curve,
    Experiment,
    ExperimentStatus,
    File,
    Origin,
    Purpose,
    TrialRecord,
    TrialResult,
    TrialStatus,
)
from runner.seams import Context

LENGTHS = (0, 30, 100, 300, 1000)
MOST = 1.15
PIECE = re.compile(r"[A-Za-z]{1,6}|\d{1,3}|[^\sA-Za-z\d]")
TEXT = """a the of with and warm-up width learning rate schedule longer shorter loss batch weight
decay encoder attention pooling dropout cosine temperature augmentation because steps gradient per
epoch features noise should help early training converge faster clipping negatives average"""
WORDS, NAMES = TEXT.split(), "optimiser schedule architecture regularisation loss data pooling"
CATEGORIES = (*NAMES.split(), "averaging", "moonshot")
KINDS = {
    ExperimentStatus.KEPT: 10,
    ExperimentStatus.REVERTED: 73,
    ExperimentStatus.CRASHED: 12,
    ExperimentStatus.REFUSED: 5,
}


def words(draw: random.Random, fewest: int, most: int) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(fewest, most)))


def trial(draw: random.Random, status: ExperimentStatus) -> tuple[TrialRecord, ...]:
    if status is ExperimentStatus.REFUSED:
        return ()
    crash, curves = None, ()
    if status is ExperimentStatus.CRASHED:
        message = words(draw, 5, 40)
        crash = Crash(
            exception="RuntimeError", file="/workspace/train.py", line=77, message=message
        )
    else:
        points = tuple((step, round(3 / (1 + step), 4)) for step in range(100))
        curves = tuple(Curve(name=name, points=points) for name in ("loss", "rate", "val_loss"))
    ended = TrialStatus.CRASHED if crash else TrialStatus.SCORED
    result = TrialResult(status=ended, reason="", stage="train", crash=crash, curves=curves)
    return (
        TrialRecord(purpose=Purpose.DECISION, split="", index=0, seed=0, asked_by=0, result=result),
    )


def experiment(draw: random.Random, number: int, policy: Policy) -> Experiment:
    [status] = draw.choices(list(KINDS), list(KINDS.values()))
    status = status if number else ExperimentStatus.KEPT
    ran = status in (ExperimentStatus.KEPT, ExperimentStatus.REVERTED)
    score, step = round(400 - number / 4 + draw.random(), 2), policy.metric.round_to
    gain = (1 if status is ExperimentStatus.KEPT else -1) * draw.randint(1, 40) * step
    return Experiment(
        run="bench",
        number=number,
        parent_commit="",
        hypothesis=words(draw, 15, 45),
        category=draw.choice(CATEGORIES),
        changes=(),
        origin=Origin(
            agent="bench",
            isolation="api",
            expectation=words(draw, 6, 20),
            takeaway=words(draw, 10, 30),
        ),
        status=status,
        rule=None if status is not ExperimentStatus.REFUSED else "literals-too-large",
        reason=f"{policy.metric.name} {score:g}, gain {gain:+g}, needed 1",
        score=score if ran else None,
        gain=gain if ran else None,
        trials=trial(draw, status),
    )


def context(policy: Policy, length: int) -> Context:
    draw = random.Random(7)  # noqa: S311 - made-up words
    files = dict(paths.template(policy.task))
    for path in ("LEARNING.md", "scratchpad.md"):
        grown = "".join(f"- {words(draw, 8, 14)} (#{n})\n" for n in range(length))
        files[path] = File(content=files[path].content + grown.encode())
    return Context(
        number=length,
        task=policy.task,
        files=files,
        mutable=policy.files.mutable,
        notes=policy.files.notes,
        rules=summary(policy),
        metric=policy.metric.name,
        direction=policy.metric.direction,
        history=tuple(experiment(draw, number, policy) for number in range(length)),
        why="from the best so far",
    )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One prompt: its length in two ways, and how long it took to write."""

    system: float
    tokens: float
    pieces: int
    milliseconds: float


def measured(told: Context) -> Measured:
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        written = brief(told)
        took.append(time.perf_counter() - begun)
    whole = written.system + written.user
    return Measured(
        system=len(written.system.encode()) / 4,
        tokens=len(whole.encode()) / 4,
        pieces=len(PIECE.findall(whole)),
        milliseconds=min(took) * 1000,
    )


def row(policy: Policy) -> list[str]:
    found = {length: measured(context(policy, length)) for length in LENGTHS}
    base, last = found[30], found[1000]
    ratios = (last.tokens / base.tokens, last.pieces / base.pieces)
    lengths = [f"{one.tokens:.0f}" for one in found.values()]
    shown = [f"{ratio:.3f}{'' if ratio <= MOST else ' !'}" for ratio in ratios]
    return [policy.task, f"{base.system:.0f}", *lengths, *shown, f"{last.milliseconds:.1f}"]


def main() -> None:
    table = Table("task", "system", title="tokens (bytes / 4) of the prompt of experiment ...")
    columns = [f"{length:,}" for length in LENGTHS]
    for name in (*columns, "1,000 to 30", "in pieces", "ms at 1,000"):
        table.add_column(name, justify="right")
    for task in paths.tasks():
        table.add_row(*row(load_policy(paths.policy_path(task)).policy))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
