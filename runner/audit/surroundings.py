"""What lies beside journal and repository: data, event log, containers and volumes; pure.

An experiment's end is written to the journal, then to the event log, then to the repository, each
on the disk before the next. So a kill leaves a gap at the end only, and only in this order.

What this does not protect against: changed data files under an unchanged manifest; `runner prepare`
compares those.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from runner import commit_messages
from runner.audit.evidence import Evidence
from runner.audit.findings import Finding
from runner.journal.entries import RESULTS

SAID = ("status", "rule", "reason", "score", "gain", "commit", "wall_seconds")
"""What a line of the event log says of a decision, as the journal does."""


def around(evidence: Evidence) -> Iterator[Finding]:
    """Find data that are not those that the run was created with, and what trials left behind."""
    now, recorded = evidence.beside.data_digest, evidence.written.run.data_digest
    if now is not None and now != recorded:
        message = f"the data on disk has the digest {now}; recorded: {recorded}"
        yield Finding("data-digest", "manifest.json", message)
    for name in evidence.beside.leftovers or ():
        yield Finding("leftover", name, "is left over from a finished trial; run: runner clean")


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
    yield from _other_decisions(evidence)
    owed = [seq for seq, entry in entries.items() if entry.kind in RESULTS]
    if unlogged(evidence):
        owed.pop()  # a kill may come before the last is logged
    known = sorted({seq for seq, _ in logged.heads})
    for seq in owed:
        place = bisect_left(known, seq)
        later = known[place] if place < len(known) else None
        if later is None or (later != seq and later not in logged.vouching):
            about = entries[seq].about
            what = f"entry {seq} ({entries[seq].kind}) of experiment {about}"
            yield _event(about, f"it lacks {what}")


def _other_decisions(evidence: Evidence) -> Iterator[Finding]:
    changed = {number for number, _ in evidence.written.differences}  # the tables' own findings
    for number, said in evidence.beside.logged.decided:
        experiment = evidence.written.experiments.get(number)
        if experiment is not None and number not in changed:
            for name in SAID:
                if said.get(name) != (kept := getattr(experiment, name)):
                    yield _event(number, f"it says {name} {said.get(name)}; the journal {kept}")


def _event(experiment: int | None, message: str) -> Finding:
    return Finding("event-log", "events.jsonl", message, experiment=experiment)


def unlogged(evidence: Evidence) -> bool:
    """Say whether the newest result is known to the journal alone, as a kill may leave it."""
    entries = evidence.written.entries
    newest = max((seq for seq, entry in entries.items() if entry.kind in RESULTS), default=0)
    return newest > _witnessed(evidence)


def unwitnessed(evidence: Evidence) -> str | None:
    """Say which entries nothing but the journal knows of, but for those of open experiments.

    Whoever can write to the journal may have put such an entry there.
    """
    written, last = evidence.written, _witnessed(evidence)
    still = {row["number"] for row in written.rows if row["ended_at"] is None}
    kinds = [
        entry.kind
        for seq, entry in written.entries.items()
        if seq > last and entry.about not in still
    ]
    if not kinds:
        return None
    named = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kinds).items()))
    what = f"entries after {last}: only the journal knows of these ({named})"
    return f"{what}, until the run goes on or ends"


def _witnessed(evidence: Evidence) -> int:
    """Return the place of the last entry that the event log or git knows of."""
    written, heads = evidence.written, evidence.beside.logged.heads
    trailers = (commit_messages.trailer(one.message) for one in evidence.stored.commits.values())
    told = (written.places.get(head or "", 0) for head in trailers)
    return max((*told, *(seq for seq, _ in heads)), default=0)
