"""How long the command line takes to start.

python bench/startup.py [REPEATS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runner.journal.entries import now
from runner.journal.store import open_journal
from runner.records import Run

COMMANDS = (["--help"], ["status"], ["list"])


def seconds(arguments: list[str], home: str) -> float:
    begun = time.perf_counter()
    command = [str(Path(sys.executable).with_name("runner")), *arguments]
    subprocess.run(command, check=True, capture_output=True, env={"RUNNER_HOME": home})
    return time.perf_counter() - begun


def some_run() -> Run:
    text = dict.fromkeys(
        (
            "policy_text",
            "policy_digest",
            "harness_digest",
            "template_digest",
            "image_id",
            "runner_version",
            "rules_digest",
            "draws_digest",
        ),
        "x",
    )
    return Run(
        tag="bench", task="eclip", agent="tune", agent_isolation="api", metric="mean_rank",
        direction="minimize", round_to=0.5, data_digest="x", device="cpu", base_commit="x",
        created_at=now(), **text,
    )  # fmt: skip


def main(repeats: int) -> None:
    table = Table("command", "n", "median ms", "min", "max", "target ms")
    with tempfile.TemporaryDirectory() as home:
        with open_journal(Path(home) / "journal.sqlite") as journal:
            journal.create_run(some_run())
        for arguments in COMMANDS:
            found = [seconds(arguments, home) * 1000 for _ in range(repeats)]
            cells = (statistics.median(found), min(found), max(found))
            shown = (f"{cell:.0f}" for cell in cells)
            table.add_row(f"runner {' '.join(arguments)}", str(repeats), *shown, "200")
    Console(width=100).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
