"""How long an agent's box takes to be ready, with a warm image: from its turn to its first command.

RUNNER_HOME=... python bench/box.py [REPEATS]      # a state folder with the data of packing
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runner import paths
from runner.box import run
from runner.locks import BOXES, TRIALS, turn
from runner.records import File
from runner.seams import BoxWork, Reply
from runner.session import Person
from runner.start import Request, at_work

READY = b"ready\n"
TARGET = 1.5


class Nowhere:
    """A way to a model that nobody goes."""

    @contextmanager
    def listening(self, folder: Path) -> Iterator[Path]:
        yield folder / "gateway.sock"


def seconds(session: object, sandbox: object) -> float:
    work = BoxWork(
        command=["sleep", "60"],
        environment={},
        files={"train.py": File(content=b"A = 1\n")},
        about={"brief.md": b"# Brief\n"},
        programs=None,
        gateway=Nowhere(),
        answer=lambda _: Reply(text=""),
    )
    with turn(BOXES, TRIALS, print, sandbox.abort):
        begun = time.perf_counter()
        with run._begun(session, sandbox, work) as (_, running, _):
            while not running.said(READY):
                time.sleep(0.002)
            return time.perf_counter() - begun


def main(repeats: int) -> None:
    request = Request(task="packing", tag=f"bench-{time.time_ns()}", agent="tune")
    with at_work(paths.state(), request, Person()) as work:
        sandbox = work.session.boxer.args[1]
        found = [seconds(work.session, sandbox) for _ in range(repeats + 1)][1:]
    table = Table("a box is ready", "n", "median s", "min", "max", "target s")
    cells = (statistics.median(found), min(found), max(found), TARGET)
    table.add_row("caches dropped", str(repeats), *(f"{cell:.2f}" for cell in cells))
    Console(width=100).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
