"""`runner propose FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

STANDARD_INPUT = "-"


@click.command("propose")
@click.argument("file")
@click.option("--tag", help="The run; the newest one otherwise.")
@click.option(
    "-m",
    "--hypothesis",
    default="",
    help="What it should show; the subject of the patch otherwise.",
)
def command(file: str, tag: str | None, hypothesis: str) -> None:
    """Run the unified patch FILE (- for standard input) as one experiment.

    It must apply to the best workspace, with the prefixes a/ and b/ that git writes. A patch that
    breaks a rule is not run, and the rule is shown.
    """
    from runner import given
    from runner.by_hand import one_more, patch

    if file == STANDARD_INPUT:
        content = given.bounded(sys.stdin.buffer, "standard input", most=patch.MOST_BYTES)
    else:
        content = given.read(Path(file), most=patch.MOST_BYTES)
    said = hypothesis or patch.subject(content)
    if not said:
        raise click.UsageError("say with -m what the patch should show")
    raise SystemExit(one_more.by_patch(tag, content, said))
