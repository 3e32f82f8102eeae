"""`runner clean`."""

from __future__ import annotations

import click


@click.command("clean")
@click.option("--data", "tasks", multiple=True, metavar="TASK", help="Remove its prepared data.")
@click.option("--all-data", is_flag=True, help="Remove the prepared data of every task.")
@click.option("--yes", is_flag=True, help="Remove data even if runs then cannot be resumed.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def command(tasks: tuple[str, ...], all_data: bool, yes: bool, dry_run: bool) -> None:
    """Remove containers and volumes that killed runs left; live runs keep theirs.

    With --data or --all-data, prepared data are removed too: a task's public part and its sealed
    volume. A run cannot be resumed without the data that it was created with, and preparing the
    task again draws other data. So data that a run needs are only removed with --yes.
    """
    from contextlib import closing

    from runner import clean, data, rooms
    from runner.journal.store import open_journal
    from runner.sandbox import engine

    state = rooms.state()
    with closing(engine.connect()) as client, open_journal(state.ledger) as ledger:
        clean.leftovers(client, state, ledger, dry_run=dry_run, say=click.echo)
        chosen = data.stored(client, state) if all_data else tasks
        clean.remove_data(
            client, state, ledger, chosen, agreed=yes, dry_run=dry_run, say=click.echo
        )
