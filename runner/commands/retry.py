"""`runner retry N [TAG]`."""

from __future__ import annotations

import click


@click.command("retry")
@click.argument("number", type=click.IntRange(min=1))
@click.argument("tag", required=False)
def command(number: int, tag: str | None) -> None:
    """Continue the undecided experiment NUMBER of the run TAG, or of the newest run.

    It becomes an experiment of its own, which begins with all trials that NUMBER had.
    """
    from runner.by_hand import one_more

    raise SystemExit(one_more.retried(tag, number))
