"""What has to be done next for one experiment: `next_step(state, number, ...)`; pure.

Every step is written down when it is done, so that nothing is done twice, and whoever goes on after
a kill asks the same question and gets the same answer.

Experiments are decided and settled by number, each when the one before is done with: its audit
too. So the best that one is compared with does not depend on which trial came back first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runner.decision import Decision, Metric, Tie, after_guards
from runner.draws import index
from runner.experiment.fold import RunState
from runner.history import record, scores_by_draw
from runner.policy.schema import Policy
from runner.records import (
    Experiment,
    ExperimentStatus,
    HypothesisStatus,
    Outlook,
    Place,
    Purpose,
    TrialRecord,
    Violation,
)
from runner.rules import Ask, Evidence, Level, Rule
from runner.rules.belief import Noise
from runner.rules.bounds import broken
from runner.sandbox.evidence import escaped


@dataclass(frozen=True, kw_only=True)
class Examine:
    """Review the proposal, once and for good."""


@dataclass(frozen=True, kw_only=True)
class StoreAttempt:
    """Keep the diff in git, whatever becomes of it."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Run these trials; they may be under way already."""

    purpose: Purpose
    places: tuple[Place, ...]
    outlook: Outlook | None = field(default=None, compare=False)
    """How the candidate stands so far, where the rule says so."""


@dataclass(frozen=True, kw_only=True)
class RunGuard:
    """Run the guard of this name."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Decide:
    """Write the decision down."""

    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Settle:
    """Bring git to where the decision wants it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Tell the person's hypothesis that it was tested."""

    hypothesis: int


@dataclass(frozen=True, kw_only=True)
class Wait:
    """An earlier experiment comes first."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """Nothing is left to do."""


Step = Examine | StoreAttempt | Measure | RunGuard | Decide | Settle | Answer | Wait | Done


def next_step(state: RunState, number: int, policy: Policy, rule: Rule, metric: Metric) -> Step:
    """Say what an experiment needs next."""
    found = state.experiment(number)
    if found.review is None:
        return Examine()
    if found.attempt_commit is None:
        return StoreAttempt()
    if found.status is None:
        return _towards_a_decision(state, found, policy, rule, metric)
    if found.ended_at is None:
        return Settle()
    asked = found.origin.answers if found.origin else None
    if asked is not None and found.status is not ExperimentStatus.REFUSED:
        known = state.hypotheses.get(asked)  # a refusal tested nothing: it stays open
        if known and known.status is HypothesisStatus.OPEN:
            return Answer(hypothesis=asked)
    if missing := audits_owed(found, policy):
        return Measure(purpose=Purpose.AUDIT, places=missing)
    return Done()


def audits_owed(found: Experiment, policy: Policy) -> tuple[Place, ...]:
    """Return the audit's trials that a kept experiment has not had; only the person sees them."""
    if found.status is not ExperimentStatus.KEPT:
        return ()
    done = {trial.split for trial in found.trials if trial.purpose is Purpose.AUDIT}
    return tuple(
        Place(experiment=found.number, split=split, index=index(found.number, 0))
        for split in policy.evaluation.audited
        if split not in done
    )


def _towards_a_decision(
    state: RunState, found: Experiment, policy: Policy, rule: Rule, metric: Metric
) -> Step:
    violations = found.review.violations if found.review else ()
    first_of_all = found.number == len(state.settled) and not _audit_is_owed(state, policy)
    if violations:
        return Decide(decision=refusal(violations)) if first_of_all else Wait()
    kept = [state.settled[other] for other in state.kept]
    if first_of_all:
        before = continued(state.experiment, found)
        seen = evidence(kept, found, policy, metric, state.noise, before)
        answer, _ = judged(rule, seen, measured(kept, found))
    elif found.origin and found.origin.retries is not None:
        return Wait()
    else:  # who is to be compared with is not known yet: only what it asks for first can run
        seen = Evidence(number=found.number, splits=policy.evaluation.splits)
        answer, _ = judged(rule, seen, measured([], found), once=True)
    if isinstance(answer, Ask):
        if not answer.places:
            return Wait()
        return Measure(purpose=Purpose.DECISION, places=answer.places, outlook=answer.outlook)
    if not first_of_all:
        return Wait()
    return _after_guards(found, kept[-1] if kept else None, policy, answer)


def _after_guards(
    found: Experiment, best: Experiment | None, policy: Policy, answer: Decision
) -> Step:
    """Say which guard comes before a keep, or what is decided after them."""
    if answer.status is not ExperimentStatus.KEPT:
        return Decide(decision=answer)
    ended = {guard.name: guard.failed for guard in found.guards}
    for guard in policy.guards:
        if guard.number is not None:
            why = broken(guard, found, best)
        elif guard.name in ended:
            why = ended[guard.name]
        else:
            return RunGuard(name=guard.name)
        if why is not None:
            return Decide(decision=after_guards(answer, guard.name, why))
    return Decide(decision=answer)


def _audit_is_owed(state: RunState, policy: Policy) -> bool:
    newest = state.best
    return newest is not None and bool(audits_owed(newest, policy))


# -- what a rule sees -----------------------------------------------------------------------------


def continued(known: Callable[[int], Experiment], found: Experiment) -> list[Experiment]:
    """Return the undecided experiments that this one continues, oldest first."""
    before: list[Experiment] = []
    while found.origin and found.origin.retries is not None and len(before) < found.number:
        found = known(found.origin.retries)
        before.insert(0, found)
    return before


def evidence(
    kept: Sequence[Experiment],
    found: Experiment,
    policy: Policy,
    metric: Metric,
    noise: Noise,
    before: Sequence[Experiment] = (),
) -> Evidence:
    """Return what is known before any trial of a candidate.

    Args:
        kept: what was kept before it.
        found: the candidate.
        policy: the run's.
        metric: the run's.
        noise: what is known of it once all before the candidate are settled.
        before: what the candidate continues; the best is still the one that it was compared with.
    """
    best = kept[-1] if kept else None
    known = [] if best is None else _decisive(best)
    level = None
    if best is not None and best.score is not None:
        level = Level(score=best.score, weight=best.weight or 1.0)
    distinct, drawn = _of_the_template(kept, metric)
    return Evidence(
        number=found.number,
        splits=policy.evaluation.splits,
        candidate=tuple(trial for one in before for trial in _decisive(one)),
        retries=frozenset(one.number for one in before),
        incumbent=best.number if best else None,
        incumbent_trials=tuple(trial for trial in known if trial.asked_by < found.number),
        best=record(kept, metric),
        tie=_tie(policy, best, found),
        added_lines=added_lines(best, found),
        level=level,
        noise=noise,
        varies=not drawn or distinct > 1,
        repeats=1 < distinct < drawn,
    )


def _of_the_template(kept: Sequence[Experiment], metric: Metric) -> tuple[int, int]:
    """Return how many of the template's own scores differ, and how many draws they are of."""
    if not kept:
        return 0, 0
    own = [trial for trial in _decisive(kept[0]) if trial.asked_by == kept[0].number]
    scores = [*scores_by_draw(own, metric.name).values()]
    return len({*scores}), len(scores)


def measured(kept: Sequence[Experiment], found: Experiment) -> dict[Place, TrialRecord]:
    """Return the decisive trials of the candidate and of the best by their places."""
    return {
        Place(experiment=side.number, split=trial.split, index=trial.index): trial
        for side in (found, *kept[-1:])
        for trial in _decisive(side)
    }


def judged(
    rule: Rule, seen: Evidence, trials: Mapping[Place, TrialRecord], *, once: bool = False
) -> tuple[Ask | Decision, frozenset[Place]]:
    """Ask a rule until it decides, or until a trial that it wants is missing.

    It sees each batch of trials that it asked for as a whole, in the order in which it asked.

    Args:
        rule: the run's.
        seen: what is known before.
        trials: every decisive trial that there is, the incumbent's too.
        once: whether only its first batch is wanted: who is to be compared with is not known yet.

    Returns:
        The decision, or what is still missing of a batch; and the places that the rule saw.
    """
    shown: frozenset[Place] = frozenset()
    while True:
        answer = rule.judge(seen)
        if isinstance(answer, Decision):
            return answer, shown
        missing = tuple(place for place in answer.places if place not in trials)
        if missing or once:
            return replace(answer, places=missing), shown
        fresh = [place for place in answer.places if place not in shown]
        if not fresh:
            raise ValueError("a rule asked twice for the same trials")
        own = [trials[place] for place in fresh if place.experiment == seen.number]
        others = [trials[place] for place in fresh if place.experiment == seen.incumbent]
        seen = replace(
            seen,
            candidate=(*seen.candidate, *own),
            incumbent_trials=(*seen.incumbent_trials, *others),
        )
        shown |= frozenset(fresh)


def _decisive(experiment: Experiment) -> list[TrialRecord]:
    return [trial for trial in experiment.trials if trial.purpose.decides]


def _tie(policy: Policy, best: Experiment | None, found: Experiment) -> Tie | None:
    simplicity = policy.decision.simplicity
    if simplicity is None or best is None or best.review is None or found.review is None:
        return None
    before, after = best.review.lines, found.review.lines
    if before is None or after is None:
        return None
    return Tie(within=simplicity.tie_within, lines_before=before, lines=after)


def added_lines(best: Experiment | None, found: Experiment) -> int:
    """Return by how many lines a program is longer than the best; 0 where nobody counted."""
    before, after = (one.review.lines if one and one.review else None for one in (best, found))
    return 0 if before is None or after is None else after - before


def refusal(violations: Sequence[Violation]) -> Decision:
    """Return the decision on what broke these rules."""
    first = violations[0]
    others = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    where = f"{escaped(first.path)}: " if first.path else ""
    return Decision(
        status=ExperimentStatus.REFUSED, reason=f"{where}{first.message}{others}", rule=first.rule
    )
