"""`runner list [TAG]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


@click.command("list")
@click.argument("tag", required=False)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(tag: str | None, as_json: bool) -> None:
    """List all runs, or the experiments of the run TAG."""
    from runner.history import metric_of
    from runner.money.usage import by_experiment
    from runner.views import documents, reading, running

    with reading.ledger_for_reading() as ledger:
        runs = [reading.find_run(ledger, tag)] if tag else ledger.runs()
        rows = [(run, metric_of(run), ledger.experiments(run.tag)) for run in runs]
        calls = {run.tag: ledger.calls(run.tag) for run in runs}
        analyses = ledger.analyses(tag) if tag else ()
    if as_json and tag:
        [(run, _, history)] = rows
        took = by_experiment(calls[run.tag])
        works = any(found.alive for found in _at_work(rows).values())
        reading.print_json(
            [
                documents.experiment_document(found, run.metric, took.get(found.number), analyses)
                | {"running": works and found.ended_at is None}
                for found in history
            ]
        )
    elif as_json:
        at_work = _at_work(rows)
        reading.print_json(
            [
                documents.run_document(run, history, calls[run.tag])
                | {"running": running.document(at_work.get(run.tag))}
                for run, _, history in rows
            ]
        )
    else:
        alive = {run for run, found in _at_work(rows).items() if found.alive}
        _print_table(tag, rows, calls, alive)


def _at_work(rows: list[Any]) -> dict[str, Any]:
    """Return tag → what its supervisor does, or did when it was killed."""
    from runner import progress, rooms

    state = rooms.state()
    found = {run.tag: progress.read(state.progress(run.tag)) for run, _, _ in rows}
    return {tag: each for tag, each in found.items() if each is not None}


def _print_table(
    tag: str | None, rows: list[Any], calls: Mapping[str, Any], alive: set[str]
) -> None:
    from runner.money.usage import by_experiment, spent
    from runner.views import reading, tables

    if tag:
        [(run, metric, history)] = rows
        took = by_experiment(calls[run.tag])
        reading.print_rich(tables.experiments_table(metric, history, took, running=tag in alive))
    else:
        usd = {found: spent(made).usd for found, made in calls.items() if made}
        reading.print_rich(tables.runs_table(rows, usd, alive))
