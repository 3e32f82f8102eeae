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
    from runner import paths
    from runner.errors import SandboxError
    from runner.views import export, reading

    with reading.ledger_for_reading() as ledger:
        run = reading.find_run(ledger, tag)
        took = ledger.spent_by_experiment(run.tag) or None
        rows = (
            export.row(each, run.metric, took, self_reported=run.self_reported)
            for each in ledger.outlines(run.tag)
        )
        if as_json:
            reading.stream_json(rows)
            return
        usd = (each.usd for each in (took or {}).values())
        lines = export.tsv(rows, {run.metric: ledger.scores(run.tag), "usd": usd})
        if output == Path("-"):
            for line in lines:
                click.echo(line, nl=False)
            return
        target = output or paths.state().run(run.tag) / "results.tsv"
        try:
            with target.open("w", encoding="utf-8") as file:
                count = sum(file.write(line) > 0 for line in lines) - 1
        except OSError as error:
            hint = "--output - prints the rows, --output FILE writes them elsewhere"
            raise SandboxError(f"{target}: {error.strerror}", hint=hint) from error
    click.echo(f"{count} experiments written to {target}")
