"""`runner task check NAME`."""

from __future__ import annotations

import click


@click.group("task")
def command() -> None:
    """Check a task."""


@command.command("check")
@click.argument("name")
@click.option("--no-cheats", is_flag=True, help="Only read the files and run the template once.")
def check(name: str, no_cheats: bool) -> None:
    """Say what is missing, run the template once, and try the usual cheats on its scorer.

    Exits with 1 if anything is missing, the template has no score, or a cheat beats it.
    """
    from runner.task_check import reading

    if found := reading.missing(name):
        click.echo("\n".join(f"missing  {line}" for line in found))
        raise SystemExit(1)
    click.echo("files    complete, and the policy is valid")
    raise SystemExit(0 if _played(name, with_cheats=not no_cheats) else 1)


def _played(name: str, *, with_cheats: bool) -> bool:
    from contextlib import ExitStack, closing
    from functools import partial

    from runner import data, engines, paths, raw
    from runner.engines import images
    from runner.engines.protocol import require_runtime
    from runner.executor.devices import Machine, devices
    from runner.locks import device_lock, tag_lock
    from runner.policy.load import load_policy
    from runner.stopping import Stop
    from runner.task_check import playing
    from runner.trial import Host, TrialRunner

    policy, state = load_policy(paths.policy_path(name)).policy, paths.state()
    tag, stop, asked = playing.tag_of(name), Stop(click.echo), policy.resources
    [device] = devices(
        Machine.here(), cpus=asked.cpus, gpus=asked.gpus, memory_bytes=asked.memory, most=1
    )
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
        host = Host(state=state, harness=paths.harness())
        sandbox = TrialRunner(engine=engine, host=host, gpu_ids=device.gpu_ids)
        say = partial(click.echo, err=True)
        stack.enter_context(device_lock(device.parts, tag, say, sandbox.abort))
        sandbox.sweep(tag)
        spec, all_fine = playing.specification(name, policy, prepared, image_id), True
        stack.enter_context(stop.stopping(sandbox))
        for played in playing.play(sandbox, spec, policy, with_cheats=with_cheats):
            verdict = "ok" if played.fine else "FAILED"
            click.echo(f"{verdict:8} {played.name:14} {played.outcome}")
            all_fine &= played.fine
    return all_fine
