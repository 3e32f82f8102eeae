"""What an agent with a folder may read about the run: the brief in words, and a JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from runner.prompt.brief import brief
from runner.prompt.untrusted import quoted
from runner.records import Experiment
from runner.seams import Context

MOST_EXPERIMENTS = 200
"""The newest of the history that stand in the document; the brief digests all of them."""


def about(context: Context, how: str, undone: Sequence[str] = ()) -> dict[str, bytes]:
    """Return the files: `brief.md`, and `context.json` as docs/agents.md describes it.

    They say how to hand a proposal over, and what was changed in the draft that does not count.
    """
    words, phase = brief(context), context.phase
    text = "\n".join(filter(None, (words.system, how, words.user, told(undone))))
    document = {
        "format": 1,
        "experiment": context.number,
        "task": context.task,
        "metric": {"name": context.metric, "direction": context.direction},
        "mutable": context.editable,
        "patterns": context.mutable,
        "frozen": context.frozen,
        "may_add": context.may_add,
        "notes": context.notes,
        "rules": context.rules,
        "last_experiment": context.experiments,
        "parent": context.parent,
        "mode": context.mode,
        "why": context.why,
        "phase": {"name": phase.name, "hint": phase.hint} if phase else None,
        "hypotheses": [{"number": each.id, "text": each.text} for each in context.hypotheses],
        "guidance": context.guidance,
        "history": [_told(each) for each in context.history[-MOST_EXPERIMENTS:]],
        "pending": [_told(each) for each in context.pending],
        "refused": [asdict(each) for each in context.returned],
        "undone": undone,
    }
    content = json.dumps(document, indent=1, ensure_ascii=True) + "\n"
    return {"brief.md": text.encode(), "context.json": content.encode()}


def told(undone: Sequence[str]) -> str:
    """Return what does not count as words for the agent; none for nothing."""
    if not undone:
        return ""
    return f"# Changes that do not count\n\n{quoted('the supervisor', chr(10).join(undone))}\n"


def _told(experiment: Experiment) -> dict[str, Any]:
    """Return an experiment; of one that has no result yet only what was proposed."""
    names = ["number", "hypothesis", "category"]
    if experiment.status is None:
        return {name: getattr(experiment, name) for name in names}
    names += ["status", "rule", "reason", "score", "gain"]
    takeaway = experiment.origin.takeaway if experiment.origin else ""
    return {"takeaway": takeaway, **{name: getattr(experiment, name) for name in names}}
