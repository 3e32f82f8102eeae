"""What lies beside ledger and repository: data, event log, containers and volumes; pure.

What this does not protect against: changed data files under an unchanged manifest; `runner prepare`
compares those.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.audit.evidence import Evidence
from runner.audit.findings import Finding
from runner.journal.entries import Kind

EVENTS = "events.jsonl"


def data(evidence: Evidence) -> Iterator[Finding]:
    """Find data that is not what the run was created with."""
    now, recorded = evidence.beside.data_digest, evidence.written.run.data_digest
    if now is not None and now != recorded:
        message = f"the data on disk has the digest {now}; recorded: {recorded}"
        yield Finding(rule="data-digest", file="manifest.json", message=message)


def event_log(evidence: Evidence) -> Iterator[Finding]:
    """Find a journal that is not the one that the event log was written beside.

    The log has the chain as each trial ends, as each experiment is settled and at each start. A
    supervisor that is killed may owe it the last of these, until the next start writes the head.
    """
    entries, logged = evidence.written.entries, evidence.beside.logged
    for seq, chain in logged:
        if seq not in entries:
            message = f"it knows an entry {seq}, the journal does not"
            yield Finding(rule="event-log", file=EVENTS, message=message)
        elif entries[seq].chain != chain:
            message = f"the chain that was logged at entry {seq} is not the journal's"
            yield Finding(rule="event-log", file=EVENTS, message=message)
    last = max((seq for seq, _ in logged), default=0)
    owed = [seq for seq, entry in entries.items() if entry.kind == Kind.SETTLED and seq > last]
    if len(owed) > 1 or (owed and not last):
        message = f"it ends before entry {owed[0]}, and the journal goes on"
        yield Finding(rule="event-log", file=EVENTS, message=message)


def leftovers(evidence: Evidence) -> Iterator[Finding]:
    """Find what finished trials left on the engine."""
    for name in evidence.beside.leftovers or ():
        message = "is left over from a finished trial; run: runner clean"
        yield Finding(rule="leftover", file=name, message=message)
