"""`runner list [TAG]`."""

from __future__ import annotations

import click


@click.command("list")
@click.argument("tag", required=False)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(tag: str | None, as_json: bool) -> None:
    """List all runs, or the experiments of the run TAG."""
    from runner import progress, rooms
    from runner.history import metric_of
    from runner.money.usage import by_experiment, spent
    from runner.views import documents, reading, running, tables

    state = rooms.state()
    with reading.ledger_for_reading() as ledger:
        runs = [reading.find_run(ledger, tag)] if tag else ledger.runs()
        rows = [(run, metric_of(run), ledger.experiments(run.tag)) for run in runs]
        calls = {run.tag: ledger.calls(run.tag) for run in runs}
        analyses = ledger.analyses(tag) if tag else ()
    at_work = {run.tag: progress.read(state.progress(run.tag)) for run in runs}
    alive = {run for run, found in at_work.items() if found is not None and found.alive}
    if tag:
        [(run, metric, history)] = rows
        took, works = by_experiment(calls[run.tag]), run.tag in alive
        if not as_json:
            reading.print_rich(tables.experiments_table(metric, history, took, running=works))
            return
        reading.print_json(
            [
                documents.experiment_document(found, run.metric, took.get(found.number), analyses)
                | {"running": works and found.ended_at is None}
                for found in history
            ]
        )
    elif as_json:
        reading.print_json(
            [
                documents.run_document(run, history, calls[run.tag])
                | {"running": running.document(at_work[run.tag])}
                for run, _, history in rows
            ]
        )
    else:
        usd = {found: spent(made).usd for found, made in calls.items() if made}
        reading.print_rich(tables.runs_table(rows, usd, alive))
