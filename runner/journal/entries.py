"""The journal's entries: facts about a run, each hash-chained to the one before.

Every entry of every kind is in the chain, and the head at a keep is a trailer of its commit, so
what is changed later disagrees with its own link, with git, or with the event log.

What this does not protect against: somebody who rewrites the journal, the repository and the event
log together.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

GENESIS = "0" * 64
"""What the first entry of a run follows."""

ENTRIES = """
    CREATE TABLE entries (
        run TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        body ANY NOT NULL,              -- JSON; long ones are packed, see `packed`
        chain TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    ) STRICT, WITHOUT ROWID;
"""


class Kind(StrEnum):
    """What an entry says; `projections.writes` says what becomes of each."""

    RUN_CREATED = "run-created"
    PROPOSED = "proposed"
    ATTEMPT_STORED = "attempt-stored"
    REVIEWED = "reviewed"
    TRIAL_ENDED = "trial-ended"
    DECIDED = "decided"
    SETTLED = "settled"
    AUDITED = "audited"
    CALL_RESERVED = "call-reserved"
    CALL_MADE = "call-made"
    CALL_RELEASED = "call-released"
    HYPOTHESIS_ADDED = "hypothesis-added"
    HYPOTHESIS_ENDED = "hypothesis-ended"
    ANALYSIS_BEGUN = "analysis-begun"
    ANALYSIS_ENDED = "analysis-ended"
    NOTED = "noted"


RESULTS = (Kind.SETTLED, Kind.AUDITED)
"""What the event log and git are witnesses of."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One fact: when it was written down, of which kind, and what it says as JSON text."""

    run: str
    seq: int
    """Its place in the run, from 1."""
    at: str
    kind: str
    body: str
    chain: str
    """sha256, hex, over the chain before it and everything above."""

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where a run's chain ends: a place and the link at it."""

    seq: int = 0
    chain: str = GENESIS


LONG = 300
"""Characters from which on a body is packed."""
MOST_BYTES = 2**26
"""Of a body that is unpacked; what somebody else put there may have no end."""


def packed(body: str) -> str | bytes:
    """Return a body as the file holds it: zlib's bytes where those are shorter."""
    made = zlib.compress(body.encode(), 9) if len(body) >= LONG else b""
    return made if 0 < len(made) < len(body) else body


def unpacked(stored: str | bytes) -> str:
    """Return a body as it was; of bytes that nobody packed something that breaks the chain."""
    if isinstance(stored, str):
        return stored
    try:
        return zlib.decompressobj().decompress(stored, MOST_BYTES).decode()
    except (zlib.error, ValueError):
        return "unreadable"


def now() -> str:
    """Return this moment, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def following(head: Head, *, run: str, at: str, kind: Kind, document: Mapping[str, Any]) -> Entry:
    """Return the entry that follows this head.

    Raises:
        ValueError: the document holds a number that is not finite.
    """
    body = json.dumps(document, separators=(",", ":"), sort_keys=True, allow_nan=False)
    unlinked = Entry(run=run, seq=head.seq + 1, at=at, kind=str(kind), body=body, chain="")
    return replace(unlinked, chain=_link(head.chain, unlinked))


def broken(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries of one run that are not what their links were made of, in their order.

    Each is compared over the *stored* link before it, so that one change is one finding.
    """
    head = Head()
    for entry in entries:
        if entry.seq != head.seq + 1 or entry.chain != _link(head.chain, entry):
            yield entry
        head = Head(seq=entry.seq, chain=entry.chain)


def _link(previous: str, entry: Entry) -> str:
    covered = json.dumps([previous, entry.run, entry.seq, entry.at, entry.kind, entry.body])
    return hashlib.sha256(covered.encode()).hexdigest()
