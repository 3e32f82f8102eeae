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
        body ANY NOT NULL,              -- JSON; a long one is deflated, see `as_row`
        chain BLOB NOT NULL,
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
    GUARD_ENDED = "guard-ended"
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
    DRAFT_VIOLATED = "draft-violated"
    PAUSED = "paused"
    ENDED = "ended"
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


LONG = 100
"""Characters from which on a body is deflated."""
MOST_BYTES = 2**26
"""Of a body that is inflated; what somebody else put there may have no end."""
COMMON = (
    b'{"category":"hyperparameter","changes":[{"blob":"","mode":33188,"path":"train.py"}],'
    b'"harness_digest":"","hypothesis":"","image_id":"sha256:","number":,"origin":{"agent":"tune",'
    b'"answers":null,"expectation":"","forfeit":null,"isolation":"api","mode":"improve",'
    b'"model":null,"parent":0,"phase":null,"returned":0,"strategy":"greedy","takeaway":"",'
    b'"takeaway_of":null,"why":"from the best so far"},"parent_commit":"","policy_digest":"",'
    b'"started_at":"{"fingerprint":"","lines":null,"number":,"violations":[{"message":"","path":'
    b'null,"rule":""}]}{"commit":null,"notes_commit":"","number":,"wall_seconds":'
    b'{"gain":-,"number":,"planned":2,"reason":"no better: , best before , needed 1","rule":null,'
    b'"score":,"status":"reverted"}{"asked_by":,"cpu_seconds":,"crash":null,"curves":[{"name":'
    b'"loss","points":[[0.0,],[1.0,],[2.0,],[3.0,],[4.0,],[5.0,],[6.0,],[7.0,],[8.0,],[9.0,]]}],'
    b'"experiment":,"failed_limit":null,"index":,"metrics":{"mean_rank":,"mean_rank_se":,'
    b'"median_rank":,"recall_at_1":,"recall_at_10":,"recall_at_5":},"overhead_seconds":,'
    b'"peak_gpu_memory_bytes":null,"peak_memory_bytes":,"purpose":"decision","reason":"scored",'
    b'"seed":,"self_modified":[],"split":"train","stage":null,"status":"scored","wall_seconds":'
)
"""What bodies share. It is part of the form: what was deflated with it is read with it alone."""


def as_row(entry: Entry) -> dict[str, Any]:
    """Return an entry as the file holds it: the link as bytes, a long body deflated."""
    body: str | bytes = entry.body
    if len(body) >= LONG:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, COMMON)
        body = packer.compress(entry.body.encode()) + packer.flush()
    return vars(entry) | {"body": body, "chain": bytes.fromhex(entry.chain)}


def of_row(row: Mapping[str, Any]) -> Entry:
    """Return a row as the entry that it is; what nobody packed becomes what breaks the chain."""
    body, chain = row["body"], row["chain"]
    if isinstance(body, bytes):
        try:
            body = zlib.decompressobj(-15, COMMON).decompress(body, MOST_BYTES).decode()
        except (zlib.error, ValueError):
            body = "unreadable"
    link = chain.hex() if isinstance(chain, bytes) else str(chain)
    return Entry(**{**row, "body": str(body), "chain": link})


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
