"""`runner log [TAG]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.records import Run

NEWEST = 50
LOOK_SECONDS = 0.5


@click.command("log")
@click.argument("tag", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything since the run was created.")
@click.option("--follow", is_flag=True, help="Go on with what comes; Ctrl-C ends it.")
@click.option("--json", "as_json", is_flag=True, help="For machines; with --follow a line each.")
def command(tag: str | None, everything: bool, follow: bool, as_json: bool) -> None:
    """Say what happened in the run TAG, the newest last: the last 50 entries of its journal."""
    from runner.records import SELF_REPORTED
    from runner.views import log, reading

    with reading.journal_for_reading() as journal:
        run = journal.find_run(tag)
        last = journal.head(run.tag).seq
        after = 0 if everything else max(0, last - NEWEST)
        if run.self_reported and not as_json:
            reading.say(SELF_REPORTED)
        if not follow:
            found = map(log.document, journal.entries(run.tag, after=after))
            if as_json:
                reading.stream_json(found)
            else:
                for each in found:
                    reading.say(log.line(each))
            return
    _follow(run, after, as_json)


def _follow(run: Run, after: int, as_json: bool) -> None:
    import json
    import time

    from runner import paths
    from runner.journal.reader import last_written
    from runner.views import log, reading

    path, before = paths.state().journal, None
    while True:
        written = last_written(path)
        if written != before:
            with reading.journal_for_reading() as journal:
                for entry in journal.entries(run.tag, after=after):
                    after, said = entry.seq, log.document(entry)
                    click.echo(json.dumps(said)) if as_json else reading.say(log.line(said))
            before = written
        time.sleep(LOOK_SECONDS)
