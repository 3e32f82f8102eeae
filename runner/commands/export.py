"""`runner export [TAG]`."""

from __future__ import annotations

from pathlib import Path

import click

OUTPUT = click.Path(dir_okay=False, path_type=Path)


@click.command("export")
@click.argument("tag", required=False)
@click.option(
    "--output", type=OUTPUT, help="Where to; the run's folder otherwise, - for standard output."
)
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON on standard output.")
def command(tag: str | None, output: Path | None, as_json: bool) -> None:
    """Write results.tsv: commit, metric, memory_gb, status, description."""
    from runner import rooms
    from runner.money.usage import by_experiment
    from runner.views import export, reading

    with reading.ledger_for_reading() as ledger:
        run = reading.find_run(ledger, tag)
        rows = export.rows(
            ledger.experiments(run.tag), run.metric, by_experiment(ledger.calls(run.tag))
        )
    if as_json:
        reading.print_json(rows)
    elif output == Path("-"):
        click.echo(export.tsv(rows), nl=False)
    else:
        target = output or rooms.state().run(run.tag) / "results.tsv"
        target.write_text(export.tsv(rows), encoding="utf-8")
        click.echo(f"{len(rows)} experiments written to {target}")
