"""How long a report takes, and how large it is: of a run of 200, of the newest 500 of a long one.

    python bench/report.py [--experiments 100000] [--keep FOLDER]

The experiments are those of `bench/journal.py`, with a call to a model for each. Each report is a
process of its own; its time includes the start of Python.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from journal import TAG, home_of, make, took
from rich.console import Console
from rich.table import Table

SHORT = 200
FORMS = (("report.html",), ("report.md",), ("report.html", "--png", "p.png", "--card", "c.png"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="where the long journal is or stays")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    console = Console(width=120)
    table = Table("experiments", "written", "seconds", "to reach", "MB held", "bytes", "to reach")
    with home_of(None) as short, home_of(given.keep) as long, tempfile.TemporaryDirectory() as out:
        for home, count in ((short, SHORT), (long, given.experiments)):
            make(home, count, calls=True, say=console.print)
            for name, *more in FORMS:
                pictures = [str(Path(out, each)) if "." in each else each for each in more]
                words = ["report", TAG, "-o", str(Path(out, name)), *pictures]
                runs = [took(words, home) for _ in range(given.repeats)]
                found = min(runs, key=lambda each: each.seconds)
                size = Path(out, name).stat().st_size
                table.add_row(
                    *(f"{count:,}", " ".join([name, *more]), f"{found.seconds:.2f}", "10"),
                    *(f"{found.megabytes:.0f}", f"{size:,}", "5,000,000"),
                )
    console.print(table)


if __name__ == "__main__":
    main()
