"""What lies beside ledger and repository: data, event log, containers and volumes; pure.

What this does not protect against: changed data files under an unchanged manifest; `runner prepare`
compares those. A line that is missing from the event log is no violation: it is written last.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.audit.evidence import Evidence
from runner.audit.findings import Finding


def data(evidence: Evidence) -> Iterator[Finding]:
    """Find data that is not what the run was created with."""
    now, recorded = evidence.beside.data_digest, evidence.written.run.data_digest
    if now is not None and now != recorded:
        message = f"the data on disk has the digest {now}; recorded: {recorded}"
        yield Finding(rule="data-digest", file="manifest.json", message=message)


def event_log(evidence: Evidence) -> Iterator[Finding]:
    """Find experiments that the event log knows otherwise than the ledger."""
    chains = {row["number"]: row["chain"] for row in evidence.written.rows}
    for number, logged in evidence.beside.logged_chains or ():
        if number not in chains:
            message = f"it knows an experiment {number}, the ledger does not"
            yield Finding(rule="event-log", file="events.jsonl", experiment=number, message=message)
        elif chains[number] != logged:
            message = "the chain that was logged is not the ledger's"
            yield Finding(rule="event-log", file="events.jsonl", experiment=number, message=message)


def leftovers(evidence: Evidence) -> Iterator[Finding]:
    """Find what finished trials left on the engine."""
    for name in evidence.beside.leftovers or ():
        message = "is left over from a finished trial; run: runner clean"
        yield Finding(rule="leftover", file=name, message=message)
