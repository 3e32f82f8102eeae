"""`runner resume [TAG]`."""

from __future__ import annotations

import click

from runner.commands.pause import ask
from runner.ends import Wish


@click.command("resume")
@click.argument("tag", required=False)
def command(tag: str | None) -> None:
    """Let a run go on that waits because it was paused.

    Without TAG it is the one run that is at work. One that has ended goes on with
    `runner run --resume TAG`.
    """
    ask(tag, Wish.RESUME)
