"""Where a harness container finds its folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Mounts:
    """The folders that the supervisor mounts; not every container has all of them."""

    public: Path
    """What trainers may read, and what a person looks at."""
    sealed: Path
    """Targets, inputs in their true pairing, and the generator's seed."""
    inputs: Path
    """One folder per predictor; the scorer deals into it."""
    outputs: Path
    """One folder per predictor; written by agent code, so nothing in it is trusted."""
    wire: Path
    """One folder per served predictor; the scorer listens in it."""
    held: Path
    """What training left, which nobody here looks into: only its size is told."""


def under(root: Path) -> Mounts:
    """Return the mounts below `root`, which is `/` in a container."""
    return Mounts(
        public=root / "public",
        sealed=root / "sealed",
        inputs=root / "inputs",
        outputs=root / "outputs",
        wire=root / "wire",
        held=root / "held",
    )
