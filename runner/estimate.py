"""What a run will cost, before it starts: from what was measured, and unknown where nothing was.

What this does not foresee: a proposal that goes back to its agent again and again, and a cache
that the vendor drops early.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from runner import paths
from runner.agents import AGENTS
from runner.agents.descriptions import asking, model_of, name_of
from runner.errors import ConfigError
from runner.journal.reader import Reader
from runner.money.prices import SNAPSHOT, Prices
from runner.money.usage import by_experiment
from runner.policy.load import load_policy
from runner.providers import provider_of
from runner.records import Spent
from runner.rules.constants import BASELINE, USUAL_TRIALS

ENOUGH = 5
"""Measured experiments below which a range is from the least to the most of them."""
ELSEWHERE = ("command", "mcp")
"""Agents that may ask models of which the supervisor hears nothing."""


@dataclass(frozen=True, kw_only=True)
class Range:
    low: float
    high: float

    def times(self, count: float) -> Range:
        return Range(low=self.low * count, high=self.high * count)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that somebody thinks of."""

    task: str
    agent: str
    """As `runner run` takes it, with its model."""
    experiments: int
    agents: int = 1
    """How many propose at once."""

    @property
    def asker(self) -> str:
        """The name of the agent whose calls cost something, if any do."""
        return name_of(asking(self.agent))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A plan's money in US dollars and time in seconds, and what they rest on."""

    plan: Plan
    usd: Range | None
    """`None` where it is not known."""
    usd_each: Range | None
    seconds: Range
    measured: int
    """Experiments of earlier runs that money and thinking were measured on."""
    paid_elsewhere: bool
    """Whether the agent may ask models of which the supervisor hears nothing."""
    basis: tuple[str, ...]
    cap: float | None

    @property
    def covered(self) -> int | None:
        """How many experiments the cap pays for at worst; `None` where it pays for all."""
        if self.cap is None or self.usd is None or self.usd_each is None:
            return None
        if self.usd.high <= self.cap:
            return None
        return math.floor(self.cap / self.usd_each.high)


def estimate(plan: Plan, prices: Prices, journal: Reader | None) -> Estimate:
    """Estimate a plan; raise `ConfigError` where task, agent or model are not what can run.

    Args:
        plan: the run.
        prices: what tokens cost.
        journal: earlier runs, if there are any.
    """
    policy = load_policy(paths.policy_path(paths.require_task(plan.task))).policy
    budget, evaluation, count = policy.budget, policy.evaluation, plan.experiments
    usd, thinking, measured, basis = _of_the_model(plan, prices, journal)
    thinking = thinking.times(count / plan.agents)
    splits, decision = len(evaluation.splits), policy.decision
    measured_often = decision.rule == "posterior"
    planned = splits * (BASELINE if measured_often else decision.trials)
    each = min(USUAL_TRIALS if measured_often else decision.trials, decision.trials)
    shortest = (planned + count) * budget.train  # one trial each, of training alone
    most = planned + count * each * splits + (1 + count) * len(evaluation.audited)
    longest = most * policy.trial_seconds
    together = f", {plan.agents} agents think at once" if plan.agents > 1 else ""
    of_the_time = (
        f"time: from one trial of {budget.train:g} s each (the template takes {planned}) to"
        f" {each * splits} each and all audits, at their deadlines; one device{together}"
    )
    return Estimate(
        plan=plan,
        usd=usd.times(count) if usd else None,
        usd_each=usd,
        seconds=Range(low=max(shortest, thinking.low), high=longest + thinking.high),
        measured=measured,
        paid_elsewhere=plan.asker in ELSEWHERE,
        basis=(basis, of_the_time),
        cap=policy.limits.usd,
    )


def _of_the_model(
    plan: Plan, prices: Prices, journal: Reader | None
) -> tuple[Range | None, Range, int, str]:
    """Return one experiment's money and seconds of thinking, on how many they rest, and a word."""
    name, model, nothing = plan.asker, model_of(plan.agent), Range(low=0, high=0)
    if name not in AGENTS:
        raise ConfigError(f"there is no agent {name!r}", hint=f"agents: {', '.join(AGENTS)}")
    if name in ELSEWHERE:
        why = f"what the agent {name} pays for models, and how long it thinks, is not known here"
        return None, nothing, 0, why
    if model is None:
        return nothing, nothing, 0, f"the agent {name} asks no model"
    _, model = provider_of(model)
    prices.of(model)
    same = SNAPSHOT.sub("", model)
    earlier: list[Spent] = []
    for run in journal.runs() if journal else ():
        if run.task == plan.task and name_of(asking(run.agent)) == name:
            calls = journal.calls(run.tag) if journal else ()
            earlier += by_experiment(
                [call for call in calls if SNAPSHOT.sub("", call.model) == same]
            ).values()
    if not earlier:
        why = f"no experiment of {plan.task} by {name} with {model} was measured yet"
        return None, nothing, 0, f"{why}; run a few to learn it"
    return (
        _spread([prices.cost(model, spent.usage) for spent in earlier]),
        _spread([spent.seconds for spent in earlier]),
        len(earlier),
        f"measured: {len(earlier)} experiments of earlier runs with the same agent and model,"
        " at today's prices",
    )


def _spread(values: Sequence[float]) -> Range:
    """Return where the middle eight tenths lie and the mean with them; of a few, all of them."""
    if len(values) < ENOUGH:
        return Range(low=min(values), high=max(values))
    mean = statistics.fmean(values)
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return Range(low=min(tenths[0], mean), high=max(tenths[-1], mean))
