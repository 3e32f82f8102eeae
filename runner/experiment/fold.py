"""What a run's entries come to: `state = fold(state, entry)`, from nothing to now; pure.

The supervisor knows nothing of a run but this. So going on after a kill is the same as going on.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from pyrsistent import PMap, PVector, pmap, pvector

from runner.experiment import noise
from runner.journal import rows
from runner.journal.entries import Entry, Head, Kind
from runner.records import (
    PLANTED,
    Analysis,
    Experiment,
    ExperimentStatus,
    Hypothesis,
    HypothesisStatus,
    Run,
)
from runner.rules.belief import Noise


@dataclass(frozen=True, kw_only=True)
class RunState:
    """A run as far as what happens next depends on it. Mappings are read, never changed.

    What grows with the run shares its parts with the state before it: a copy of 20,000
    experiments for each entry made the start of such a run take minutes.
    """

    head: Head = field(default_factory=Head)
    run: Run | None = None
    settled: PVector[Experiment] = field(default_factory=pvector)
    """Experiments whose decision was carried out, by number: they settle in this order."""
    open: Mapping[int, Experiment] = field(default_factory=dict)
    """Those that were proposed and are not settled."""
    kept: tuple[int, ...] = ()
    """Numbers of settled experiments that were kept."""
    planted: int = 0
    """How many experiments change nothing, to measure the noise."""
    noise: Noise = field(default_factory=Noise)
    """What is known of the spread of trials, those of the best left out."""
    fingerprints: PMap[str, int] = field(default_factory=pmap)
    """What was tried and not refused, to know a repeat by → the first that tried it."""
    hypotheses: Mapping[int, Hypothesis] = field(default_factory=dict)
    analyses: Mapping[int, Analysis] = field(default_factory=dict)
    """Place of the entry that began it → a look at training rows."""
    noted: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name → the newest note of that name."""

    @property
    def history(self) -> tuple[Experiment, ...]:
        """All experiments by number."""
        return (*self.settled, *(self.open[number] for number in sorted(self.open)))

    @property
    def count(self) -> int:
        return len(self.settled) + len(self.open)

    def experiment(self, number: int) -> Experiment:
        """Return one; raise `KeyError` where there is none."""
        if number < 0:
            raise KeyError(number)
        return self.settled[number] if number < len(self.settled) else self.open[number]

    @property
    def best(self) -> Experiment | None:
        """The last that was kept: the best, or a shorter program that ties with it."""
        return self.settled[self.kept[-1]] if self.kept else None

    @property
    def open_hypotheses(self) -> tuple[Hypothesis, ...]:
        """What a person wants tried and nobody has yet, in order."""
        found = self.hypotheses.values()
        return tuple(each for each in found if each.status is HypothesisStatus.OPEN)


def folded(entries: Iterable[Entry], state: RunState | None = None) -> RunState:
    """Return the state after all of these entries.

    What is made here stays, and has no cycles. So no garbage is looked for meanwhile: it would
    take two thirds of the time of 20,000 experiments.
    """
    looked_for = gc.isenabled()
    gc.disable()
    try:
        return reduce(fold, entries, state or RunState())
    finally:
        if looked_for:
            gc.enable()


def fold(state: RunState, entry: Entry) -> RunState:
    """Return the state after one more entry.

    Raises:
        ValueError, KeyError, TypeError: the entry is none that follows from this state.
    """
    head = Head(seq=entry.seq, chain=entry.chain)
    return replace(state, head=head, **dict(_changes(state, entry, entry.document)))


def _changes(  # noqa: C901 - one case for each kind
    state: RunState, entry: Entry, said: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the parts of the state that an entry changes."""
    kind = Kind(entry.kind)
    match kind:
        case Kind.RUN_CREATED:
            yield "run", Run(**said)
        case Kind.PROPOSED:
            if said["number"] != state.count:
                raise ValueError(f"experiment {said['number']} comes after {state.count - 1}")
            made = rows.proposed(said, entry.run, entry.chain)
            yield "open", {**state.open, made.number: made}
            yield "planted", state.planted + is_planted(made)
        case Kind.REVIEWED:
            review = rows.read_review(said)
            yield from _changed(state, said["number"], review=review)
            if review.fingerprint and not review.violations:
                first = state.fingerprints.get(review.fingerprint, said["number"])
                yield "fingerprints", state.fingerprints.set(review.fingerprint, first)
        case Kind.ATTEMPT_STORED:
            yield from _changed(state, said["number"], attempt_commit=said["attempt_commit"])
        case Kind.TRIAL_ENDED | Kind.AUDITED:
            trials = state.experiment(said["experiment"]).trials
            trial = rows.read_trial(said)
            yield from _changed(state, said["experiment"], trials=(*trials, trial))
        case Kind.GUARD_ENDED:
            guards = state.experiment(said["experiment"]).guards
            guard = rows.read_guard(said)
            yield from _changed(state, said["experiment"], guards=(*guards, guard))
        case Kind.DECIDED:
            number, status = said.pop("number"), ExperimentStatus(said.pop("status"))
            yield from _changed(state, number, status=status, decided_chain=entry.chain, **said)
        case Kind.SETTLED:
            yield from _settled(state, entry, said)
        case Kind.HYPOTHESIS_ADDED:
            one = Hypothesis(run=entry.run, added_at=entry.at, **_with_status(said))
            yield "hypotheses", {**state.hypotheses, one.id: one}
        case Kind.HYPOTHESIS_ENDED:
            before = state.hypotheses[said.pop("id")]
            after = replace(before, **_with_status(said))
            yield "hypotheses", {**state.hypotheses, before.id: after}
        case Kind.ANALYSIS_BEGUN:
            yield "analyses", {**state.analyses, entry.seq: rows.read_analysis(said)}
        case Kind.ANALYSIS_ENDED:
            begun = said.pop("analysis")
            yield "analyses", {**state.analyses, begun: replace(state.analyses[begun], **said)}
        case Kind.NOTED | Kind.DRAFT_VIOLATED | Kind.PAUSED | Kind.ENDED:
            name, detail = rows.note(kind, said)
            yield "noted", {**state.noted, name: detail}
        case Kind.CALL_RESERVED | Kind.CALL_MADE | Kind.CALL_RELEASED:
            pass  # money changes nothing of an experiment


def _changed(state: RunState, number: int, **parts: Any) -> Iterator[tuple[str, Any]]:
    """Yield where an experiment is, with these parts of it replaced."""
    made = replace(state.experiment(number), **parts)
    if number in state.open:
        yield "open", {**state.open, number: made}
    else:
        yield "settled", state.settled.set(number, made)


def _settled(state: RunState, entry: Entry, said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    number = said["number"]
    if number != len(state.settled):
        raise ValueError(f"experiment {number} is settled before {len(state.settled)}")
    made = replace(
        state.open[number],
        commit=said["commit"],
        wall_seconds=said["wall_seconds"],
        ended_at=entry.at,
        chain=entry.chain,
    )
    if state.run is not None:
        yield "noise", noise.after(state.noise, made, state.best, state.run.metric)
    yield "settled", state.settled.append(made)
    yield "open", {other: found for other, found in state.open.items() if other != number}
    if made.status is ExperimentStatus.KEPT:
        yield "kept", (*state.kept, number)


def is_planted(experiment: Experiment) -> bool:
    """Say whether it changes nothing, to measure the noise."""
    return experiment.origin is not None and experiment.origin.mode == PLANTED


def _with_status(said: Mapping[str, Any]) -> dict[str, Any]:
    return {**said, "status": HypothesisStatus(said["status"])}
