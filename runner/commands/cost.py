"""`runner cost [TAG]` and `runner cost --preview TASK`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.estimate import Plan


@click.command("cost")
@click.argument("tag", required=False)
@click.option("--preview", metavar="TASK", help="Estimate a run of TASK before it starts.")
@click.option("--agent", help="With --preview: who would propose, such as claude:MODEL.")
@click.option("--model", help="With --preview: the model, where --agent does not name it.")
@click.option(
    "--experiments",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    help="With --preview: how many.",
)
@click.option(
    "--agents",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="With --preview: how many propose at once.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(
    tag: str | None,
    preview: str | None,
    agent: str | None,
    model: str | None,
    experiments: int,
    agents: int,
    as_json: bool,
) -> None:
    """Say what the models of a run cost so far, or what a run will cost."""
    if preview is None:
        if agent or model:
            raise click.UsageError("--agent and --model say what --preview TASK is to estimate")
        _so_far(tag, as_json)
        return
    if tag or not agent:
        raise click.UsageError("a preview takes: --preview TASK --agent NAME:MODEL")
    from runner.agents.descriptions import with_model
    from runner.estimate import Plan

    description = with_model(agent, model)
    plan = Plan(task=preview, agent=description, experiments=experiments, agents=agents)
    _beforehand(plan, as_json)


def _so_far(tag: str | None, as_json: bool) -> None:
    from runner.agents.descriptions import model_of
    from runner.money.spending import cap_of
    from runner.money.usage import together
    from runner.providers import provider_of
    from runner.views import cost, reading

    with reading.journal_for_reading() as journal:
        run = journal.find_run(tag)
        models = journal.spent_by_model(run.tag)
        experiments = journal.spent_by_experiment(run.tag)
    provider, _ = provider_of(model_of(run.agent) or "")
    cap, as_of = cap_of(run), provider.prices.as_of.isoformat()
    if as_json:
        document = cost.cost_document(run, models, experiments, cap)
        reading.print_json(document | {"prices_as_of": as_of})
        return
    if models:
        reading.print_rich(*cost.cost_tables(models, experiments))
    reading.say(cost.so_far(run, together(models.values()), len(experiments), cap, as_of))


def _beforehand(plan: Plan, as_json: bool) -> None:
    from runner.agents.descriptions import model_of
    from runner.estimate import estimate
    from runner.providers import provider_of
    from runner.views import cost, reading

    provider, _ = provider_of(model_of(plan.agent) or "")
    prices = provider.prices
    with reading.journal_if_any() as journal:
        found = estimate(plan, prices, journal)
    document = cost.estimate_document(asdict(found), found.covered, prices.as_of.isoformat())
    if as_json:
        reading.print_json(document)
    else:
        reading.say(cost.estimate_lines(document))
