"""`runner setup`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from runner.errors import ConfigError


@click.command("setup")
@click.option("--image", help="Which image to build: cpu (the default), tabular or cuda.")
@click.option("--task", help="Build the image of this task's policy, its own packages included.")
@click.option(
    "--agents",
    is_flag=True,
    help="Fetch the programs of the agents claude-code and codex too, with npm (800 MB).",
)
@click.option(
    "--programs",
    "recipe",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Fetch what the lock in FOLDER pins, for the agent boxed, with npm or pip.",
)
@click.option("--base-image", help="Build it on this image instead of the Dockerfile's default.")
def command(
    image: str | None, task: str | None, agents: bool, recipe: Path | None, base_image: str | None
) -> None:
    """Make this machine ready: start a container engine, build the image of the trials.

    The scorers' image is built too. Packages that a policy puts on an image are resolved once,
    and locked beside the policy.

    As root on Debian or Ubuntu, this installs and starts a missing engine. Elsewhere it shows the
    commands to type. Where nothing is missing it does nothing.
    """
    from rich.console import Console
    from rich.text import Text

    from runner import paths
    from runner.agents import programs
    from runner.characters import visible
    from runner.policy.load import load_policy
    from runner.setup import set_up

    if image and task:
        raise ConfigError("--image and --task both name an image", hint="give one of them")
    wanted = load_policy(paths.policy_path(paths.require_task(task))).image if task else image
    console = Console(emoji=False)
    with console.status("") if console.is_terminal else nullcontext() as spinner:

        def say(line: str) -> None:
            line = visible(line)
            if spinner is None:
                click.echo(line)
                return
            spinner.update(Text(line.strip()), spinner_style="cyan")
            if not line.startswith(" "):
                console.print(line, markup=False, highlight=False)

        ready = set_up(wanted or "cpu", state=paths.state(), say=say, base_image=base_image)
        if agents:
            programs.fetch(say)
        fetched = programs.fetch(say, recipe) if recipe else None
    for name, image_id in ready.items():
        click.echo(f"image {name} is ready ({image_id.removeprefix('sha256:')[:12]})")
    for package in (programs.CLAUDE_CODE, programs.CODEX) if agents else ():
        click.echo(f"{package} {programs.version(package)} is ready")
    if fetched:
        click.echo(f"the programs of {recipe} are ready: RUNNER_BOX_PROGRAMS={recipe}")
