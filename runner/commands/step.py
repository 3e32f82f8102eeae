"""`runner step [TAG]`, with `--edit` by a person."""

from __future__ import annotations

import click


@click.command("step")
@click.argument("tag", required=False)
@click.option("--edit", "by_hand", is_flag=True, help="Write it yourself, in $VISUAL or $EDITOR.")
@click.option(
    "-m", "--hypothesis", default="", help="What it should show; you are asked otherwise."
)
def command(tag: str | None, by_hand: bool, hypothesis: str) -> None:
    """Run one experiment in the run TAG, or the newest one: its agent's, or with --edit your own.

    The editor opens on the files that may be changed, as they are in the best workspace. What
    breaks a rule is shown, and you can edit again.
    """
    from runner.by_hand import one_more

    if hypothesis and not by_hand:
        raise click.UsageError("-m goes with --edit")
    if by_hand:
        raise SystemExit(one_more.by_hand(tag, hypothesis.strip()))
    raise SystemExit(one_more.by_its_agent(tag))
