"""`runner notify`."""

from __future__ import annotations

import click


@click.command("notify")
@click.option("--test", is_flag=True, help="Send each of them a message now.")
def command(test: bool) -> None:
    """Say who is told of what runs do: whoever the file lists that RUNNER_NOTIFY names."""
    from runner.addresses import CHOICE, load_targets
    from runner.errors import ConfigError

    targets = load_targets()
    if not targets:
        raise ConfigError("nobody is told", hint=f"see docs/notify.md, then: export {CHOICE}=FILE")
    if not test:
        for each in targets:
            what = "a command" if each.command else "an address"
            click.echo(f"{each.name}: {what}, told of: {', '.join(sorted(each.events))}")
        return
    from runner.notify.delivery import TEST, USUAL, Courier

    failed = False
    for each in targets:
        wrong = Courier(each).send(TEST, USUAL.attempt)
        click.echo(f"{each.name}: {f'failed: {wrong.why}' if wrong else 'told'}")
        failed = failed or wrong is not None
    raise SystemExit(failed)
