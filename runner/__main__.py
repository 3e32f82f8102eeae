"""`python -m runner` is the same as the `runner` command."""

from runner.cli import cli

cli(prog_name="runner")
