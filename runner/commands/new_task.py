"""`runner new-task NAME`."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path)
KINDS = ("binary", "multi-class", "multi-label", "regression")


@click.command("new-task")
@click.argument("name")
@click.option("--csv", type=FILE, help="A table: CSV, CSV packed with gzip, or Parquet.")
@click.option("--target", "targets", multiple=True, help="Column to predict; several may be given.")
@click.option("--kind", type=click.Choice(KINDS), help="What the target is, if it is not as found.")
@click.option("--positive", help="The value of a binary target that a high score stands for.")
@click.option("--metric", help="What is measured; the usual of the target's kind without it.")
@click.option("--time", help="Column that orders the rows: train on the past, predict the next.")
@click.option("--group", help="Column whose equal values stay together in one part.")
@click.option("--folds", type=click.IntRange(2, 20), help="How many folds, if not five.")
@click.option("--id", "id_column", help="Column that must not repeat; no model gets it.")
@click.option("--drop", multiple=True, help="Column that no model gets; may be repeated.")
@click.option("--missing", multiple=True, help="A value that stands for none, 999 say; repeatable.")
@click.option("--drop-missing-target", is_flag=True, help="Leave out rows without a target.")
@click.option("--delimiter", help="What is between values, if it is not as found; TAB for a tab.")
@click.option("--encoding", help="The file's encoding, if it is not as found.")
@click.option("--decimal", type=click.Choice([".", ","]), help="The mark before decimals.")
@click.option("--date-format", help="How dates are written, %d.%m.%Y say.")
@click.option("--header/--no-header", default=None, help="Whether line 1 names the columns.")
@click.option("--blank", is_flag=True, help="Write a commented declaration of two arrays.")
@click.option("--force", is_flag=True, help="Write a task of your own again, over its files.")
def command(
    name: str,
    csv: Path | None,
    targets: tuple[str, ...],
    kind: str | None,
    positive: str | None,
    metric: str | None,
    time: str | None,
    group: str | None,
    folds: int | None,
    id_column: str | None,
    drop: tuple[str, ...],
    missing: tuple[str, ...],
    drop_missing_target: bool,
    delimiter: str | None,
    encoding: str | None,
    decimal: str | None,
    date_format: str | None,
    header: bool | None,
    blank: bool,
    force: bool,
) -> None:
    """Write policy, template and declaration of a task of your own; it runs as it is written."""
    from rich.console import Console

    from runner import declared, paths
    from runner.errors import ConfigError
    from runner.new_task import layout
    from runner.new_task.blank import blank as blank_task
    from runner.new_task.table import Said, from_table

    if (csv is not None) == blank:
        raise ConfigError("give one of --csv FILE and --blank")
    layout.require_name(name, force=force)
    if csv is None:
        task = blank_task(name)
    else:
        if not targets:
            raise ConfigError("--csv needs --target COLUMN")
        said = Said(
            targets=targets, time=time, group=group, folds=folds, id=id_column,
            positive=positive, kind=kind,
            metric=metric, drop=drop, missing=missing,
            delimiter="\t" if delimiter in ("TAB", "\\t") else delimiter,
            encoding=encoding, header=header, decimal=decimal, dates=date_format,
            drop_missing_target=drop_missing_target,
        )  # fmt: skip
        task, found = from_table(name, csv, said)
        declared.show(found, Console())
    for path in layout.write(task, paths.state().downloads(name)):
        click.echo(f"wrote {path.relative_to(paths.PROJECT)}")
    click.echo(f"next: runner task check {name}   |   make sandbox-run TASK={name}")
