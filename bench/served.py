"""What serving costs beyond the model: 100,000 bytes of text, scored over real sockets.

    python bench/served.py [REPEATS]

Both predictors are processes of their own that answer from a table of logits made beforehand: their
forward pass is one indexing. What is left, from each go until the scorer needs that predictor no
more, and from there to its document, is what a trial pays beyond the model's own forward passes:
two times 100,000 whole distributions sent through sockets, checked, and normalised in float64.
Containers are no part of it; a trial also starts two of them.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from harness import sealing
from harness.kit import serving
from harness.mounts import under
from harness.tasks.shakespeare.prepare import RAW, Sizes, build

LIMIT_SECONDS = 15.0
SIZES = Sizes()
HARNESS = Path(sealing.__file__).parent
MIB = 1024**2


def answer_from_a_table(root: str, name: str) -> None:
    """Serve as predictor `name`: unlike every byte, so that nothing can be guessed."""
    table = np.random.default_rng(1).normal(size=(256, 256)).astype(np.float32)
    serving.SOCKET = Path(root) / "wire" / name / "model.sock"
    serving.serve(lambda tokens: table[tokens])


def prepared(root: Path) -> None:
    """Write a data set of the real size; which bytes they are costs nothing."""
    length = SIZES.holdout + SIZES.donor + SIZES.locked + 1_000
    text = np.random.default_rng(2).integers(0, 256, length, dtype=np.uint8)
    (root / "raw").mkdir()
    (root / "raw" / RAW).write_bytes(text.tobytes())
    sealing.write(build(0, root / "raw", SIZES), task="shakespeare", seed=0, mounts=under(root))


def measure(root: Path) -> tuple[float, float]:
    """Return wall seconds after each go, and how many bytes were scored."""
    for name in ("a", "b"):
        folder = root / "wire" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.sock").unlink(missing_ok=True)
    command = [sys.executable, "-I", str(HARNESS), "score", "shakespeare", "--part", "holdout"]
    with subprocess.Popen(
        [*command, "--split", "train", "--seconds", "120", "--root", str(root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as scorer:  # fmt: skip
        assert scorer.stderr is not None
        assert scorer.stderr.readline() == "ready\n"
        assert scorer.stdin is not None
        seconds = 0.0
        for name in ("a", "b"):
            model = multiprocessing.Process(target=answer_from_a_table, args=(str(root), name))
            model.start()
            assert scorer.stderr.readline() == f"connected {name}\n"
            begun = time.monotonic()
            scorer.stdin.write("go\n")
            scorer.stdin.flush()
            assert scorer.stderr.readline() == f"done {name}\n"
            seconds += time.monotonic() - begun
            model.join(10)
        begun = time.monotonic()
        out, _ = scorer.communicate(timeout=150)
        seconds += time.monotonic() - begun
    return seconds, json.loads(out)["metrics"]["scored_bytes"]


def main(repeats: int) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        root = Path(folder)
        prepared(root)
        found = [measure(root) for _ in range(repeats)]
    seconds = [one for one, _ in found]
    table = Table(
        "bytes scored",
        "runs",
        "median s, forward passes excepted",
        "worst s",
        "limit s",
        "frames MiB",
    )
    frames = 2 * found[0][1] * 256 * 4 / MIB
    table.add_row(
        f"{found[0][1]:,.0f}", str(repeats), f"{statistics.median(seconds):.2f}",
        f"{max(seconds):.2f}", f"{LIMIT_SECONDS:g}", f"{frames:.0f}",
    )  # fmt: skip
    Console(width=100).print(table)
    if max(seconds) > LIMIT_SECONDS:
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
