"""What the reading commands share: open the journal, find the run, print for people or machines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from runner import paths
from runner.characters import as_json, visible
from runner.errors import ConfigError, JournalError
from runner.journal.reader import Reader, no_runs, open_reader, refuse_unreleased
from runner.records import Experiment, Run

FILE_WIDTH = 160
"""Columns where the output goes to a file or a pipe."""


LEAST_WIDTH = 80
"""Columns of a table: a narrower terminal breaks its lines, where columns of a letter would be."""


@contextmanager
def journal_for_reading() -> Iterator[Reader]:
    """Yield the journal; raise `ConfigError` where no run was ever made."""
    path = paths.state().journal
    refuse_unreleased(path)
    if not path.is_file():
        raise no_runs()
    with open_reader(path) as journal:
        yield journal


@contextmanager
def journal_if_any() -> Iterator[Reader | None]:
    """Yield the journal, or nothing where no run was ever made."""
    path = paths.state().journal
    if not path.is_file():
        yield None
        return
    with open_reader(path) as journal:
        yield journal


def run_of(tag: str | None) -> Run:
    """Return the run with this tag, or the newest one, for a command that then writes."""
    with journal_for_reading() as journal:
        return journal.find_run(tag)


def find_experiment(journal: Reader, run: Run, number: int) -> Experiment:
    found = journal.experiment(run.tag, number)
    if found is None:
        raise ConfigError(
            f"run {run.tag} has no experiment {number}", hint=f"runner list {run.tag}"
        )
    return found


def print_json(document: Any) -> None:
    click.echo(_as_json(document))


def stream_json(documents: Iterable[Any]) -> None:
    """Print documents as one list, each as it comes: as `print_json` would print them all."""
    before = "[\n  "
    for document in documents:
        click.echo(before + _as_json(document).replace("\n", "\n  "), nl=False)
        before = ",\n  "
    click.echo("[]" if before.startswith("[") else "\n]")


def _as_json(document: Any) -> str:
    try:
        return as_json(document)
    except ValueError as error:
        message = "the journal holds a number that is none, for which JSON has no word"
        raise JournalError(message, hint="it was changed by hand, see: runner audit") from error


def say(text: str, *, err: bool = False) -> None:
    """Print text that may hold what an agent, a container, a project or a repository wrote."""
    click.echo(visible(text), err=err)


def print_patch(text: str) -> None:
    """Print a patch for a person on a terminal, and elsewhere byte for byte, so that it applies."""
    if sys.stdout.isatty():
        say(text)
    else:
        click.echo(text.encode(), nl=False)  # of text, click takes escape sequences away


def print_rich(*renderables: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    console.width = max(console.width, LEAST_WIDTH) if console.is_terminal else FILE_WIDTH
    for renderable in renderables:
        console.print(renderable, markup=False)
