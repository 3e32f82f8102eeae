"""`runner doctor`."""

from __future__ import annotations

import click

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="The same list for programs.")
def command(as_json: bool) -> None:
    """Check what this machine has and needs; exit 1 if something that runs need is missing."""
    import dataclasses

    from rich.table import Table
    from rich.text import Text

    from runner import paths
    from runner.characters import visible
    from runner.doctor import Verdict, diagnose
    from runner.views.reading import print_json, print_rich

    findings = diagnose(paths.state())
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        table = Table(box=None, pad_edge=False)
        remedies = any(finding.remedy for finding in findings)
        for heading in ("", "requirement", "found", "remedy" if remedies else ""):
            table.add_column(heading, overflow="fold")
        for finding in findings:
            verdict = Text(finding.verdict, style=COLOURS[finding.verdict])
            cells = map(visible, (finding.requirement, finding.found, finding.remedy))
            # As Text, so that nothing in them is taken for markup.
            table.add_row(verdict, *map(Text, cells))
        print_rich(table)
    raise SystemExit(any(finding.verdict is Verdict.FAIL for finding in findings))
