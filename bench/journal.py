"""What a long run's journal weighs, and how long the reading commands take on it.

    python bench/journal.py [--experiments 100000] [--calls] [--keep FOLDER]

The experiments are those of eclip under `tune`, made up: two trials each, six metrics and a curve
of 100 points a trial, one in a hundred kept and audited. They go through the journal's own writer,
many to a transaction. Each command is a process of its own; its time includes the start of Python,
its memory is the most that it held (`ru_maxrss`).
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runner import __version__, paths
from runner.draws import index
from runner.journal.entries import now
from runner.journal.store import Journal, open_journal
from runner.policy.load import parse_policy
from runner.records import (
    REGULAR,
    Change,
    ChangedFile,
    Curve,
    Experiment,
    ExperimentStatus,
    ModelCall,
    Origin,
    Purpose,
    Review,
    Run,
    Score,
    TrialRecord,
    TrialResult,
    TrialStatus,
    Usage,
)
from runner.rules_digest import rules_digest
from runner.workspace import Workspace

TAG = "long"
TOGETHER = 1000
"""Experiments in one transaction."""
KEPT_EVERY = 100
POINTS = 100
TARGETS = {
    "status": (0.5, 200),
    "status --json": (0.5, 200),
    "list": (0.5, 200),
    "list TAG": (0.5, 200),
    "list TAG --json": (0.5, 200),
    "list TAG --all": (None, 200),
    "show N": (0.2, 200),
    "show N --json": (0.2, 200),
    "export": (15.0, 200),
    "export --json": (15.0, 200),
}
"""Command → seconds and megabytes to reach."""


def a_run(base_commit: str = "b" * 40) -> Run:
    policy = parse_policy(paths.policy_path("eclip").read_text(encoding="utf-8"))
    digests = {
        name: f"{random.getrandbits(256):064x}"
        for name in ("harness_digest", "template_digest", "data_digest", "draws_digest")
    }
    return Run(
        tag=TAG, task="eclip", agent="tune", agent_isolation="api", metric="mean_rank",
        direction="minimize", round_to=0.5, policy_text=policy.text, policy_digest=policy.digest,
        image_id=f"sha256:{'1' * 64}", scorer_image_id=f"sha256:{'2' * 64}", device="cpu",
        base_commit=base_commit, created_at=now(),
        runner_version=__version__, rules_digest=rules_digest(),
        **digests,
    )  # fmt: skip


def write(
    journal: Journal,
    run: Run,
    numbers: range,
    *,
    attempt: str,
    change: ChangedFile,
    calls: bool = False,
    kept_every: int = KEPT_EVERY,
) -> None:
    """Write experiments as the loop does: from the proposal to the audit of what is kept.

    Args:
        journal: where to.
        run: whose.
        numbers: of the experiments.
        attempt: a commit that stands for every attempt's.
        change: what stands for every proposal's change; git has its bytes.
        calls: whether a call to a model was made for each.
        kept_every: which of them are kept; 0 for none.
    """
    draw = random.Random(numbers.start)  # noqa: S311 - made-up scores
    for start in range(numbers.start, numbers.stop, TOGETHER):
        with journal._transaction():
            for number in range(start, min(start + TOGETHER, numbers.stop)):
                kept = kept_every > 0 and number % kept_every == 0
                _experiment(journal, run, draw, number, attempt, change, kept=kept)
                if calls:
                    journal.add_call(run.tag, _call(number))


def _experiment(
    journal: Journal,
    run: Run,
    draw: random.Random,
    number: int,
    commit: str,
    change: ChangedFile,
    *,
    kept: bool,
) -> None:
    tag = run.tag
    best = 100 - 50 * (1 - math.exp(-number / 1000))
    places = tuple(index(number, count) for count in range(2))
    origin = Origin(agent="tune", isolation="api", why="from the best so far")
    value = draw.uniform(1e-4, 1e-2)
    experiment = Experiment(
        run=tag, number=number, parent_commit=run.base_commit, changes=(change,),
        hypothesis=f"LEARNING_RATE {value:.6g} -> {value * 1.3:.6g}", category="tune",
        origin=origin if number else None, started_at=now(),
    )  # fmt: skip
    journal.propose(experiment, run)
    journal.reviewed(tag, number, Review(fingerprint=f"{draw.getrandbits(256):064x}"))
    journal.attempt_stored(tag, number, commit)
    scores = [best + draw.gauss(0 if kept else 5, 1) for _ in places]
    for place, score in zip(places, scores, strict=True):
        journal.trial_ended(tag, number, _trial(draw, Purpose.DECISION, number, place, score))
    mean, status = sum(scores) / 2, "kept" if kept else "reverted"
    verdict = "a gain" if kept else "no better"
    journal.decided(
        tag, number, status=ExperimentStatus(status), score=mean, gain=best - mean, rule=None,
        planned=len(places),
        reason=f"{verdict}: mean_rank {mean:.6g}, best before {best:.6g}, needed 1",
    )  # fmt: skip
    journal.settled(
        tag, number, commit=commit if kept else None, wall_seconds=31.5, notes_commit=commit
    )
    if kept:
        for place in places:
            journal.trial_ended(tag, number, _trial(draw, Purpose.AUDIT, number, place, mean + 1))


def _trial(
    draw: random.Random, purpose: Purpose, number: int, place: int, score: float
) -> TrialRecord:
    metrics = {
        "mean_rank": score, "mean_rank_se": draw.uniform(2, 3), "median_rank": round(score / 2),
        "recall_at_1": draw.random() / 9, "recall_at_5": draw.random() / 5,
        "recall_at_10": draw.random() / 3,
    }  # fmt: skip
    points = tuple(
        (float(step), float(f"{4.2 * math.exp(-step / 40) + draw.gauss(1, 0.05):.4g}"))
        for step in range(POINTS)
    )
    result = TrialResult(
        status=TrialStatus.SCORED, reason="scored", score=Score(metrics=metrics),
        curves=(Curve(name="loss", points=points),), wall_seconds=draw.uniform(14, 16),
        overhead_seconds=draw.uniform(1, 2), peak_memory_bytes=draw.randrange(2**29, 2**30),
        cpu_seconds=draw.uniform(20, 22),
    )  # fmt: skip
    return TrialRecord(
        purpose=purpose, split="train", index=place, seed=draw.randrange(2**31), asked_by=number,
        result=result,
    )  # fmt: skip


def _call(number: int) -> ModelCall:
    usage = Usage(input_tokens=900, output_tokens=700, cache_read_tokens=15_000)
    return ModelCall(
        experiment=number, agent="claude", model="claude-opus-5-5", usage=usage, usd=0.02,
        seconds=12.0, outcome="end_turn",
    )  # fmt: skip


# -- measured ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Took:
    """What one process took."""

    seconds: float
    megabytes: float
    characters: int


def took(arguments: list[str], home: Path) -> Took:
    program = str(Path(sys.executable).with_name("runner"))
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [program, *arguments], stdout=output, env=os.environ | {"RUNNER_HOME": str(home)}
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        if status:
            raise SystemExit(f"runner {' '.join(arguments)} failed")
        return Took(seconds=seconds, megabytes=used.ru_maxrss / 1024, characters=output.tell())


def statements(folder: Path) -> float:
    """Return how many statements one experiment in the middle of a run costs."""
    with open_journal(folder / "statements.sqlite") as journal:
        run = a_run()
        journal.create_run(run)
        change = ChangedFile(path="train.py", mode=REGULAR, blob="c" * 40)
        write(journal, run, range(2), attempt="a" * 40, change=change)
        seen: list[str] = []
        journal._db.set_trace_callback(seen.append)
        draw = random.Random(1)  # noqa: S311
        for number in range(2, 22):
            _experiment(journal, run, draw, number, "a" * 40, change, kept=False)
        journal._db.set_trace_callback(None)
    return len(seen) / 20


def weight(path: Path, experiments: int) -> str:
    """Return bytes an experiment, and of which tables and indexes, where SQLite can tell."""
    whole = path.stat().st_size / experiments
    try:
        with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as database:
            query = "SELECT name, sum(pgsize) AS size FROM dbstat GROUP BY name ORDER BY size DESC"
            parts = database.execute(query).fetchmany(8)
    except sqlite3.Error:
        return f"{whole:,.0f} bytes an experiment"
    shown = ", ".join(f"{name} {size / experiments:,.0f}" for name, size in parts)
    return f"{whole:,.0f} bytes an experiment: {shown}"


@contextmanager
def home_of(keep: Path | None) -> Iterator[Path]:
    if keep:
        yield keep
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def make(home: Path, experiments: int, *, calls: bool, say: Callable[[str], None]) -> Path:
    """Write the journal, unless it is there from before."""
    path = paths.State(home).journal
    if path.exists():
        return path
    begun = time.perf_counter()
    template, when = paths.template("eclip"), now()
    workspace = Workspace.create(
        paths.State(home).repository(TAG), TAG, template=template, harness={}, when=when
    )
    content = template["train.py"].content.replace(b"BATCH_SIZE = ", b"BATCH_SIZE = 1")
    change = Change(path="train.py", content=content)
    attempt = workspace.attempt(1, workspace.head(), [change], "attempt", when)
    [stored] = workspace.stored([change])
    with open_journal(path) as journal:
        run = a_run(workspace.head())
        journal.create_run(run)
        write(journal, run, range(experiments), attempt=attempt, change=stored, calls=calls)
    say(f"written in {time.perf_counter() - begun:.0f} s")
    return path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--calls", action="store_true", help="a call to a model for each")
    parser.add_argument("--keep", type=Path, help="where the journal is or stays")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    console = Console(width=120)
    with home_of(given.keep) as home, tempfile.TemporaryDirectory() as aside:
        path = make(home, given.experiments, calls=given.calls, say=console.print)
        console.print(weight(path, given.experiments))
        console.print(f"{statements(Path(aside)):.0f} statements an experiment of two trials")
        table = Table("command", "seconds", "to reach", "MB", "to reach", "characters")
        for shown, (seconds, megabytes) in TARGETS.items():
            words = [
                {"TAG": TAG, "N": str(given.experiments // 2)}.get(w, w) for w in shown.split()
            ]
            runs = [took(words, home) for _ in range(given.repeats if seconds else 1)]
            found = min(runs, key=lambda each: each.seconds)
            table.add_row(
                *(
                    f"runner {shown}",
                    f"{found.seconds:.2f}",
                    "" if seconds is None else f"{seconds}",
                ),
                *(f"{found.megabytes:.0f}", f"{megabytes}", f"{found.characters:,}"),
            )
        console.print(table)


if __name__ == "__main__":
    main()
