"""The hash chain over a run's closed experiments; pure.

Each link covers the row, its decision trials, and every audit trial of the experiments before
it. Its head is a trailer of each kept commit, so a row that is changed later disagrees with git.

What this does not protect against: somebody who rewrites the ledger and the repository together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

GENESIS = "0" * 64


def link(previous: str, row: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> str:
    """Return the next head: sha256, hex, over the previous head and these values."""
    body = json.dumps(
        {"previous": previous, "row": dict(row), "trials": [dict(trial) for trial in trials]},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
    )
    return hashlib.sha256(body.encode()).hexdigest()
