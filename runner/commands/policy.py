"""`runner policy check FILE...`, `show TASK` and `schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runner.errors import ConfigError

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON instead of words.")


@click.group("policy")
def command() -> None:
    """Check policies, or say what one allows."""


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@AS_JSON
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Say for each of FILES whether it is valid, or every problem with its line and key."""
    from runner.characters import visible
    from runner.policy import PolicyError, load_policy
    from runner.views.reading import print_json

    results, errors = list[dict[str, Any]](), list[ConfigError]()
    for path in files:
        result: dict[str, Any] = {"file": str(path), "valid": False}
        try:
            loaded = load_policy(path)
            result |= {"valid": True, "task": loaded.policy.task, "digest": loaded.digest}
        except PolicyError as error:
            result["problems"] = [vars(problem) for problem in error.problems]
            errors.append(error)
        except ConfigError as error:
            result["problems"] = [{"line": None, "key": "", "message": str(error)}]
            errors.append(error)
        results.append(result)
        if result["valid"] and not as_json:
            said = f"ok, task {result['task']}, sha256 {result['digest']}"
            click.echo(f"{visible(str(path))}: {said}")
    if as_json:
        print_json(results)
    if errors:
        raise ConfigError("\n".join(map(str, errors)), hint=errors[0].hint)


@command.command("show")
@click.argument("task")
@AS_JSON
def show(task: str, as_json: bool) -> None:
    """Say in words what the policy of TASK allows."""
    from runner.paths import policy_path, tasks
    from runner.policy import load_policy
    from runner.policy.words import summary
    from runner.views.reading import print_json

    if task not in tasks():
        known = ", ".join(tasks()) or "none"
        raise ConfigError(f"there is no policy for the task {task!r}", hint=f"tasks: {known}")
    loaded = load_policy(policy_path(task))
    if as_json:
        document = {"digest": loaded.digest, "policy": loaded.policy.model_dump(mode="json")}
        print_json(document)
        return
    click.echo(summary(loaded.policy))
    click.echo(f"Digest: sha256 {loaded.digest}.")


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema that editors use, with the meaning of each key."""
    from runner.policy.load import schema_text

    click.echo(schema_text(), nl=False)
