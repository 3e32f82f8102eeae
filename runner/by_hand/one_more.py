"""One more experiment in a run that is there: its agent's, or a person's own.

The run's agent stays what it was; whose experiment it is stands in its origin.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from runner.agents.person import Draft, Person
from runner.by_hand import editor, patch
from runner.errors import ConfigError
from runner.records import Proposal, Violation
from runner.seams import Context
from runner.start import Request
from runner.supervise import supervise
from runner.views import reading
from runner.views.live import Live


def by_its_agent(tag: str | None) -> int:
    chosen, experiments = _one_more(tag)
    return supervise(Request(tag=chosen, resume=True), experiments=experiments, planted=0)


def by_hand(tag: str | None, hypothesis: str) -> int:
    """Run what a person writes in an editor; raise `ConfigError` where they give up."""
    with tempfile.TemporaryDirectory(prefix="runner-step-") as name:
        folder = Path(name)
        return _by_a_person(
            tag, lambda live: editor.Editing(folder=folder, live=live, hypothesis=hypothesis)
        )


def by_patch(tag: str | None, content: bytes, hypothesis: str) -> int:
    """Run a unified patch; raise `ConfigError` where it does not apply, or is refused."""

    def draft(context: Context, found: tuple[Violation, ...]) -> Proposal:
        if found:
            raise ConfigError("\n".join(["the patch is refused", *editor.refusal(found)]))
        changes = patch.changes(context.files, content)
        return Proposal(hypothesis=hypothesis, changes=changes, by_person=True)

    return _by_a_person(tag, lambda _: draft)


def _by_a_person(tag: str | None, drafting: Callable[[Live], Draft]) -> int:
    chosen, experiments = _one_more(tag)
    people: list[Person] = []

    def researcher(live: Live) -> Person:
        people.append(Person(drafting(live)))
        return people[-1]

    request = Request(tag=chosen, resume=True, somebody_else=True)
    code = supervise(request, experiments=experiments, planted=0, researcher=researcher)
    for person in people:
        if person.gave_up is not None:
            raise person.gave_up
    return code


def retried(tag: str | None, number: int) -> int:
    """Continue an undecided experiment; raise `ConfigError` where it cannot be."""
    with reading.journal_for_reading() as journal:
        chosen = journal.find_run(tag).tag
    again = f"retry {number} {chosen}"
    request = Request(tag=chosen, resume=True, somebody_else=True, command=again)
    return supervise(request, experiments=None, planted=0, retry=number)


def _one_more(tag: str | None) -> tuple[str, int]:
    """Return the run's tag, and how many experiments it will have with one more."""
    with reading.journal_for_reading() as journal:
        chosen = journal.find_run(tag).tag
        return chosen, max(1, len(journal.experiments(chosen)))
