"""What a run will cost, before it starts: from what was measured, or else from stated assumptions.

Everything is a range. What this does not foresee: a proposal that goes back to its agent again and
again, and a cache that the vendor drops early.
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
from runner.money.usage import Spent, added, by_experiment
from runner.policy.load import load_policy
from runner.policy.schema import Policy
from runner.records import Files, Usage

ENOUGH = 5
"""Measured experiments below which a range is widened to half and double of their mean."""
ELSEWHERE = ("command", "mcp")
"""Agents that may ask models of which the supervisor hears nothing."""
OWN_TOKENS = {"claude": 4_000, "claude-code": 20_000}
"""An agent's own instructions and tools."""


@dataclass(frozen=True, kw_only=True)
class Range:
    low: float
    high: float

    def times(self, count: float) -> Range:
        return Range(low=self.low * count, high=self.high * count)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One end of what is assumed of an experiment where nothing was measured."""

    answers: int
    """Of the model, one for each turn of its tools and the last one."""
    written: int
    """Tokens that it writes in all of them, thinking included."""
    history: int
    """Tokens that tell it of earlier experiments."""
    bytes_per_token: float
    tokens_per_second: float
    cached: bool
    """Whether the stable part of the prompt stays in the cache over the run."""


FEW = Guess(
    answers=3, written=2_000, history=500, bytes_per_token=4, tokens_per_second=80, cached=True
)
MANY = Guess(
    answers=12, written=16_000, history=8_000, bytes_per_token=3, tokens_per_second=25, cached=False
)


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
    """`None` where calls to models are paid elsewhere."""
    usd_each: Range | None
    seconds: Range
    measured: int
    """Experiments of earlier runs that the money was measured on; 0 is an assumption."""
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
    seconds: Range
    measured: int
    basis: tuple[str, ...]


def estimate(plan: Plan, prices: Prices, ledger: Reader | None) -> Estimate:
    """Estimate a plan; raise `ConfigError` where task, agent or model are not what can run.

    Args:
        plan: the run.
        prices: what tokens cost.
        ledger: earlier runs, if there are any.
    """
    policy = load_policy(rooms.policy_path(rooms.require_task(plan.task))).policy
    each = _each(plan, policy, prices, ledger)
    trials = _trial_seconds(policy, plan.experiments)
    thinking = each.seconds.times(plan.experiments / plan.agents)
    return Estimate(
        plan=plan,
        usd=each.usd.times(plan.experiments) if each.usd else None,
        usd_each=each.usd,
        seconds=Range(low=max(trials.low, thinking.low), high=trials.high + thinking.high),
        measured=each.measured,
        basis=(*each.basis, *_of_the_time(policy, plan)),
        cap=policy.limits.usd,
    )


def _each(plan: Plan, policy: Policy, prices: Prices, ledger: Reader | None) -> _Each:
    name, model = plan.asker, model_of(plan.agent)
    if name not in AGENTS:
        raise ConfigError(f"there is no agent {name!r}", hint=f"agents: {', '.join(AGENTS)}")
    if model is None:
        return _without_a_model(name)
    prices.of(model)
    earlier = _earlier(plan.task, name, model, ledger)
    return _measured(earlier, model, prices) if earlier else _assumed(plan, policy, model, prices)


def _without_a_model(name: str) -> _Each:
    nothing = Range(low=0, high=0)
    if name in ELSEWHERE:
        basis = f"what the agent {name} pays for models, and how long it thinks, is not known here"
        return _Each(usd=None, seconds=nothing, measured=0, basis=(basis,))
    basis = f"the agent {name} asks no model"
    return _Each(usd=nothing, seconds=nothing, measured=0, basis=(basis,))


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
    """Return where the middle eight tenths lie and the mean with them, or half and double."""
    mean = statistics.fmean(values)
    if len(values) < ENOUGH:
        return Range(low=mean / 2, high=mean * 2)
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return Range(low=min(tenths[0], mean), high=max(tenths[-1], mean))


# -- assumed ----------------------------------------------------------------------------------


def _assumed(plan: Plan, policy: Policy, model: str, prices: Prices) -> _Each:
    few, many = (_usage(plan, policy, guess) for guess in (FEW, MANY))
    return _Each(
        usd=Range(low=prices.cost(model, few), high=prices.cost(model, many)),
        seconds=Range(
            low=FEW.written / FEW.tokens_per_second, high=MANY.written / MANY.tokens_per_second
        ),
        measured=0,
        basis=_assumptions(plan),
    )


def _usage(plan: Plan, policy: Policy, guess: Guess) -> Usage:
    """Return the tokens of one experiment: each answer reads all that came before it."""
    template, files = rooms.template(plan.task), policy.files
    own = OWN_TOKENS[plan.asker]
    told = _size(template, ("program.md",)) + len(policy.summary().encode())
    stable = own + round(told / guess.bytes_per_token)
    edited = _size(template, (*files.mutable, *files.notes))
    changing = guess.history + round(edited / guess.bytes_per_token)
    later = guess.answers - 1
    first = Usage(
        cache_write_1h_tokens=0 if guess.cached else stable,
        cache_read_tokens=stable if guess.cached else 0,
        cache_write_5m_tokens=changing,
    )
    rest = Usage(
        output_tokens=guess.written,
        cache_write_5m_tokens=guess.written,
        cache_read_tokens=later * (stable + changing + guess.written // 2),
    )
    return added((first, rest))


def _size(template: Files, names: Sequence[str]) -> int:
    return sum(len(template[name].content) for name in names if name in template)


def _assumptions(plan: Plan) -> tuple[str, ...]:
    own = OWN_TOKENS[plan.asker]
    return (
        "assumed: no earlier run of this task with this agent and model was measured",
        f"an experiment takes {FEW.answers} to {MANY.answers} answers of the model, in which it"
        f" writes {FEW.written:,} to {MANY.written:,} tokens",
        f"it reads the agent's own {own:,} tokens, program, policy, files, and {FEW.history:,} to"
        f" {MANY.history:,} tokens of history, at {MANY.bytes_per_token:g} to"
        f" {FEW.bytes_per_token:g} bytes a token",
        "at best the cache keeps the stable part over the run, at worst each experiment writes it"
        " anew; within an experiment it holds",
        f"the model writes {MANY.tokens_per_second:g} to {FEW.tokens_per_second:g} tokens a second",
    )


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
