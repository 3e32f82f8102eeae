"""`runner clean`."""

from __future__ import annotations

import click


@click.command("clean")
@click.option("--data", "tasks", multiple=True, metavar="TASK", help="Remove its prepared data.")
@click.option("--all-data", is_flag=True, help="Remove the prepared data of every task.")
@click.option("--logs", is_flag=True, help="Remove the logs of what was not kept.")
@click.option("--pack", is_flag=True, help="Pack the attempts of runs at rest.")
@click.option("--images", is_flag=True, help="Remove images that nothing here names.")
@click.option("--yes", is_flag=True, help="Remove data even if runs then cannot be resumed.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def command(
    tasks: tuple[str, ...],
    all_data: bool,
    logs: bool,
    pack: bool,
    images: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Remove containers and volumes that killed runs left; say what else could go.

    Live runs are left alone. Logs of what was not kept, attempts that are not packed yet and images
    that nothing names are listed with their sizes, and go where --logs, --pack and --images say so.
    What a run found, its attempts and its journal always stay.

    With --data or --all-data, prepared data are removed too: a task's public part and its sealed
    volume. A run cannot be resumed without the data that it was created with, and preparing the
    task again draws other data. So data that a run needs are only removed with --yes.
    """
    from contextlib import closing
    from itertools import chain

    from runner import clean, data, engines, paths
    from runner.views.reading import journal_if_any, say

    state = paths.state()
    state.refuse_copy()
    with journal_if_any() as journal:
        runs = journal.runs() if journal else ()
    with closing(engines.connect()) as engine:
        clean.leftovers(engine, state, runs, dry_run=dry_run, say=say)
        chosen = data.stored(engine, state) if all_data else tasks
        clean.remove_data(engine, state, runs, chosen, agreed=yes, dry_run=dry_run, say=say)
        given = {"--logs": logs, "--pack": pack, "--images": images}
        found = chain(clean.of_runs(state, runs, say), clean.of_images(engine, runs))
        options = [name for name, wanted in given.items() if wanted]
        clean.free(found, options, dry_run=dry_run, say=say)
