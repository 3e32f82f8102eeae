"""The hash chain of a run; pure.

It begins with the run's own row. A link follows for each experiment as it is closed, over its row
and its decision trials, and one for each of its audit trials as it ends. Attempts, kept commits
and the log's commits carry its head, and so does the event log: who changes a row disagrees with
them, however well the chain was made to fit.

What this does not protect against: somebody who rewrites ledger, repository and event log
together. Calls, events and a person's hypotheses are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOTHING = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link as it is stored, and made again over the stored one before it."""

    experiment: int
    audited: str | None
    """The split of the audit trial that it is made of; `None` where the experiment was closed."""
    stored: str | None
    again: str


def first(run: Mapping[str, Any]) -> str:
    """Return the head of a run without experiments."""
    return link(NOTHING, run)


def link(previous: str, row: Mapping[str, Any], trials: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the next head: sha256, hex, over the previous head and these values."""
    body = json.dumps(
        {"previous": previous, "row": dict(row), "trials": [dict(trial) for trial in trials]},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
    )
    return hashlib.sha256(body.encode()).hexdigest()
