"""`runner stop [TAG]`."""

from __future__ import annotations

import click

from runner.commands.pause import ask
from runner.ends import Wish


@click.command("stop")
@click.argument("tag", required=False)
@click.option("--now", is_flag=True, help="End the experiment at work too; it runs again later.")
def command(tag: str | None, now: bool) -> None:
    """End a run once the experiment at work has ended.

    Without TAG it is the one run that is at work.
    """
    ask(tag, Wish.STOP_NOW if now else Wish.STOP)
