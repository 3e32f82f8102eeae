"""What a person asks of a run from elsewhere: to pause, to go on, to stop, to try something first.

A wish is a note in the run's journal, addressed to the process that is at work on it; that looks
there several times a second. So no wish ever reaches a later start of the run, and what was asked
and what came of it stay on record.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from runner import paths, progress
from runner.ends import Wish
from runner.errors import ConfigError
from runner.journal.store import open_journal
from runner.progress import Progress
from runner.records import HypothesisStatus
from runner.session import ASKED

MOST_CHARACTERS = 2_000
"""Of a hypothesis."""
SAYS = {
    Wish.PAUSE: "run {tag} waits once what is measured has ended; it goes on with: runner resume"
    " {tag}",
    Wish.RESUME: "run {tag} goes on",
    Wish.STOP: "run {tag} ends once what is measured has ended; sooner: runner stop --now {tag}",
    Wish.STOP_NOW: "run {tag} ends now; the experiment in progress runs again on resume",
}
"""What comes of a wish."""


def ask(state: paths.State, tag: str, wish: Wish, *, via: str = "the command line") -> str:
    """Ask it of whoever is at work on a run; return what comes of it, in words for a person.

    Args:
        state: where the run is.
        tag: which run.
        wish: what is asked.
        via: from where, for the record.

    Raises:
        ConfigError: nobody is at work on it, or a process of another user's is.
        JournalError: the journal cannot be written to.
    """
    at = at_work(state, tag)
    if at is None:
        raise ConfigError(
            f"the run {tag} is not at work", hint=f"it goes on with: runner run --resume {tag}"
        )
    with open_journal(state.journal) as journal:
        journal.event(tag, ASKED, what=str(wish), pid=at.pid, started=at.started, via=via)
    if wish is Wish.STOP_NOW:
        try:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(at.pid, signal.SIGTERM)
        except PermissionError as error:
            message = f"the process {at.pid} belongs to another user, and ends when it can"
            raise ConfigError(message, hint="ask its owner to end it at once") from error
    return SAYS[wish].format(tag=tag)


def add_hypothesis(state: paths.State, tag: str, text: str) -> int:
    """Queue what a person wants tried behind a run's open hypotheses; return its number.

    Raises:
        ConfigError: it is empty or too long.
        JournalError: the journal cannot be written to.
    """
    with open_journal(state.journal) as journal:
        return journal.add_hypothesis(tag, hypothesis(text))


def drop_hypothesis(state: paths.State, tag: str, number: int) -> None:
    """Withdraw an open hypothesis of a run; a proposal under way may still test it.

    Raises:
        ConfigError: the run has none of this number that is open.
        JournalError: the journal cannot be written to.
    """
    with open_journal(state.journal) as journal:
        known = {each.id: each for each in journal.hypotheses(tag)}
        if number not in known:
            raise ConfigError(
                f"run {tag} has no hypothesis {number}", hint="run: runner hypothesis list"
            )
        if not journal.end_hypothesis(number, HypothesisStatus.DROPPED):
            raise ConfigError(f"hypothesis {number} is {known[number].status}, not open")


def hypothesis(text: str) -> str:
    """Return it as the journal holds it; raise `ConfigError` where it is empty or too long."""
    said = text.strip().encode("utf-8", errors="backslashreplace").decode()  # input may be bytes
    if not said or len(said) > MOST_CHARACTERS:
        raise ConfigError(f"a hypothesis has 1 to {MOST_CHARACTERS} characters, got {len(said)}")
    return said


def at_work(state: paths.State, tag: str) -> Progress | None:
    """Return what the process does that is at work on a run, if there is one."""
    found = progress.read(state.progress(tag))
    return found if found and found.alive else None
