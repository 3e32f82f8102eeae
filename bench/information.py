"""How much information honest sources hold, and how much it takes to carry data in source.

    python bench/information.py [PUBLIC_SCRIPT.py ...]

Three tables: honest programs and edits, in all and given the template that they replace; what each
way of carrying 6,500 random bytes takes, which can never be less; and what a review costs.
Scripts that are named on the command line are measured as further programs.
"""

from __future__ import annotations

import random
import sys
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runner import paths
from runner.policy.information import information
from runner.policy.load import load_policy

sys.path.insert(0, str(paths.PROJECT / "tests" / "policy"))
import carriers

PAYLOAD = 6_500
ADDED = 300
MODULES = ("workspace", "estimate", "raw", "doctor", "trial/run", "journal/store", "policy/schema")
DRAW = random.Random(8)  # noqa: S311 - a measurement
REPEATS = 5


def template(task: str) -> dict[str, bytes]:
    files, policy = paths.template(task), load_policy(paths.policy_path(task)).policy
    return {path: files[path].content for path in policy.files.mutable}


def module(name: str) -> bytes:
    return (paths.PROJECT / "runner" / f"{name}.py").read_bytes()


def lines(content: bytes, most: int) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:most])


def milliseconds(files: Mapping[str, bytes], known: Mapping[str, bytes] | None = None) -> float:
    """Return what one review takes: the new, and all."""
    took = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        information(files, known)
        information(files)
        took.append(time.perf_counter() - begun)
    return min(took) * 1000


def honest(scripts: list[Path]) -> Table:
    table = Table("honest", title="honest programs and edits, bytes of information")
    for name in ("lines", "bytes", "in all", "new", "ms"):
        table.add_column(name, justify="right")

    def row(name: str, files: Mapping[str, bytes], before: Mapping[str, bytes] | None) -> None:
        content = b"".join(files.values())
        new = "" if before is None else f"{information(files, before):,}"
        counts = [f"{content.count(10):,}", f"{len(content):,}", f"{information(files):,}"]
        table.add_row(name, *counts, new, f"{milliseconds(files, before):.1f}")

    tasks = paths.tasks()
    for task in tasks:
        row(f"template of {task}", template(task), None)
    path = "train.py"
    base = {path: template("shakespeare")[path]}
    for task in ("cifar10", "nanochat", "eclip", "eclip-ukiyo"):
        row(f"rewrite of shakespeare's as {task}'s", {path: template(task)[path]}, base)
    for name in MODULES:
        added = lines(module(name), ADDED)
        row(f"{added.count(10)} lines of runner/{name}.py added", {path: base[path] + added}, base)
    for script in scripts:
        whole = {path: script.read_bytes()}
        row(f"{script.name}, in place of shakespeare's", whole, base)
    return table


def carried() -> Table:
    title = f"{PAYLOAD:,} random bytes, added to shakespeare's template: bytes of information"
    table = Table("carrier", title=title)
    for name in ("file", "new", "new / carried", "DEFLATE", "ms"):
        table.add_column(name, justify="right")
    secret = DRAW.randbytes(PAYLOAD)
    before = {"train.py": template("shakespeare")["train.py"]}
    for carrier in carriers.CARRIERS:
        added = carrier(secret).encode()
        files = {"train.py": before["train.py"] + added}
        new = information(files, before)
        numbers = [f"{len(files['train.py']):,}", f"{new:,}", f"{new / PAYLOAD:.2f}"]
        deflated = f"{len(zlib.compress(added, 9)):,}"
        table.add_row(carrier.__name__, *numbers, deflated, f"{milliseconds(files, before):.0f}")
    return table


def worst() -> Table:
    """Two files of 100,000 bytes, all of them changed: the most that a shipped policy allows."""
    table = Table("two files of 100,000 bytes, rewritten", title="what a review costs at most")
    table.add_column("ms", justify="right")
    for carrier in carriers.CARRIERS:
        old, new = (
            {
                path: (carrier(DRAW.randbytes(60_000)).encode())[:100_000]
                for path in ("a.py", "b.py")
            }
            for _ in range(2)
        )
        table.add_row(carrier.__name__, f"{milliseconds(new, old):.0f}")
    return table


def main() -> None:
    console = Console(width=110)
    for table in (honest([Path(name) for name in sys.argv[1:]]), carried(), worst()):
        console.print(table)


if __name__ == "__main__":
    main()
