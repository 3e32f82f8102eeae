"""`runner list [TAG]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.journal.reader import Reader
    from runner.records import Run

NEWEST = 50


@click.command("list")
@click.argument("tag", required=False)
@click.option("--all", "everything", is_flag=True, help="All experiments, a line each.")
@click.option("--before", type=click.IntRange(min=1), help=f"The {NEWEST} before this number.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(tag: str | None, everything: bool, before: int | None, as_json: bool) -> None:
    """List all runs, or the newest 50 experiments of the run TAG."""
    from runner.views import reading

    if (everything or before) and not tag:
        raise click.UsageError("--all and --before are of one run: runner list TAG")
    if everything and before:
        raise click.UsageError("choose one of --all and --before")
    with reading.journal_for_reading() as journal:
        if tag is None:
            _runs(journal, as_json)
            return
        run = journal.find_run(tag)
        first, last = 0, journal.newest(run.tag) or 0
        if not everything:
            last = min(last, before - 1) if before else last
            first = max(0, last - NEWEST + 1)
        if as_json:
            _experiments_json(journal, run, first, last)
        else:
            _experiments(journal, run, (first, last), everything)


def _runs(journal: Reader, as_json: bool) -> None:
    from runner import paths, progress
    from runner.journal.reader import no_runs
    from runner.views import documents, reading, running, tables
    from runner.views.standing import standing_of

    found = [standing_of(journal, run) for run in journal.runs()]
    tags = [each.run.tag for each in found]
    at_work = {tag: progress.read(paths.state().progress(tag)) for tag in tags}
    if not found and not as_json:
        raise no_runs()
    if as_json:
        reading.stream_json(
            documents.run_document(each) | {"running": running.document(at_work[each.run.tag])}
            for each in found
        )
    else:
        alive = {tag for tag, said in at_work.items() if said and said.alive}
        reading.print_rich(tables.runs_table(found, alive))


def _experiments_json(journal: Reader, run: Run, first: int, last: int) -> None:
    from runner.views import documents, reading

    works, beside = _works(run), journal.beside(run.tag, first, last)
    reading.stream_json(
        documents.experiment_document(run, each, beside[each.number])
        | {"running": works and each.ended_at is None}
        for each in journal.whole(run.tag, first, last)
    )


def _experiments(journal: Reader, run: Run, numbers: tuple[int, int], everything: bool) -> None:
    from runner.history import metric_of
    from runner.views import reading, tables

    metric, works, took = metric_of(run), _works(run), None
    if journal.asked_models(run.tag):
        took = journal.spent_by_experiment(run.tag, *numbers)
    history = journal.outlines(run.tag, *numbers)
    if everything:
        reading.say(tables.columns(tables.headings(metric, money=took is not None)))
        for each in history:
            reading.say(tables.columns(tables.cells(metric, each, took, running=works)))
        return
    reading.print_rich(tables.experiments_table(metric, history, took, running=works))
    if numbers[0]:
        more = f"--before {numbers[0]} shows earlier ones, --all shows all"
        reading.say(f"experiments {numbers[0]} to {numbers[1]}; runner list {run.tag} {more}")


def _works(run: Run) -> bool:
    """Say whether a supervisor is at work on it."""
    from runner import paths, progress

    found = progress.read(paths.state().progress(run.tag))
    return found is not None and found.alive
