"""Where a person's own raw files are, for tests that compare with the official ones."""

from __future__ import annotations

import os
from pathlib import Path

NEARBY = Path(__file__).parents[3] / "shared" / "data"
REAL = Path(os.environ.get("RUNNER_RAW_DATA", NEARBY))
