"""`runner setup`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from runner.errors import ConfigError


@click.command("setup")
@click.option("--image", help="Which image to build: cpu (the default), tabular or cuda.")
@click.option("--task", help="Build the image that the policy of this task names.")
@click.option("--base-image", help="Build it on this image instead of the Dockerfile's default.")
def command(image: str | None, task: str | None, base_image: str | None) -> None:
    """Make this machine ready: a container engine that answers, and the image of the trials.

    As root on Debian or Ubuntu, a missing engine is installed and started. Elsewhere the commands
    to type are shown. A second call finds everything there and does nothing.
    """
    from runner import rooms
    from runner.setup import set_up

    if image and task:
        raise ConfigError("--image and --task both name an image", hint="give one of them")
    name = image_of(task) if task else image or "cpu"
    with told() as say:
        image_id = set_up(name, state=rooms.state(), say=say, base_image=base_image)
    click.echo(f"image {name} is ready ({image_id.removeprefix('sha256:')[:12]})")


def image_of(task: str) -> str:
    """Return the image that a task's policy names."""
    from runner import rooms
    from runner.policy.load import load_policy

    return load_policy(rooms.policy_path(rooms.require_task(task))).policy.image


@contextmanager
def told() -> Iterator[Callable[[str], None]]:
    """Yield what tells a person how far it is: plain lines, with a spinner on a terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        yield click.echo
        return
    with console.status("") as status:

        def say(line: str) -> None:
            status.update(line.strip(), spinner_style="cyan")
            if not line.startswith(" "):
                console.print(line, markup=False, highlight=False)

        yield say
