"""`runner show N [TAG]`."""

from __future__ import annotations

import click


@click.command("show")
@click.argument("number", type=click.IntRange(min=0))
@click.argument("tag", required=False)
@click.option("--diff", is_flag=True, help="Only what it changed; into a pipe, as a patch.")
@click.option(
    "--log", "log", is_flag=True, help="Only what its model was told and its containers printed."
)
@click.option("--trials", is_flag=True, help="Only its trials.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(
    number: int, tag: str | None, diff: bool, log: bool, trials: bool, as_json: bool
) -> None:
    """Show experiment NUMBER of the run TAG, or of the newest run."""
    from runner.records import SELF_REPORTED
    from runner.views import documents, page, reading, tables

    with reading.journal_for_reading() as journal:
        run = journal.find_run(tag)
        experiment = reading.find_experiment(journal, run, number)
        beside = journal.beside(run.tag, number, number)[number]
        asked = experiment.origin.answers if experiment.origin else None
        hypotheses = () if asked is None else journal.hypotheses(run.tag, asked)
    everything = not (diff or log or trials)
    if as_json:
        document = documents.experiment_document(run, experiment, beside)
        extra = {"diff": page.diff(experiment) or None, "log": page.logs(experiment)}
        reading.print_json(document | extra)
        return
    if everything:
        reading.say(page.heading(run, experiment, beside, hypotheses))
    if trials and run.self_reported:
        reading.say(SELF_REPORTED)
    if trials or everything:
        reading.print_rich(tables.trials_table(experiment.trials))
    if diff and not (log or trials):
        reading.print_patch(page.diff(experiment))
    elif diff or everything:
        reading.say(page.diff(experiment))
    if log:
        reading.say(page.log_text(experiment))
