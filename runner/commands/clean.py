"""`runner clean`."""

from __future__ import annotations

import click


@click.command("clean")
@click.option("--data", "tasks", multiple=True, metavar="TASK", help="Remove its prepared data.")
@click.option("--all-data", is_flag=True, help="Remove the prepared data of every task.")
@click.option("--yes", is_flag=True, help="Remove data even if runs then cannot be resumed.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def command(tasks: tuple[str, ...], all_data: bool, yes: bool, dry_run: bool) -> None:
    """Remove containers and volumes that killed runs left; live runs stay.

    Prepared data stay too, unless --data or --all-data names them: then a task's public part and
    its sealed volume go. A run cannot be resumed without the data that it was created with, and
    preparing them again draws others, so that is refused where there is such a run, but for --yes.
    """
    from contextlib import closing

    from runner import clean, data, engines, rooms
    from runner.journal.store import open_journal

    state = rooms.state()
    with closing(engines.connect()) as engine, open_journal(state.ledger) as ledger:
        clean.leftovers(engine, state, ledger, dry_run=dry_run, say=click.echo)
        chosen = data.stored(engine, state) if all_data else clean.chosen(engine, state, tasks)
        if not yes and not dry_run:
            clean.require_unneeded(state, ledger, chosen)
        for task in chosen:
            clean.remove_data(engine, state, ledger, task, dry_run=dry_run, say=click.echo)
