"""`runner hypothesis add TEXT`, `list` and `drop ID`."""

from __future__ import annotations

from dataclasses import asdict

import click

TAG = click.option("--tag", help="The run's; the newest one otherwise.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="For machines.")


@click.group("hypothesis")
def command() -> None:
    """Say what the agents of a run should try first, also while it is running."""


@command.command("add")
@click.argument("words", nargs=-1, required=True, metavar="TEXT")
@TAG
@AS_JSON
def add(words: tuple[str, ...], tag: str | None, as_json: bool) -> None:
    """Queue TEXT behind the open hypotheses of the run; the first one is tested next."""
    from runner import control, paths
    from runner.views import reading

    text = control.hypothesis(" ".join(words))
    run = reading.run_of(tag)
    number = control.add_hypothesis(paths.state(), run.tag, text)
    if as_json:
        reading.print_json({"id": number, "run": run.tag, "text": text})
    else:
        reading.say(f"hypothesis {number} of run {run.tag} is open")


@command.command("list")
@TAG
@AS_JSON
def show(tag: str | None, as_json: bool) -> None:
    """List the hypotheses of the run, and which experiment answered which."""
    from runner.views import lines, reading

    with reading.journal_for_reading() as journal:
        run = journal.find_run(tag)
        found = journal.hypotheses(run.tag)
    if as_json:
        reading.print_json([asdict(hypothesis) for hypothesis in found])
        return
    for each in found:
        by = "" if each.experiment is None else f" by experiment {each.experiment}"
        reading.say(f"{each.id:>4}  {each.status}{by}: {lines.plain(each.text, 400)}")
    if not found:
        reading.say(f"run {run.tag} has no hypotheses")


@command.command("drop")
@click.argument("number", type=click.IntRange(min=1), metavar="ID")
@TAG
def drop(number: int, tag: str | None) -> None:
    """Withdraw the open hypothesis ID of the run; a proposal under way may still test it."""
    from runner import control, paths
    from runner.views import reading

    control.drop_hypothesis(paths.state(), reading.run_of(tag).tag, number)
    reading.say(f"hypothesis {number} is dropped")
