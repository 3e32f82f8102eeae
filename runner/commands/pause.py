"""`runner pause [TAG]`; what resuming and stopping share with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.ends import Wish
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.journal.reader import Reader
    from runner.paths import State


@click.command("pause")
@click.argument("tag", required=False)
def command(tag: str | None) -> None:
    """Let the experiment at work end, and have the run wait until it is resumed.

    Without TAG it is the one run that is at work.
    """
    ask(tag, Wish.PAUSE)


def ask(tag: str | None, wish: Wish) -> None:
    """Ask it of the run TAG, or of the one that is at work, and say what comes of it."""
    from runner import control, paths
    from runner.views import reading

    state = paths.state()
    with reading.journal_for_reading() as journal:
        chosen = journal.find_run(tag).tag if tag else _at_work(journal, state)
    reading.say(control.ask(state, chosen, wish))


def _at_work(journal: Reader, state: State) -> str:
    """Return the tag of the one run that is at work."""
    from runner import control

    found = [run.tag for run in journal.runs() if control.at_work(state, run.tag)]
    if not found:
        raise ConfigError("no run is at work", hint="runner list shows all runs")
    if len(found) > 1:
        raise ConfigError(f"{len(found)} runs are at work", hint=f"say which: {', '.join(found)}")
    return found[0]
