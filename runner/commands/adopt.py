"""`runner adopt DIR`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("adopt")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="Of the task; the folder's own name otherwise.")
@click.option("--run", "line", help="How it is run, as 'python train.py --seed {seed}'.")
@click.option("--metric", help="What it prints, as 'val_loss: {}', or a JSON FILE:KEY it writes.")
@click.option("--minimize/--maximize", default=None, help="Which way is better.")
@click.option("--data", multiple=True, help="Its data, as the project names them; may be repeated.")
@click.option("--no-data", is_flag=True, help="It has none.")
@click.option("--change", multiple=True, help="What an agent may change, as 'src/**/*.py'.")
@click.option("--may-add", is_flag=True, help="An agent may add files that match a pattern.")
@click.option("--image", type=click.Choice(["cpu", "tabular", "cuda"]), help="With its packages.")
@click.option("--pip", type=FILE, help="Packages that it needs besides, as requirements.txt.")
@click.option("--minutes", default=10.0, show_default=True, help="The longest first run.")
@click.option("--gpus", default=0, show_default=True, help="That each run gets.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the likeliest answer.")
@click.option("--force", is_flag=True, help="Adopt again, over a task of this name.")
def command(
    folder: Path,
    name: str | None,
    line: str | None,
    metric: str | None,
    minimize: bool | None,
    data: tuple[str, ...],
    no_data: bool,
    change: tuple[str, ...],
    may_add: bool,
    image: str | None,
    pip: Path | None,
    minutes: float,
    gpus: int,
    yes: bool,
    force: bool,
) -> None:
    """Take a project in as it is: run its own command once, and write a task for it.

    The score is what its own code prints, and everything that shows it says SELF-REPORTED.
    """
    from contextlib import closing

    from runner import engines, paths
    from runner.adopt.adopt import Wanted, adopt, rows, task_name
    from runner.adopt.project import sizes
    from runner.stopping import Stop
    from runner.views.lines import aligned
    from runner.views.reading import say

    root = folder.resolve()
    named = name or task_name(root)
    wanted = Wanted(
        run=line,
        metric=metric,
        minimize=minimize,
        data=() if no_data else data or None,
        change=change,
        may_add=may_add,
        image=image,
        pip=pip,
        minutes=minutes,
        gpus=gpus,
        force=force,
    )
    stop = Stop(say)
    with stop.listening(), closing(engines.connect()) as engine:
        adopted = adopt(
            root,
            named,
            wanted,
            engine=engine,
            state=paths.state(),
            stop=stop,
            ask=_first if yes else _asked,
            say=say,
        )
    say(aligned(rows(adopted, sizes(adopted.project.data))))
    for rule, places in adopted.breaks.items():
        say(f"allowed, as its own code needs it: {rule} ({'; '.join(places)})")
    for path in adopted.wrote:
        say(f"wrote {path.relative_to(paths.PROJECT)}")
    say(f"next: runner run {named}   |   runner task check {named}")


def _first(question: str, choices: Sequence[str], *, hint: str, likely: bool = True) -> str:
    from runner.errors import ConfigError
    from runner.views.reading import say

    if not likely:
        raise ConfigError(f"{question} It may be one of: {'; '.join(choices)}", hint=hint)
    say(f"{question} {choices[0]}")
    return choices[0]


def _asked(
    question: str,
    choices: Sequence[str],
    *,
    hint: str,
    likely: bool = True,  # noqa: ARG001
) -> str:
    """Let the person choose by number; where nobody sits at a terminal, say what to type."""
    import sys

    from runner.errors import ConfigError
    from runner.views.reading import say

    if not sys.stdin.isatty():
        raise ConfigError(f"{question} It may be one of: {'; '.join(choices)}", hint=hint)
    say(question)
    for number, choice in enumerate(choices, start=1):
        say(f"  {number}  {choice}")
    chosen: int = click.prompt("number", type=click.IntRange(1, len(choices)), default=1)
    return choices[chosen - 1]
