"""`runner status [TAG]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.records import Run


@click.command("status")
@click.argument("tag", required=False)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(tag: str | None, as_json: bool) -> None:
    """Show where a run stands; the newest one without TAG."""
    from runner import paths, progress
    from runner.views import documents, reading, running, standing, summary

    with reading.ledger_for_reading() as ledger:
        run = reading.find_run(ledger, tag)
        found = standing.standing_of(ledger, run)
        analyses, seconds = ledger.analysed(run.tag)
        beside = summary.Beside(
            guidance=paths.state().guidance(run.tag),
            open_hypotheses=ledger.open_hypotheses(run.tag),
            cap=_cap(run) if found.spent or as_json else None,
            analyses=analyses,
            analysis_seconds=seconds,
            last_end=ledger.last_event(run.tag, summary.PAUSED, summary.ENDED),
            progress=progress.read(paths.state().progress(run.tag)),
        )
    if not as_json:
        reading.say(summary.status_lines(found, beside))
        return
    extra = {
        "limit_usd": beside.cap,
        "open_hypotheses": beside.open_hypotheses,
        "guidance": str(beside.guidance),
        "running": running.document(beside.progress),
        "analyses": {"count": analyses, "seconds": seconds},
    }
    reading.print_json(documents.run_document(found) | extra)


def _cap(run: Run) -> float | None:
    """Ask the policy only where it matters: reading one takes longer than all the rest."""
    from runner.money.spending import cap_of

    return cap_of(run)
