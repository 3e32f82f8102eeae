"""A run's entries as lines: what happened, in the order in which it was written down."""

from __future__ import annotations

from typing import Any

from runner.journal.entries import Entry, Kind
from runner.journal.reader import readable
from runner.views import lines

MOST_TEXT = 300
SAID = {
    Kind.RUN_CREATED: ("task", "agent", "policy_digest"),
    Kind.PROPOSED: ("category", "hypothesis"),
    Kind.ATTEMPT_STORED: ("attempt_commit",),
    Kind.TRIAL_ENDED: ("split", "reason", "metrics"),
    Kind.GUARD_ENDED: ("name", "failed"),
    Kind.DECIDED: ("status", "rule", "reason"),
    Kind.SETTLED: ("commit",),
    Kind.AUDITED: ("split", "reason", "metrics"),
    Kind.CALL_MADE: ("agent", "model", "usd", "outcome"),
    Kind.HYPOTHESIS_ADDED: ("id", "text"),
    Kind.HYPOTHESIS_ENDED: ("id", "status"),
    Kind.ANALYSIS_BEGUN: ("asked_by",),
    Kind.ANALYSIS_ENDED: ("seconds", "failure"),
    Kind.PAUSED: ("message", "to_do"),
    Kind.ENDED: ("reason", "outcome"),
    Kind.NOTED: ("name", "detail"),
}
"""Kind → of what it says, what a person reads; of other kinds all."""
PLACES = ("number", "experiment")
"""Where an entry says which experiment it is about."""


def document(entry: Entry) -> dict[str, Any]:
    """Return an entry as `runner log --json` has it; raise `UnreadableError` if it is none."""
    with readable(f"entry {entry.seq}"):
        said = entry.document
        text = _text(entry.kind, said)
    named = (said[name] for name in PLACES if isinstance(said.get(name), int))
    return {
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "experiment": next(named, None),
        "text": text or None,
    }


def line(said: dict[str, Any]) -> str:
    """Return such a document as one line."""
    number = "" if said["experiment"] is None else f"exp {said['experiment']}"
    return f"{said['at'][:19]}  {number:<9}  {said['kind']:<16}  {said['text'] or ''}"


def _text(kind: str, said: dict[str, Any]) -> str:
    if kind == Kind.REVIEWED:
        rules = ", ".join(dict.fromkeys(each["rule"] for each in said["violations"]))
        return lines.plain(rules, MOST_TEXT) or "nothing to object to"
    names = SAID.get(Kind(kind)) if kind in set(Kind) else None
    chosen = names or tuple(name for name in said if name not in PLACES)
    shown = (_shown(said.get(name)) for name in chosen)
    return lines.plain(" | ".join(each for each in shown if each), MOST_TEXT)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
