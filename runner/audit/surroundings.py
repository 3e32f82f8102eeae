"""What lies beside ledger and repository: data, event log, containers and volumes; pure.

An experiment's end is written to the ledger, then to the event log, then to the repository, each
on the disk before the next. So a kill leaves a gap at the end only, and only in this order.

What this does not protect against: changed data files under an unchanged manifest; `runner prepare`
compares those.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner import commit_messages
from runner.audit.evidence import Evidence
from runner.audit.findings import SHORT, Finding


def data(evidence: Evidence) -> Iterator[Finding]:
    """Find data that is not what the run was created with."""
    now, recorded = evidence.beside.data_digest, evidence.written.run.data_digest
    if now is not None and now != recorded:
        message = f"the data on disk has the digest {now}; recorded: {recorded}"
        yield Finding(rule="data-digest", file="manifest.json", message=message)


def event_log(evidence: Evidence) -> Iterator[Finding]:
    """Find links of the chain that the event log knows otherwise than the ledger, or not at all."""
    written, logged = evidence.written, evidence.beside.logged.heads
    numbers = {row["number"] for row in written.rows}
    for number, head in logged:
        if number is not None and number not in numbers:
            yield _event(number, f"it knows an experiment {number}, the ledger does not")
        elif head not in written.heads:
            yield _event(
                number, f"it knows {head[:SHORT]} as a head of the chain, the ledger does not"
            )
    if written.rows and not logged:
        yield _event(None, f"is missing or empty, and there are {len(written.rows)} experiments")
    elif written.links:
        known = {head for _, head in logged}
        *others, newest = written.links
        owed = others if unlogged(evidence) else [*others, newest]
        for link in owed:
            if link.stored not in known:
                what = "the end" if link.audited is None else f"the audit of {link.audited}"
                yield _event(link.experiment, f"it lacks {what} of experiment {link.experiment}")


def unlogged(evidence: Evidence) -> bool:
    """Say whether the newest link is known to the ledger alone, as a kill may leave it."""
    written, stored = evidence.written, evidence.stored
    newest = written.links[-1].stored if written.links else None
    known = {head for _, head in evidence.beside.logged.heads}
    known |= {commit_messages.trailer(commit.message) or "" for commit in stored.commits.values()}
    return newest is not None and newest not in known


def _event(experiment: int | None, message: str) -> Finding:
    return Finding(rule="event-log", file="events.jsonl", experiment=experiment, message=message)


def leftovers(evidence: Evidence) -> Iterator[Finding]:
    """Find what finished trials left on the engine."""
    for name in evidence.beside.leftovers or ():
        message = "is left over from a finished trial; run: runner clean"
        yield Finding(rule="leftover", file=name, message=message)
