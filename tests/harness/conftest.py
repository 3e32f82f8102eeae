"""A small data set, built once, and folders laid out as a scorer container sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import sealing
from harness.mounts import Mounts, under
from harness.sealing import Built
from harness.tasks.eclip.prepare import Sizes, build

SEED = 5
SMALL = Sizes(train=24, holdout=20, locked=20)


@pytest.fixture(scope="session")
def built() -> Built:
    return build(SEED, sizes=SMALL)


@pytest.fixture
def mounts(tmp_path: Path, built: Built) -> Mounts:
    """A prepared data set, and empty inputs and outputs."""
    folders = under(tmp_path)
    sealing.write(built, task="eclip", seed=SEED, mounts=folders)
    for predictor in ("images", "captions"):
        (folders.inputs / predictor).mkdir(parents=True)
        (folders.outputs / predictor).mkdir(parents=True)
    return folders
