"""`runner noise TASK`."""

from __future__ import annotations

from pathlib import Path

import click

from runner.errors import ConfigError

POLICY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("noise")
@click.argument("task")
@click.option(
    "--seeds", default=8, show_default=True, type=click.IntRange(min=2, max=1000),
    help="Draws of the template; each is run twice.",
)  # fmt: skip
@click.option("--policy", "path", type=POLICY, help="Another policy file of the same task.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(task: str, seeds: int, path: Path | None, as_json: bool) -> None:
    """Measure how noisy TASK is, and say what gain a run of 100 experiments can see.

    Runs the template on fresh draws, and again on each with a comment more.
    """
    from contextlib import closing
    from functools import partial

    from runner import data, engines, paths
    from runner.noise import report
    from runner.noise.measuring import measure
    from runner.one_off import one_off
    from runner.policy.load import load_policy
    from runner.stopping import Stop
    from runner.task_check import playing
    from runner.views import lines, reading

    name = paths.require_task(task)
    loaded, state = load_policy(path or paths.policy_path(name)), paths.state()
    policy, aside = loaded.policy, partial(reading.say, err=True)
    if policy.task != name:
        raise ConfigError(f"{loaded.path} is a policy of {policy.task}, not of {name}")
    stop = Stop(aside)
    with stop.listening(), closing(engines.connect()) as engine:
        prepared = data.load(state, name)
        if not policy.self_reported:
            data.require_sealed(engine, state, name)
        spec = playing.template_trial(engine, loaded, prepared, tag=f"_noise-{name}")
        with one_off(engine, state, spec.run, spec.resources, stop, aside) as sandbox:
            found = measure(sandbox, spec, policy, draws=seeds, say=aside)
    seen = report.sight(policy, found.deviation) if found.deviation else None
    if as_json:
        reading.print_json(report.document(policy, found, seen))
        return
    rows = [*report.lines(policy, found, seen)]
    rows += [("warning", line) for line in report.warnings(policy, found, seen)]
    reading.say(lines.aligned(rows))
    reading.say(f"\nfor policies/{name}.yaml:\n\n{report.block(policy, found, seen)}")
