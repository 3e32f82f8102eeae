"""`runner take [TAG]`."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("take")
@click.argument("tag", required=False)
@click.option("--to", "home", type=FOLDER, help="The project's folder; the adopted one otherwise.")
@click.option("--branch", help="Its name there; autoresearch/TAG otherwise.")
@click.option("--patches", type=FOLDER, help="Write files into this new folder instead.")
def command(tag: str | None, home: Path | None, branch: str | None, patches: Path | None) -> None:
    """Bring what the run TAG kept home: a branch of the project's own repository, or patches.

    Each keep is a commit whose message is its hypothesis. Nothing is merged, and no work tree is
    touched.
    """
    from runner import paths, take
    from runner.adopt.keeping import home_of
    from runner.errors import ConfigError
    from runner.task_check import comparing
    from runner.views import reading
    from runner.workspace import Workspace

    run, state = reading.run_of(tag), paths.state()
    workspace = Workspace(state.repository(run.tag), run.tag)
    if workspace.head() == run.base_commit:
        raise ConfigError(f"{run.tag} has kept nothing yet", hint="run: runner status")
    sealed = comparing.reported(run.task)
    project, first = run.task, list[bytes]()
    if sealed is not None and sealed.project in paths.tasks():
        project, base = sealed.project, workspace.files(run.base_commit)
        first = take.sealing(paths.template(project), base, run.created_at)
    if patches:
        taken = take.as_patches(workspace, run.base_commit, patches, first)
    elif folder := home or home_of(state, project):
        named = branch or f"{take.PREFIX}/{run.tag}"
        taken = take.as_branch(workspace, run.base_commit, folder, named, first)
    else:
        raise ConfigError(
            f"{run.task} was adopted from no folder of this machine",
            hint="say where to: --to DIR, or --patches DIR",
        )
    keeps = "1 keep" if taken.count == 1 else f"{taken.count} keeps"
    reading.say(f"{keeps} of {run.tag}: {taken.where}")
