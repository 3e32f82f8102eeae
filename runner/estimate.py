"""What a run will cost, before it starts: from what was measured, and unknown where nothing was.

What this does not foresee: a proposal that goes back to its agent again and again, and a cache
that the vendor drops early.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from runner import rooms
from runner.agents import AGENTS
from runner.agents.descriptions import asking, model_of, name_of
from runner.errors import ConfigError
from runner.journal.reader import Reader
from runner.money.prices import SNAPSHOT, Prices
from runner.money.usage import by_experiment
from runner.policy.load import load_policy
from runner.policy.schema import Policy
from runner.records import Spent

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


@dataclass(frozen=True, kw_only=True)
class _Each:
    """What one experiment takes of a model."""

    usd: Range | None
    seconds: Range = Range(low=0, high=0)
    measured: int = 0
    basis: tuple[str, ...]


def estimate(plan: Plan, prices: Prices, ledger: Reader | None) -> Estimate:
    """Estimate a plan; raise `ConfigError` where task, agent or model are not what can run.

    Args:
        plan: the run.
        prices: what tokens cost.
        ledger: earlier runs, if there are any.
    """
    policy = load_policy(rooms.policy_path(rooms.require_task(plan.task))).policy
    each = _each(plan, prices, ledger)
    trials = _trial_seconds(policy, plan.experiments)
    thinking = each.seconds.times(plan.experiments / plan.agents)
    return Estimate(
        plan=plan,
        usd=each.usd.times(plan.experiments) if each.usd else None,
        usd_each=each.usd,
        seconds=Range(low=max(trials.low, thinking.low), high=trials.high + thinking.high),
        measured=each.measured,
        paid_elsewhere=plan.asker in ELSEWHERE,
        basis=(*each.basis, *_of_the_time(policy, plan)),
        cap=policy.limits.usd,
    )


def _each(plan: Plan, prices: Prices, ledger: Reader | None) -> _Each:
    name, model = plan.asker, model_of(plan.agent)
    if name not in AGENTS:
        raise ConfigError(f"there is no agent {name!r}", hint=f"agents: {', '.join(AGENTS)}")
    if name in ELSEWHERE:
        basis = f"what the agent {name} pays for models, and how long it thinks, is not known here"
        return _Each(usd=None, basis=(basis,))
    if model is None:
        return _Each(usd=Range(low=0, high=0), basis=(f"the agent {name} asks no model",))
    prices.of(model)
    if earlier := _earlier(plan.task, name, model, ledger):
        return _measured(earlier, model, prices)
    basis = f"no experiment of {plan.task} by {name} with {model} was measured yet; a few will tell"
    return _Each(usd=None, basis=(basis,))


# -- measured ---------------------------------------------------------------------------------


def _earlier(task: str, agent: str, model: str, ledger: Reader | None) -> list[Spent]:
    """Return what experiments of earlier runs took, of the same task, agent and model."""
    found: list[Spent] = []
    if ledger is None:
        return found
    for run in ledger.runs():
        if run.task == task and name_of(asking(run.agent)) == agent:
            calls = [call for call in ledger.calls(run.tag) if _same(call.model, model)]
            found += by_experiment(calls).values()
    return found


def _same(one: str, other: str) -> bool:
    return SNAPSHOT.sub("", one) == SNAPSHOT.sub("", other)


def _measured(earlier: Sequence[Spent], model: str, prices: Prices) -> _Each:
    basis = (
        f"measured: {len(earlier)} experiments of earlier runs with the same agent and model,"
        " at today's prices",
    )
    return _Each(
        usd=_spread([prices.cost(model, spent.usage) for spent in earlier]),
        seconds=_spread([spent.seconds for spent in earlier]),
        measured=len(earlier),
        basis=basis,
    )


def _spread(values: Sequence[float]) -> Range:
    """Return where the middle eight tenths lie and the mean with them; of a few, all of them."""
    if len(values) < ENOUGH:
        return Range(low=min(values), high=max(values))
    mean = statistics.fmean(values)
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return Range(low=min(tenths[0], mean), high=max(tenths[-1], mean))


# -- time -------------------------------------------------------------------------------------


def _trial_seconds(policy: Policy, experiments: int) -> Range:
    """Return from one trial of training alone each, to every trial at its deadline and audited."""
    budget, evaluation = policy.budget, policy.evaluation
    predictors = len(evaluation.predict) or (2 if evaluation.shape == "served" else 0)
    stages = budget.startup + budget.train + budget.score
    deadline = stages + predictors * (budget.startup + budget.predict)
    planned = len(evaluation.splits) * evaluation.seeds
    return Range(
        low=(planned + experiments) * budget.train,
        high=(1 + experiments) * (planned + len(evaluation.audited)) * deadline,
    )


def _of_the_time(policy: Policy, plan: Plan) -> tuple[str, ...]:
    planned = len(policy.evaluation.splits) * policy.evaluation.seeds
    together = f", {plan.agents} agents think at once" if plan.agents > 1 else ""
    return (
        f"time: from one trial of {policy.budget.train:g} s each (the template takes {planned}) to"
        f" all trials and audits at their deadlines; one device{together}",
    )
