"""What lies beside ledger and repository: data, event log, containers and volumes; pure.

An experiment's end is written to the ledger, then to the event log, then to the repository, each
on the disk before the next. So a kill leaves a gap at the end only, and only in this order.

What this does not protect against: changed data files under an unchanged manifest; `runner prepare`
compares those.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from runner import commit_messages
from runner.audit.evidence import Evidence
from runner.audit.findings import Finding
from runner.journal.entries import RESULTS


def data(evidence: Evidence) -> Iterator[Finding]:
    """Find data that is not what the run was created with."""
    now, recorded = evidence.beside.data_digest, evidence.written.run.data_digest
    if now is not None and now != recorded:
        message = f"the data on disk has the digest {now}; recorded: {recorded}"
        yield Finding(rule="data-digest", file="manifest.json", message=message)


def event_log(evidence: Evidence) -> Iterator[Finding]:
    """Find entries that the event log knows otherwise than the journal, or should know and not."""
    entries, logged = evidence.written.entries, evidence.beside.logged
    for seq, chain in logged.heads:
        if seq not in entries:
            yield _event(None, f"it knows an entry {seq}, the journal does not")
        elif entries[seq].chain != chain:
            message = f"the chain that it has at entry {seq} is not the journal's"
            yield _event(entries[seq].about, message)
    for (before, _), (seq, _) in pairwise(logged.heads):
        if seq < before:
            yield _event(None, f"it has entry {seq} after entry {before}")
    known = sorted({seq for seq, _ in logged.heads})
    for seq in _owed(evidence):
        place = bisect_left(known, seq)
        later = known[place] if place < len(known) else None
        if later is None or (later != seq and later not in logged.starts):
            number = entries[seq].about
            what = f"entry {seq} ({entries[seq].kind}) of experiment {number}"
            yield _event(number, f"it lacks {what}")


def _owed(evidence: Evidence) -> list[int]:
    """Return the entries that the event log should have, but for the last if a kill came first."""
    entries = evidence.written.entries
    owed = [seq for seq, entry in entries.items() if entry.kind in RESULTS]
    return owed[:-1] if unlogged(evidence) else owed


def unlogged(evidence: Evidence) -> bool:
    """Say whether the end of the journal is known to it alone, as a kill may leave it."""
    written, heads = evidence.written, evidence.beside.logged.heads
    trailers = [commit_messages.trailer(one.message) for one in evidence.stored.commits.values()]
    witnessed = [written.places.get(head or "", 0) for head in trailers]
    results = (seq for seq, entry in written.entries.items() if entry.kind in RESULTS)
    newest = max(results, default=0)
    return newest > max((*witnessed, *(seq for seq, _ in heads)), default=0)


def _event(experiment: int | None, message: str) -> Finding:
    return Finding(rule="event-log", file="events.jsonl", experiment=experiment, message=message)


def leftovers(evidence: Evidence) -> Iterator[Finding]:
    """Find what finished trials left on the engine."""
    for name in evidence.beside.leftovers or ():
        message = "is left over from a finished trial; run: runner clean"
        yield Finding(rule="leftover", file=name, message=message)
