"""`runner status [TAG]`."""

from __future__ import annotations

import click


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
        cap = None
        if calls or as_json:  # to read the policy takes longer than all the rest
            from runner.money.spending import cap_of

            cap = cap_of(run)
        beside = Beside(
            events=ledger.events(run.tag),
            hypotheses=ledger.hypotheses(run.tag),
            guidance=rooms.state().guidance(run.tag),
            took=spent(calls) if calls else None,
            analyses=ledger.analyses(run.tag),
            progress=progress.read(rooms.state().progress(run.tag)),
            cap=cap,
        )
    if not as_json:
        reading.say(status_lines(run, history, beside))
        return
    extra = {
        "limit_usd": beside.cap,
        "open_hypotheses": beside.open_hypotheses,
        "guidance": str(beside.guidance),
        "running": running.document(beside.progress),
        "analyses": [asdict(each) for each in beside.analyses],
    }
    reading.print_json(documents.run_document(run, history, calls) | extra)
