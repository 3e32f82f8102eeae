"""`runner task check NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.task_check.playing import Played


@click.group("task")
def command() -> None:
    """Look after a task."""


@command.command("check")
@click.argument("name")
@click.option("--no-cheats", is_flag=True, help="Only read the rooms and run the template once.")
def check(name: str, no_cheats: bool) -> None:
    """Say what is missing, run the template once, and try the usual cheats on its scorer.

    Exits with 1 if anything is missing, the template has no score, or a cheat beats it.
    """
    from runner.task_check import reading

    if found := reading.missing(name):
        for line in found:
            click.echo(f"missing  {line}")
        raise SystemExit(1)
    click.echo("rooms    complete, and the policy is valid")
    raise SystemExit(0 if _played(name, with_cheats=not no_cheats) else 1)


def _played(name: str, *, with_cheats: bool) -> bool:
    from contextlib import ExitStack, closing

    from runner import data, engines, raw, rooms
    from runner.engines import images
    from runner.engines.protocol import require_runtime
    from runner.locks import device_lock, device_of, gpus_of, tag_lock
    from runner.policy.load import load_policy
    from runner.stopping import Stop
    from runner.task_check import playing
    from runner.trial import Host, TrialRunner

    policy, state = load_policy(rooms.policy_path(name)).policy, rooms.state()
    tag, device, stop = playing.tag_of(name), device_of(policy.resources.gpus), Stop(click.echo)
    with stop.listening(), ExitStack() as stack:
        stack.enter_context(tag_lock(state.run(tag), tag))
        engine = stack.enter_context(closing(engines.connect()))
        require_runtime(engine, policy.resources_record())
        image_id = images.require_image(engine, policy.image)
        prepared = data.Preparation(
            engine=engine,
            state=state,
            task=name,
            image_id=image_id,
            say=click.echo,
            raw=raw.raw_data(name, state.downloads(name), chosen=None),
            stop=stop,
        ).prepare()
        stack.enter_context(device_lock(device, tag, lambda line: click.echo(line, err=True)))
        host = Host(state=state, harness=rooms.harness())
        sandbox = TrialRunner(engine=engine, host=host, gpu_ids=gpus_of(device))
        sandbox.sweep(tag)
        spec = playing.specification(name, policy, prepared, image_id)
        with stop.stopping(sandbox):
            played, honest = playing.play_template(sandbox, spec, policy)
            fine = _show(played)
            if honest is None or not with_cheats:
                return fine
            for cheat in playing.cheats(policy.shape):
                fine &= _show(playing.play_cheat(sandbox, spec, policy, cheat, honest))
    return fine


def _show(played: Played) -> bool:
    click.echo(f"{'ok' if played.fine else 'FAILED':8} {played.name:14} {played.outcome}")
    return played.fine
