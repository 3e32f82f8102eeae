"""`runner run TASK` and `runner run --resume TAG`."""

from __future__ import annotations

from pathlib import Path

import click

POLICY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("run")
@click.argument("task", required=False)
@click.option(
    "--agent",
    default="tune",
    show_default=True,
    help="tune, claude[:MODEL], claude-code[:MODEL], codex[:MODEL], boxed:PROGRAM, "
    "command:PROGRAM, random, best-of-n[:AGENT] or stub:SCRIPT.yaml. For an MCP client see runner "
    "mcp, for yourself runner step --edit.",
)
@click.option("--model", help="The model that an agent such as claude asks.")
@click.option(
    "--on-host",
    is_flag=True,
    help="Run claude-code on this machine, held by its own rules, and not in a container.",
)
@click.option(
    "--experiments",
    "--max-experiments",
    "experiments",
    type=click.IntRange(min=0),
    help="How many experiments the run should have in all.",
)
@click.option(
    "--train-seconds", type=float, help="Training time of a new run, instead of the policy's."
)
@click.option("--tag", help="The run's name; today's date otherwise.")
@click.option("--policy", type=POLICY, help="Another policy file of the same task.")
@click.option("--resume", metavar="TAG", help="Continue this run.")
@click.option(
    "--agents",
    type=click.IntRange(min=1, max=16),
    default=1,
    show_default=True,
    help="How many agents propose side by side.",
)
@click.option(
    "--ahead",
    type=click.IntRange(min=0, max=100),
    help="How many proposals an agent makes while its last experiment has no result yet; "
    "by default 1, and 0 for agents that need the last result, such as tune.",
)
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    help="How many trials run at the same time at most; by default as many as the machine's GPUs "
    "or processors have room for.",
)
@click.option(
    "--aa",
    "planted",
    type=click.IntRange(min=1, max=10_000),
    help="Plant so many proposals that change nothing: what is kept of them is noise.",
)
def command(
    task: str | None,
    agent: str,
    model: str | None,
    on_host: bool,
    experiments: int | None,
    train_seconds: float | None,
    tag: str | None,
    policy: Path | None,
    resume: str | None,
    agents: int,
    ahead: int | None,
    devices: int | None,
    planted: int | None,
) -> None:
    """Run the loop on TASK, one line per experiment as it ends.

    Ctrl-C once finishes the experiment in progress, twice kills its containers.
    """
    from runner.agents import descriptions
    from runner.start import Request
    from runner.supervise import supervise

    if bool(task) == bool(resume):
        raise click.UsageError("give a TASK or --resume TAG, one of them")
    if resume and (model or policy or train_seconds is not None):
        raise click.UsageError(
            "--model, --policy and --train-seconds do not go with --resume: a run keeps its model"
            " and its policy, decision.rule and all"
        )
    if on_host:
        agent = descriptions.on_host(agent)
    request = Request(
        task=task or "",
        tag=resume or tag,
        agent=agent,
        model=model,
        policy=policy,
        train_seconds=train_seconds,
        resume=bool(resume),
        agents=agents,
        devices=devices,
    )
    raise SystemExit(supervise(request, experiments=experiments, ahead=ahead, planted=planted))
