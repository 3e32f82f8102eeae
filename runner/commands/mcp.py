"""`runner mcp --task TASK`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

POLICY = click.Path(exists=True, dir_okay=False, path_type=Path)
CLIENTS = ("claude", "cursor", "codex")


@click.command("mcp")
@click.option("--task", help="The task of a new run, or of the run that --tag names.")
@click.option("--tag", help="The run's name; a run of this name is continued.")
@click.option("--resume", metavar="TAG", help="Continue this run, which must exist.")
@click.option(
    "--experiments",
    type=click.IntRange(min=0),
    help="How many experiments the run should have in all.",
)
@click.option("--policy", type=POLICY, help="Another policy file of the same task.")
@click.option(
    "--answer-within",
    type=click.FloatRange(min=1),
    default=50,
    show_default=True,
    help="Seconds until a call answers that its work still runs, before the client gives up.",
)
@click.option(
    "--print-config",
    type=click.Choice(CLIENTS),
    help="Print the configuration that this client needs, and exit.",
)
def command(
    task: str | None,
    tag: str | None,
    resume: str | None,
    experiments: int | None,
    policy: Path | None,
    answer_within: float,
    print_config: str | None,
) -> None:
    """Let any MCP client be the researcher: serve a run over standard input and output.

    A client starts this; --print-config says how. The run begins with the client's first get_task,
    and ends when the client does. A trial that ran then is run again when the run continues.
    """
    if bool(task) == bool(resume) or (resume and tag):
        raise click.UsageError("give --task TASK and perhaps --tag, or --resume TAG")
    if print_config:
        options = {
            "--task": task,
            "--tag": tag,
            "--resume": resume,
            "--experiments": experiments,
            "--policy": policy.resolve() if policy else None,
        }
        given = [str(part) for pair in options.items() if pair[1] is not None for part in pair]
        click.echo(configuration(print_config, given))
        return
    from runner.serve import serve
    from runner.start import Request

    request = Request(
        task=task or "",
        tag=resume or tag,
        policy=policy,
        resume=bool(resume),
        somebody_else=True,
    )
    raise SystemExit(serve(request, experiments=experiments, answer_within=answer_within))


def configuration(client: str, arguments: list[str]) -> str:
    """Return what a client needs to start this command with these arguments."""
    from runner.agents.mcp import clients

    home = os.environ.get("RUNNER_HOME")
    launch = clients.Launch(
        command=sys.executable,
        arguments=["-m", "runner", "mcp", *arguments],
        environment={"RUNNER_HOME": str(Path(home).resolve())} if home else {},
    )
    return clients.CLIENTS[client](launch)
