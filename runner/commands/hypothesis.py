"""`runner hypothesis add TEXT`, `list` and `drop ID`."""

from __future__ import annotations

from dataclasses import asdict

import click

from runner.errors import ConfigError

TAG = click.option("--tag", help="The run's; the newest one otherwise.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="For machines.")
MOST_CHARACTERS = 2_000


@click.group("hypothesis")
def command() -> None:
    """Say what the agents of a run should try first, also while it is running."""


@command.command("add")
@click.argument("words", nargs=-1, required=True, metavar="TEXT")
@TAG
@AS_JSON
def add(words: tuple[str, ...], tag: str | None, as_json: bool) -> None:
    """Queue TEXT behind the open hypotheses of the run; the first one is tested next."""
    from runner import paths
    from runner.journal.store import open_journal
    from runner.views import reading

    said = " ".join(words).strip()
    text = said.encode("utf-8", errors="backslashreplace").decode()  # a command line is bytes
    if not text or len(text) > MOST_CHARACTERS:
        raise ConfigError(f"a hypothesis has 1 to {MOST_CHARACTERS} characters, got {len(text)}")
    run = reading.run_of(tag)
    with open_journal(paths.state().ledger) as ledger:
        number = ledger.add_hypothesis(run.tag, text)
    if as_json:
        reading.print_json({"id": number, "run": run.tag, "text": text})
    else:
        click.echo(f"hypothesis {number} of run {run.tag} is open")


@command.command("list")
@TAG
@AS_JSON
def show(tag: str | None, as_json: bool) -> None:
    """List the hypotheses of the run, and which experiment answered which."""
    from runner.views import lines, reading

    with reading.ledger_for_reading() as ledger:
        run = reading.find_run(ledger, tag)
        found = ledger.hypotheses(run.tag)
    if as_json:
        reading.print_json([asdict(hypothesis) for hypothesis in found])
        return
    for each in found:
        by = "" if each.experiment is None else f" by experiment {each.experiment}"
        click.echo(f"{each.id:>4}  {each.status}{by}: {lines.plain(each.text, 400)}")
    if not found:
        click.echo(f"run {run.tag} has no hypotheses")


@command.command("drop")
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@TAG
def drop(number: int, tag: str | None) -> None:
    """Withdraw the open hypothesis ID of the run; a proposal under way may still test it."""
    from runner import paths
    from runner.journal.store import open_journal
    from runner.records import HypothesisStatus
    from runner.views import reading

    run = reading.run_of(tag)
    with open_journal(paths.state().ledger) as ledger:
        known = {each.id: each for each in ledger.hypotheses(run.tag)}
        if number not in known:
            raise ConfigError(
                f"run {run.tag} has no hypothesis {number}", hint="run: runner hypothesis list"
            )
        if not ledger.end_hypothesis(number, HypothesisStatus.DROPPED):
            raise ConfigError(f"hypothesis {number} is {known[number].status}, not open")
    click.echo(f"hypothesis {number} is dropped")
