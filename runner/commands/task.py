"""`runner task check NAME`."""

from __future__ import annotations

import click

from runner.errors import ConfigError


@click.group("task")
def command() -> None:
    """Check a task."""


@command.command("check")
@click.argument("name")
@click.option("--no-cheats", is_flag=True, help="Only read the files and run the template once.")
def check(name: str, no_cheats: bool) -> None:
    """Say what is missing and what `tune` would tune, run the template, and try cheats.

    Exits with 1 if anything is missing, the template has no score, or a cheat beats it.
    """
    from runner.task_check import reading

    if found := reading.missing(name):
        click.echo("\n".join(f"missing  {line}" for line in found))
        raise SystemExit(1)
    click.echo("files    complete, and the policy is valid")
    click.echo(f"tune     {reading.tuned(name)}")
    fine = _searched(name)
    raise SystemExit(0 if _played(name, with_cheats=not no_cheats) and fine else 1)


def _searched(name: str) -> bool:
    """Say what a declared task is, and look for its rows in the template."""
    from rich.console import Console

    from runner import declared, paths, raw
    from runner.policy.load import load_policy
    from runner.task_check import reading

    declaration = paths.task_harness(name) / declared.DECLARATION
    if not declaration.is_file():
        return True
    data = raw.raw_data(name, paths.state().downloads(name), chosen=None)
    if data is None:
        raise ConfigError(
            f"harness/tasks/{paths.task_harness(name).name}/raw.yaml is missing",
            hint="it says which files the declaration means: docs/your-own-data.md",
        )
    if data.wanted.folder is not None and data.chosen is None:
        click.echo(f"unknown  {'rows':14} {raw.CHOICE} names no folder, so nothing is looked for")
        return True
    policy = load_policy(paths.policy_path(name)).policy
    with data.laid_out() as folder:
        understood = declared.understand(declaration, folder, source=name)
        copies = declared.copies(declaration, folder, paths.PROJECT / "workspace-template" / name)
    declared.show(understood, Console())
    wrong = [f"{'policy':14} {line}" for line in reading.undeclared(policy, understood)]
    wrong += [f"{'rows':14} workspace-template/{name}/{line}" for line in copies]
    for line in wrong:
        click.echo(f"FAILED   {line}")
    if not copies:
        click.echo(f"ok       {'rows':14} none of the data lies in the template")
    return not wrong


def _played(name: str, *, with_cheats: bool) -> bool:
    from contextlib import ExitStack, closing
    from functools import partial

    from runner import data, engines, paths, raw
    from runner.engines import images
    from runner.one_off import one_off
    from runner.policy.load import load_policy
    from runner.stopping import Stop
    from runner.task_check import playing

    loaded, state = load_policy(paths.policy_path(name)), paths.state()
    policy = loaded.policy
    tag, stop, say = playing.tag_of(name), Stop(click.echo), partial(click.echo, err=True)
    with stop.listening(), closing(engines.connect()) as engine, ExitStack() as stack:
        image_id = images.require_image(engine, loaded.image)
        scorer_image_id = images.require_image(engine, images.SCORER)
        if policy.self_reported:
            prepared = data.load(state, name)
        else:
            raw_data = raw.raw_data(name, state.downloads(name), chosen=None)
            prepared = data.Preparation(
                engine=engine, state=state, task=name, image_id=scorer_image_id, say=click.echo,
                raw=raw_data, stop=stop,
            ).prepare()  # fmt: skip
        sandbox = stack.enter_context(
            one_off(engine, state, tag, policy.resources_record(), stop, say)
        )
        spec = playing.specification(
            name, policy, prepared, image_id=image_id, scorer_image_id=scorer_image_id
        )
        all_fine = True
        for played in playing.play(sandbox, spec, policy, with_cheats=with_cheats):
            verdict = "ok" if played.fine else "FAILED"
            click.echo(f"{verdict:8} {played.name:14} {played.outcome}")
            all_fine &= played.fine
    if policy.self_reported:
        click.echo("SELF-REPORTED: every cheat works, as the code under test prints this number")
    return all_fine
