"""`runner status [TAG]`."""

from __future__ import annotations

import click


@click.command("status")
@click.argument("tag", required=False)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(tag: str | None, as_json: bool) -> None:
    """Show where a run stands; the newest one without TAG."""
    from runner import paths, progress
    from runner.money.spending import cap_of
    from runner.views import documents, reading, running, status
    from runner.views.overview import overview_document, overview_of

    with reading.journal_for_reading() as journal:
        run = journal.find_run(tag)
        # Reading a policy takes longer than all the rest, so it is asked only where it matters.
        cap = cap_of(run) if as_json or journal.asked_models(run.tag) else None
        at = progress.read(paths.state().progress(run.tag))
        found = overview_of(journal, run, at, cap=cap, audits=False)
    guidance = paths.state().guidance(run.tag)
    if not as_json:
        reading.say(status.status_lines(found, guidance))
        return
    extra = {
        "limit_usd": found.cap,
        "open_hypotheses": len(found.hypotheses),
        "guidance": str(guidance),
        "running": running.document(found.progress),
        "analyses": {"count": found.analyses, "seconds": found.analysis_seconds},
    }
    reading.print_json(documents.run_document(found.standing) | extra | overview_document(found))
