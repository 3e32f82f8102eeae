"""`runner report [TAG]`."""

from __future__ import annotations

from pathlib import Path

import click

from runner.charts import Theme

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("report")
@click.argument("tag", required=False)
@click.option(
    "-o", "--output", type=FILE, help="An .html or .md file; report.html in the run's folder."
)
@click.option("--png", type=FILE, help="The progression as a picture, too.")
@click.option("--card", type=FILE, help="A share card for a README or a slide, too.")
@click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Of the pictures; a page follows its reader's wish.",
)
@click.option(
    "--newest",
    type=click.IntRange(min=1, max=5000),
    default=500,
    show_default=True,
    help="How many experiments are told one by one.",
)
def command(
    tag: str | None,
    output: Path | None,
    png: Path | None,
    card: Path | None,
    theme: Theme,
    newest: int,
) -> None:
    """Write a run as one page that can be sent and kept; the newest run without TAG."""
    from runner import paths
    from runner.errors import ConfigError
    from runner.money.spending import cap_of
    from runner.report.gather import report_of
    from runner.report.writing import written
    from runner.views import reading

    with reading.journal_for_reading() as journal:
        run = journal.find_run(tag)
        target = output or paths.state().run(run.tag) / "report.html"
        if target.suffix not in (".html", ".md"):
            raise ConfigError(
                f"{target} is neither a page nor Markdown", hint="name it FILE.html or FILE.md"
            )
        cap = cap_of(run) if journal.asked_models(run.tag) else None
        found = report_of(journal, paths.state(), run, cap=cap, newest=newest)
    for path in written(found, target, png=png, card=card, theme=theme):
        reading.say(f"{path.stat().st_size:,} bytes written to {path}")
