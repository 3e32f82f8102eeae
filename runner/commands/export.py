"""`runner export [TAG]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.journal.reader import Reader
    from runner.records import Run

OUTPUT = click.Path(dir_okay=False, path_type=Path)


@click.command("export")
@click.argument("tag", required=False)
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    help="Where to; the run's folder otherwise, - for standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["karpathy", "edu", "tabular", "jsonl", "csv"]),
    help="The columns of another program, or everything; results.tsv otherwise.",
)
@click.option("--mlflow", metavar="URI", help="Log it to this MLflow, a run for each experiment.")
@click.option("--trackio", metavar="PROJECT", help="Log it to this project of trackio.")
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON on standard output.")
def command(
    tag: str | None,
    output: Path | None,
    form: str | None,
    mlflow: str | None,
    trackio: str | None,
    as_json: bool,
) -> None:
    """Write results.tsv: commit, metric, memory_gb, status, description; or in another form."""
    from runner.views import reading

    if sum(map(bool, (form, mlflow, trackio, as_json))) > 1:
        raise click.UsageError("choose one of --format, --mlflow, --trackio and --json")
    if output not in (None, Path("-")) and (mlflow or trackio or as_json):
        raise click.UsageError("--output is of a file: it goes with --format, or alone")
    with reading.journal_for_reading() as journal:
        run = journal.find_run(tag)
        if mlflow or trackio:
            from runner import trackers

            said = (
                trackers.to_mlflow(journal, run, mlflow)
                if mlflow
                else trackers.to_trackio(journal, run, trackio or "")
            )
            reading.say(said)
        elif as_json:
            reading.stream_json(_rows(journal, run))
        else:
            _write(run, _lines(journal, run, form), output, form)


def _rows(journal: Reader, run: Run) -> Iterator[dict[str, object]]:
    from runner.views import export

    took = journal.spent_by_experiment(run.tag) or None
    for each in journal.outlines(run.tag):
        yield export.row(each, run.metric, took, self_reported=run.self_reported)


def _lines(journal: Reader, run: Run, form: str | None) -> Iterator[str]:
    from runner.views import export, formats

    if form:
        return formats.written(form, run, journal.whole(run.tag), journal.beside(run.tag))
    usd = (each.usd for each in journal.spent_by_experiment(run.tag).values())
    scores = {export.score_column(run.metric): journal.scores(run.tag)}
    return export.tsv(_rows(journal, run), scores | {"usd": usd})


def _write(run: Run, lines: Iterator[str], output: Path | None, form: str | None) -> None:
    from runner import paths
    from runner.errors import SandboxError
    from runner.views import formats, reading

    if output == Path("-"):
        for line in lines:
            click.echo(line, nl=False)
        return
    ending = formats.FORMATS[form].ending if form in formats.FORMATS else form or "tsv"
    target = output or paths.state().run(run.tag) / f"results.{ending}"
    try:
        with target.open("w", encoding="utf-8") as file:
            count = sum(file.write(line) > 0 for line in lines)
    except OSError as error:
        hint = "--output - prints the rows, --output FILE writes them elsewhere"
        raise SandboxError(f"{target}: {error.strerror}", hint=hint) from error
    if count and form != formats.JSONL:
        count -= 1  # the heading
    reading.say(f"{count} experiments written to {target}")
