"""`runner watch [TAG]`."""

from __future__ import annotations

import os
import sys

import click


@click.command("watch")
@click.argument("tag", required=False)
@click.option("--plain", is_flag=True, help="Lines instead of a full screen.")
def command(tag: str | None, plain: bool) -> None:
    """Show a run on the whole terminal, live; the newest one without TAG.

    It reads only, so it can be left and opened again at any time, from any terminal.
    """
    from runner import paths
    from runner.money.spending import cap_of
    from runner.views import reading
    from runner.watch.following import Following

    run = reading.run_of(tag)
    following = Following(paths.state(), run, cap_of(run))
    if plain or not _is_a_screen():
        from runner.watch.plain import told

        for line in told(following):
            reading.say(line)
        return
    from runner.watch.screen import Watching

    Watching(paths.state(), run, following).run()


def _is_a_screen() -> bool:
    ours = sys.stdin.isatty() and sys.stdout.isatty()
    return ours and os.environ.get("TERM", "dumb") != "dumb"
