"""`runner dashboard`."""

from __future__ import annotations

import click

PORT = click.IntRange(0, 65535)


@click.command("dashboard")
@click.option("--port", type=PORT, default=8501, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--control", is_flag=True, help="Let pages steer runs, not only show them.")
def command(port: int, host: str, control: bool) -> None:
    """Show runs in a browser, live. Runs go on without it, and it goes on without them."""
    from runner import paths
    from runner.dashboard.access import LOOPBACK, Keys
    from runner.dashboard.server import listening, serve

    with listening(host, port) as bound:
        keys = Keys(host=host, port=bound.getsockname()[1])
        click.echo(f"open {keys.link}")
        if host not in LOOPBACK:
            click.echo(
                "anyone on the way to this address can read along: it is not encrypted; "
                f"better: ssh -L {keys.port}:localhost:{keys.port} THIS-MACHINE"
            )
        click.echo("Ctrl-C ends the dashboard; runs go on", err=True)
        serve(paths.state(), bound, keys=keys, control=control)
