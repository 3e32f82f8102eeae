"""`runner propose FILE`."""

from __future__ import annotations

from typing import BinaryIO

import click


@click.command("propose")
@click.argument("file", type=click.File("rb"))
@click.option("--tag", help="The run; the newest one otherwise.")
@click.option(
    "-m", "--hypothesis", default="", help="What it is to show; else the patch's subject."
)
def command(file: BinaryIO, tag: str | None, hypothesis: str) -> None:
    """Run the unified patch FILE (- for standard input) as one experiment.

    It must apply to the best workspace, with the prefixes a/ and b/ that git writes. What breaks a
    rule is shown and not run.
    """
    from runner.by_hand import one_more, patch

    content = file.read()
    said = hypothesis or patch.subject(content)
    if not said:
        raise click.UsageError("say with -m what the patch is to show")
    raise SystemExit(one_more.by_patch(tag, content, said))
