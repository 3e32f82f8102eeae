"""What an experiment costs the supervisor late in a long run, over what it costs early.

    python bench/long_run.py [--late 20000] [--early 200] [--measured 20]

A run is made up to that number through the journal's own writer, with a ref for each attempt, and
goes on from there by the real loop, journal, repository, review and log: the agent changes one
number, and the trials are answered at once. Processor time is the supervisor's and that of the
processes that it starts (git), between the ends of two experiments; the median is compared.
What the start of a run takes, which reads all of it once, is told apart.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(ROOT.parent / "tests")]

from fakes import TRAIN, FakeSandbox, make_session, scored  # noqa: E402
from journal import write  # noqa: E402

from runner.records import Change, Experiment, Proposal  # noqa: E402
from runner.scheduler import run_loop  # noqa: E402
from runner.seams import Context, Supervisor  # noqa: E402
from runner.session import Session  # noqa: E402

TO_REACH = 1.3


@dataclass
class Changing:
    """Proposes another number each time, at no cost."""

    name: str = "changing"
    isolation: str = "api"
    ahead: int = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        content = TRAIN.replace(b"0.001", str(context.number).encode())
        change = Change(path="train.py", content=content)
        return Proposal(
            hypothesis=f"RATE {context.number}",
            changes=(change,),
            takeaway="no better",
            category="x",
        )


@dataclass
class Clock:
    """Notes the processor time at the end of each experiment."""

    own: list[float] = field(default_factory=list)
    children: list[float] = field(default_factory=list)

    def mark(self, _: Experiment | None = None) -> None:
        self.own.append(time.process_time())
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.children.append(used.ru_utime + used.ru_stime)


def milliseconds(marks: list[float]) -> list[float]:
    return [1000 * (after - before) for before, after in pairwise(marks[1:])]


def prefill(session: Session, until: int) -> None:
    """Make the run up to this number; all of it was no better than the baseline."""
    attempt, tag = session.read(0).attempt_commit or "", session.run.tag
    [change] = session.workspace.stored([Change(path="train.py", content=TRAIN)])
    numbers = range(1, until)
    write(session.journal, session.run, numbers, attempt=attempt, change=change, kept_every=0)
    refs = "".join(f"create refs/attempts/{n} {attempt}\n" for n in range(1, until))
    session.workspace._git("update-ref", "--stdin", given=refs.encode())
    assert session.journal.newest(tag) == until - 1


def measured(number: int, count: int) -> tuple[Clock, float]:
    """Return the marks of some experiments from this number on, and the seconds of the start."""
    clock, sandbox = Clock(), FakeSandbox(lambda spec: scored(100.0 + spec.experiment))
    with tempfile.TemporaryDirectory() as folder:
        with make_session(Path(folder), sandbox) as session:
            run_loop(session, Changing(), experiments=0)
            prefill(session, number)
        with make_session(Path(folder), sandbox, finished=clock.mark) as session:
            begun = time.process_time()
            run_loop(session, Changing(), experiments=number + count)
            start = clock.own[0] - begun
    return clock, start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--late", type=int, default=20_000)
    parser.add_argument("--early", type=int, default=200)
    parser.add_argument("--measured", type=int, default=20)
    given = parser.parse_args()
    table = Table("from experiment", "supervisor ms", "its processes ms", "in all", "start s")
    found = []
    for number in (given.early, given.late):
        clock, start = measured(number, given.measured)
        own = statistics.median(milliseconds(clock.own))
        children = statistics.median(milliseconds(clock.children))
        found.append((own, own + children))
        cells = (own, children, own + children)
        table.add_row(f"{number:,}", *(f"{cell:.0f}" for cell in cells), f"{start:.1f}")
    console = Console(width=100)
    console.print(table)
    for name, place in (("supervisor", 0), ("in all", 1)):
        ratio = found[1][place] / found[0][place]
        console.print(f"{name}: {ratio:.2f} times as much (to reach: {TO_REACH})")


if __name__ == "__main__":
    main()
