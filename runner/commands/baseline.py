"""`runner baseline TASK`."""

from __future__ import annotations

from pathlib import Path

import click

POLICY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("baseline")
@click.argument("task")
@click.option("--tag", help="The run's name; today's date otherwise.")
@click.option("--policy", type=POLICY, help="Another policy file of the same task.")
def command(task: str, tag: str | None, policy: Path | None) -> None:
    """Create a run of TASK and score the unmodified template, as experiment 0."""
    from runner.start import Request
    from runner.supervise import supervise

    raise SystemExit(supervise(Request(task=task, tag=tag, policy=policy), experiments=0))
