"""`runner new-task NAME`."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("new-task")
@click.argument("name")
@click.option("--csv", type=FILE, help="Rows of a table with two classes to tell apart.")
@click.option("--target", help="Column, or with --from-script the array, that is predicted.")
@click.option("--time", help="Column that orders the rows: train on the past, predict the next.")
@click.option("--id", "id_column", help="Column that must not repeat; one called id is found.")
@click.option(
    "--positive",
    help="The value of the target to predict; otherwise the last one in alphabetical order.",
)
@click.option("--drop", multiple=True, help="Column that no model gets; may be repeated.")
@click.option("--from-script", "script", type=FILE, help="Wrap this training script.")
@click.option("--data", type=FOLDER, help="With --from-script: its folder of two .npy arrays.")
@click.option("--blank", is_flag=True, help="Write a commented skeleton.")
@click.option("--force", is_flag=True, help="Write a task of your own again, over its files.")
def command(
    name: str,
    csv: Path | None,
    target: str | None,
    time: str | None,
    id_column: str | None,
    positive: str | None,
    drop: tuple[str, ...],
    script: Path | None,
    data: Path | None,
    blank: bool,
    force: bool,
) -> None:
    """Write policy, template and harness of a task of your own; it runs as it is written."""
    from runner import paths
    from runner.errors import ConfigError
    from runner.new_task import layout
    from runner.new_task.csv_file import Columns, from_csv
    from runner.new_task.script import from_script

    if [csv is not None, script is not None, blank].count(True) != 1:
        raise ConfigError("give one of --csv FILE, --from-script FILE and --blank")
    layout.require_name(name, force=force)
    if csv is not None:
        if not target:
            raise ConfigError("--csv needs --target COLUMN")
        columns = Columns(target=target, time=time, id=id_column, positive=positive, drop=drop)
        task = from_csv(name, csv, columns)
        layout.try_data(task, source=csv)
    elif script is not None:
        if data is None:
            raise ConfigError("--from-script needs --data FOLDER")
        wrapped = from_script(name, script, data, target=target or "y")
        task = wrapped.task
        layout.try_data(task, source=data)
        click.echo(
            f"the script was changed in these lines; main.py and run.sh are new:\n{wrapped.diff}"
        )
    else:
        task = layout.blank(name)
    for path in layout.write(task, paths.state().downloads(name)):
        click.echo(f"wrote {path.relative_to(paths.PROJECT)}")
    click.echo(f"next: runner task check {name}   |   make sandbox-run TASK={name}")
