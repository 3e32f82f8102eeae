"""`runner analyze [TAG]`."""

from __future__ import annotations

from pathlib import Path

import click

SCRIPT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("analyze")
@click.argument("tag", required=False)
@click.option("--file", "script", type=SCRIPT, help="Run this in place of the run's analysis.py.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(tag: str | None, script: Path | None, as_json: bool) -> None:
    """Run analysis.py of the run TAG, or of the newest run, on rows that every split trains on.

    It runs in a container like a trainer's. What it prints is shown, and appended to findings.md
    where the policy has such a note.
    """
    from dataclasses import asdict

    from runner import rooms
    from runner.records import AskedBy
    from runner.start import Request, at_work
    from runner.views import reading

    with reading.ledger_for_reading() as ledger:
        chosen = reading.find_run(ledger, tag).tag
    with at_work(
        rooms.state(),
        Request(tag=chosen, resume=True),
        say=lambda line: click.echo(line, err=True),
        finished=lambda _: None,
        stop_asked=lambda: False,
    ) as work:
        content = script.read_bytes() if script else None
        after = len(work.session.history)
        found = work.session.analyse(content, experiment=after, asked_by=AskedBy.PERSON)
    if as_json:
        reading.print_json(asdict(found))
    else:
        click.echo(found.text)
    if found.failure:
        click.echo(f"error: {found.failure}", err=True)
        raise SystemExit(1)
    if found.noted and not as_json:
        click.echo("appended to findings.md", err=True)
