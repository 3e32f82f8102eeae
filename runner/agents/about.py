"""What an agent with a folder may read about the run: the brief in words, and a JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runner.prompt.brief import brief
from runner.prompt.untrusted import quoted
from runner.records import Experiment, Violation
from runner.seams import Context

MOST_EXPERIMENTS = 200
"""The newest of the history that stand in the document; the brief digests all of them."""


def about(context: Context, how: str, undone: Sequence[str] = ()) -> dict[str, bytes]:
    """Return the files: `brief.md`, and `context.json` as docs/agents.md describes it.

    Args:
        context: what to tell.
        how: how this kind of agent hands its proposal over.
        undone: what the supervisor undid in the agent's draft since it was last told.
    """
    said = brief(context)
    parts = (said.system, how, said.user, told(undone))
    text = "\n".join(part for part in parts if part)
    return {"brief.md": text.encode(), "context.json": _dump(document(context, undone))}


def told(undone: Sequence[str]) -> str:
    """Return what was undone as words for the agent; none for nothing."""
    if not undone:
        return ""
    return "# Undone in your folder\n\n" + quoted("the supervisor", "\n".join(undone)) + "\n"


def document(context: Context, undone: Sequence[str]) -> dict[str, Any]:
    """Return the context as plain JSON values."""
    phase = context.phase
    return {
        "format": 1,
        "experiment": context.number,
        "task": context.task,
        "metric": {"name": context.metric, "direction": context.direction},
        "mutable": list(context.mutable),
        "notes": list(context.notes),
        "rules": context.rules,
        "last_experiment": context.experiments,
        "parent": context.parent,
        "mode": context.mode,
        "why": context.why,
        "phase": {"name": phase.name, "hint": phase.hint} if phase else None,
        "hypotheses": [{"number": each.id, "text": each.text} for each in context.hypotheses],
        "guidance": context.guidance,
        "history": [_told(each) for each in context.history[-MOST_EXPERIMENTS:]],
        "refused": [_refused(each) for each in context.returned],
        "undone": list(undone),
    }


def _dump(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=True) + "\n").encode()


def _refused(violation: Violation) -> dict[str, str | None]:
    return {"rule": violation.rule, "path": violation.path, "message": violation.message}


def _told(experiment: Experiment) -> dict[str, Any]:
    return {
        "number": experiment.number,
        "hypothesis": experiment.hypothesis,
        "category": experiment.category,
        "takeaway": experiment.origin.takeaway if experiment.origin else "",
        "status": experiment.status,
        "rule": experiment.rule,
        "reason": experiment.reason,
        "score": experiment.score,
        "gain": experiment.gain,
    }
