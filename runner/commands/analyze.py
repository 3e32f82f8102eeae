"""`runner analyze [TAG]`."""

from __future__ import annotations

from pathlib import Path

import click

MOST_BYTES = 4 * 1024 * 1024
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

    from runner import given, paths
    from runner.characters import visible
    from runner.records import AskedBy
    from runner.session import Person
    from runner.start import Request, at_work
    from runner.stopping import Stop
    from runner.views import reading

    content = given.read(script, most=MOST_BYTES) if script else None
    with reading.journal_for_reading() as journal:
        chosen = journal.find_run(tag).tag
    person = Person(say=lambda line: click.echo(visible(line), err=True))
    stop = Stop(person.say)
    request = Request(tag=chosen, resume=True, somebody_else=True)  # its agent is not asked
    with (
        stop.listening(),
        at_work(paths.state(), request, person) as work,
        stop.stopping(work.session.executor),
    ):
        after = work.session.now.count
        found = work.session.analyse(content, experiment=after, asked_by=AskedBy.PERSON)
    if as_json:
        reading.print_json(asdict(found))
    else:
        reading.say(found.text)
    if found.failure:
        click.echo(visible(f"error: {found.failure}"), err=True)
        raise SystemExit(1)
    if found.noted and not as_json:
        click.echo("appended to findings.md", err=True)
