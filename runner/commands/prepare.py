"""`runner prepare TASK`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("prepare")
@click.argument("task")
@click.option(
    "--from",
    "chosen",
    type=click.Path(exists=True, path_type=Path),
    help="Take the raw files from here instead of downloading them: a folder, or the one file.",
)
@click.option("--seed", type=int, help="Generate from this seed (for tests; drawn otherwise).")
@click.option("--force", is_flag=True, help="Rebuild from a fresh seed.")
def command(task: str, chosen: Path | None, seed: int | None, force: bool) -> None:
    """Prepare a task's data: a public part on disk, a sealed part in a volume.

    A task made from official files downloads them once. RUNNER_RAW_DATA names a folder that is
    used instead, as --from does.
    """
    from runner import data, engines, paths, raw
    from runner.adopt import keeping
    from runner.engines import images
    from runner.policy.load import load_policy
    from runner.stopping import Stop
    from runner.views.reading import say

    policy = load_policy(paths.policy_path(paths.require_task(task))).policy
    state = paths.state()
    if policy.self_reported:
        prepared = keeping.again(state, task, policy, chosen)
        say(f"{task}: data ready in {prepared.public}")
        return
    paths.require_harness(task)
    source = raw.raw_data(task, state.downloads(task), chosen=chosen)
    stop = Stop(say)
    engine = engines.connect()
    preparation = data.Preparation(
        engine=engine,
        state=state,
        task=task,
        image_id=images.require_image(engine, images.SCORER),
        say=say,
        raw=source,
        stop=stop,
    )
    with stop.listening():
        prepared = preparation.prepare(seed=seed, force=force)
    say(f"{task}: data ready, public part in {prepared.public}")
