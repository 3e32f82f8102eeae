"""`runner replicate [TAG]`."""

from __future__ import annotations

import click


@click.command("replicate")
@click.argument("tag", required=False)
@click.option(
    "--seeds",
    default=5,
    show_default=True,
    type=click.IntRange(min=1, max=900),
    help="Draws of each side in all; what is measured already is not measured again.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(tag: str | None, seeds: int, as_json: bool) -> None:
    """Measure baseline and best of the run TAG again, or of the newest run, on fresh draws.

    On what decided and on the locked part. It is for you: no agent is told, and nothing is decided
    by it.
    """
    from runner.supervise import replicated
    from runner.views import lines, reading
    from runner.views import replicated as view
    from runner.views.standing import standing_of

    with reading.journal_for_reading() as journal:
        chosen = journal.find_run(tag).tag
    replicated(chosen, seeds)
    with reading.journal_for_reading() as journal:
        found = standing_of(journal, journal.find_run(chosen))
    assert found.baseline is not None  # noqa: S101 - there is a best
    assert found.best is not None  # noqa: S101 - else there is an error above
    again = [*view.measured_again(found.metric, found.baseline, found.best)]
    if as_json:
        reading.print_json(view.document(found.metric, found.best, again))
    else:
        reading.say(lines.aligned(view.rows(found.metric, found.best, again)))
