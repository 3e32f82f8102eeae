"""One more experiment in a run that is there: its agent's, or a person's own.

The run's agent stays what it was; whose experiment it is stands in its origin.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

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
    return supervise(Request(tag=chosen, resume=True), experiments=experiments)


def by_hand(tag: str | None, hypothesis: str) -> int:
    """Run what a person writes in an editor.

    Raises:
        ConfigError: the person gave it up.
    """
    with tempfile.TemporaryDirectory(prefix="runner-step-") as folder:
        return _by_a_person(
            tag, lambda live: Editing(folder=Path(folder), live=live, hypothesis=hypothesis)
        )


def by_patch(tag: str | None, content: bytes, hypothesis: str) -> int:
    """Run a unified patch.

    Raises:
        ConfigError: it does not apply, or the review refuses it.
    """

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
    code = supervise(request, experiments=experiments, researcher=researcher)
    for person in people:
        if person.gave_up is not None:
            raise person.gave_up
    return code


def _one_more(tag: str | None) -> tuple[str, int]:
    """Return the run's tag, and how many experiments it will have with one more."""
    with reading.ledger_for_reading() as ledger:
        chosen = reading.find_run(ledger, tag).tag
        return chosen, max(1, len(ledger.experiments(chosen)))


@dataclass(kw_only=True)
class Editing:
    """Drafts in an editor; the files stay between edits, so that a refused draft can be mended."""

    folder: Path
    live: Live
    hypothesis: str
    begun: bool = False

    def __call__(self, context: Context, found: tuple[Violation, ...]) -> Proposal:
        drafts, message = self.folder / "draft", self.folder / editor.MESSAGE
        with self.live.paused():
            if found:
                _offer_again(found)
            if not self.begun:
                editor.write_drafts(drafts, context.files, context.mutable)
                message.write_text(self.hypothesis, encoding="utf-8")
                self.begun = True
            said = editor.said(message)
            message.write_text(editor.template(said, editor.refusal(found)), encoding="utf-8")
            asked = [] if self.hypothesis else [message]
            editor.edit([*asked, *(drafts / path for path in context.mutable)])
        hypothesis = editor.said(message)
        if not hypothesis:
            raise ConfigError("no hypothesis, so nothing was run", hint="or give it with -m")
        changes = editor.edited(context.files, drafts, context.mutable)
        return Proposal(hypothesis=hypothesis, changes=changes, by_person=True)


def _offer_again(found: tuple[Violation, ...]) -> None:
    """Show what a draft broke; raise `ConfigError` where the person does not go on."""
    click.echo("\n".join(["refused, and nothing was run:", *editor.refusal(found)]), err=True)
    try:
        again = click.confirm("edit again?", default=True, err=True)
    except click.Abort:  # nobody is there to answer
        again = False
    if not again:
        raise ConfigError("the draft was given up; nothing was run")
