"""`runner cost [TAG]` and `runner cost --preview TASK`."""

from __future__ import annotations

from dataclasses import asdict

import click


@click.command("cost")
@click.argument("tag", required=False)
@click.option("--preview", metavar="TASK", help="Estimate a run of TASK before it starts.")
@click.option("--agent", help="With --preview: the agent, such as claude:MODEL.")
@click.option("--model", help="With --preview: the model, where --agent does not name it.")
@click.option(
    "--experiments",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    help="With --preview: how many experiments.",
)
@click.option(
    "--agents",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="With --preview: how many agents propose at once.",
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
    from runner.money.prices import load_prices
    from runner.views import cost, reading

    if preview is None:
        if agent or model:
            raise click.UsageError("--agent and --model go with --preview TASK")
        from runner.money.spending import cap_of

        with reading.ledger_for_reading() as ledger:
            run = reading.find_run(ledger, tag)
            calls = ledger.calls(run.tag)
        cap, as_of = cap_of(run), load_prices().as_of.isoformat()
        if as_json:
            reading.print_json(cost.cost_document(run, calls, cap) | {"prices_as_of": as_of})
            return
        if calls:
            reading.print_rich(*cost.cost_tables(calls))
        reading.say(cost.so_far(run, calls, cap, as_of))
        return
    if tag or not agent:
        raise click.UsageError("a preview takes: --preview TASK --agent NAME:MODEL")
    from runner.agents.descriptions import with_model
    from runner.estimate import Plan, estimate

    description, prices = with_model(agent, model), load_prices()
    plan = Plan(task=preview, agent=description, experiments=experiments, agents=agents)
    with reading.ledger_if_any() as earlier:
        found = estimate(plan, prices, earlier)
    document = cost.estimate_document(asdict(found), found.covered, prices.as_of.isoformat())
    if as_json:
        reading.print_json(document)
    else:
        reading.say(cost.estimate_lines(document))
