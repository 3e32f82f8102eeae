"""`runner seal NAME`."""

from __future__ import annotations

import click


@click.command("seal")
@click.argument("name")
@click.option("--table", help="The table, as the project names it: CSV or Parquet.")
@click.option("--target", multiple=True, help="Its column to predict; may be repeated.")
@click.option("--inputs", help="Or two arrays: the inputs, a .npy file.")
@click.option("--targets", help="And their targets, a .npy file.")
@click.option("--text", help="Or a text, of which a language model predicts every byte.")
@click.option("--metric", help="What is measured; as the project does it without.")
@click.option("--time", help="Column that orders the rows: train on the past, predict the next.")
@click.option("--group", help="Column whose equal values stay together in one part.")
@click.option("--folds", type=click.IntRange(2, 20), help="So many folds in place of one holdout.")
@click.option("--asked", multiple=True, help="Rows of the project's own that are asked about.")
@click.option("--locked", multiple=True, help="And others that are locked, not half of those.")
@click.option("--drop-missing-target", is_flag=True, help="Leave out rows without a target.")
@click.option("--ask", help="A function of the project that answers: FILE.py:FUNCTION.")
@click.option("--as", "new_name", metavar="NEW", help="The sealed task's name; NAME-sealed else.")
@click.option("--brief", is_flag=True, help="Print instructions for a coding agent instead.")
@click.option("--force", is_flag=True, help="Write a task of your own again, over its files.")
def command(
    name: str,
    table: str | None,
    target: tuple[str, ...],
    inputs: str | None,
    targets: str | None,
    text: str | None,
    metric: str | None,
    time: str | None,
    group: str | None,
    folds: int | None,
    asked: tuple[str, ...],
    locked: tuple[str, ...],
    drop_missing_target: bool,
    ask: str | None,
    new_name: str | None,
    brief: bool,
    force: bool,
) -> None:
    """Make a sealed task of an adopted project, so that its score can be believed.

    The rows that are scored are in no container that trains, and a scorer that the project's code
    never meets compares its answers with their targets.
    """
    from rich.console import Console

    from runner import declared, paths
    from runner.seal.seal import Wanted, seal
    from runner.views.reading import say

    wanted = Wanted(
        new_name=new_name, table=table, target=target, inputs=inputs, targets=targets, text=text,
        metric=metric, time=time, group=group, folds=folds, asked=asked, locked=locked,
        drop_missing_target=drop_missing_target, ask=ask, force=force,
    )  # fmt: skip
    if brief:
        from runner.seal.brief import brief_text

        say(brief_text(name, new_name or f"{name}-sealed"))
        return
    made = seal(name, wanted, paths.state())
    declared.show(made.understood, Console())
    say(made.diff)
    say(f"{made.changed_lines} lines changed or added")
    for line in made.left_out:
        say(f"left out  {line}")
    for line in made.notes:
        say(f"beware    {line}")
    for path in made.wrote:
        say(f"wrote {path.relative_to(paths.PROJECT)}")
    if made.lacking:
        say(f"predict.py is yours to write: {made.lacking}; its TODO lines say what")
        say(f"or let a coding agent do it: runner seal {name} --brief")
    say(f"next: runner task check {made.name}")
