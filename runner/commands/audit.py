"""`runner audit [TAG]`."""

from __future__ import annotations

from collections.abc import Sequence

import click


@click.command("audit")
@click.argument("tag", required=False)
@click.option("--base", metavar="REV", help="Check this folder's repository against REV instead.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(tag: str | None, base: str | None, as_json: bool) -> None:
    """Prove from the records of the run TAG, or of the newest, that nothing forbidden changed.

    With --base: that what the repository in the current folder changes since it left REV, committed
    or not, is what the policies of REV let an agent change.

    Each violation is one line: rule, file, commit, message. Exit 0: clean; 1: violations; 2: cannot
    check.
    """
    from contextlib import closing
    from pathlib import Path

    from runner.audit.pull_request import audit_changes
    from runner.audit.run import audit_run
    from runner.errors import SandboxError
    from runner.paths import state
    from runner.views.reading import print_json

    def leftovers(run: str) -> Sequence[str]:
        from runner import engines

        if original := state().original():
            raise SandboxError(f"this folder is a copy of {original}, whose they would be")
        with closing(engines.connect()) as engine:
            return engine.leftovers({engines.HOME_LABEL: state().id, engines.RUN_LABEL: run})

    if tag and base:
        raise click.UsageError("give TAG or --base REV, not both")
    report = audit_changes(Path.cwd(), base) if base else audit_run(state(), tag, leftovers)
    if as_json:
        print_json(report.document)
    else:
        click.echo("\n".join(report.lines))
    raise SystemExit(not report.clean)
