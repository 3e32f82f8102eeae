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
    from dataclasses import asdict

    from runner import progress, rooms
    from runner.money.usage import spent
    from runner.views import documents, reading, running
    from runner.views.summary import Beside, status_lines

    with reading.ledger_for_reading() as ledger:
        run = reading.find_run(ledger, tag)
        history, calls = ledger.experiments(run.tag), ledger.calls(run.tag)
        beside = Beside(
            events=ledger.events(run.tag),
            hypotheses=ledger.hypotheses(run.tag),
            guidance=rooms.state().guidance(run.tag),
            took=spent(calls) if calls else None,
            analyses=ledger.analyses(run.tag),
            progress=progress.read(rooms.state().progress(run.tag)),
            cap=_cap(run) if calls or as_json else None,
        )
    if as_json:
        extra = {
            "limit_usd": beside.cap,
            "open_hypotheses": beside.open_hypotheses,
            "guidance": str(beside.guidance),
            "running": running.document(beside.progress),
            "analyses": [asdict(each) for each in beside.analyses],
        }
        reading.print_json(documents.run_document(run, history, calls) | extra)
    else:
        reading.say(status_lines(run, history, beside))


def _cap(run: Run) -> float | None:
    """Ask the policy only where it matters: reading one takes longer than all the rest."""
    from runner.money.spending import cap_of

    return cap_of(run)
