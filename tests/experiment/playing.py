"""A run that is played without git, containers and files: entries, the fold, and `next_step`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fakes import POLICY_TEXT, crashed, scored, trial

from runner import draws
from runner.experiment.fold import RunState, fold
from runner.experiment.steps import (
    Answer,
    Decide,
    Done,
    Examine,
    Measure,
    RunGuard,
    Settle,
    StoreAttempt,
    Wait,
    next_step,
)
from runner.journal import rows
from runner.journal.entries import Entry, Kind, following
from runner.policy.load import parse_policy
from runner.policy.schema import Policy
from runner.records import (
    Experiment,
    GuardRecord,
    Place,
    Purpose,
    Review,
    Run,
    TrialResult,
    Violation,
)
from runner.rules import rule_of
from runner.rules.scores import metric_of

POLICY = parse_policy(POLICY_TEXT).policy
REFUSED = Violation(rule="no-change", message="nothing changes")
Flight = tuple[int, Purpose, Place]


@dataclass
class Game:
    """One run. `worlds` says what each trial of an experiment scores; `None` is a crash."""

    worlds: Mapping[int, Callable[[Place], float | None]]
    policy: Policy = POLICY
    refused: frozenset[int] = frozenset()
    guards: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """Experiment and guard → why it fails."""
    entries: list[Entry] = field(default_factory=list)
    state: RunState = field(default_factory=RunState)
    measured: list[Flight] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rule, self.metric = rule_of(self.policy), metric_of(self.policy)
        named = {each.name: "" for each in fields(Run)} | {"metric": self.metric.name}
        self.append(Kind.RUN_CREATED, named)

    def append(self, kind: Kind, document: Mapping[str, Any]) -> None:
        entry = following(self.state.head, run="t1", at="then", kind=kind, document=document)
        self.entries.append(entry)
        self.state = fold(self.state, entry)

    def propose(self) -> None:
        experiment = Experiment(
            run="t1", number=self.state.count, parent_commit="", hypothesis="", category="",
            changes=(),
        )  # fmt: skip
        self.append(Kind.PROPOSED, rows.proposal_document(experiment))

    def next(self, number: int) -> Any:
        return next_step(self.state, number, self.policy, self.rule, self.metric)

    def wants(self, number: int) -> list[Flight]:
        """Return the trials that an experiment waits for; after every other step was taken."""
        while True:
            match self.next(number):
                case Measure() as measure:
                    return [(number, measure.purpose, place) for place in measure.places]
                case Wait() | Done():
                    return []
                case step:
                    self.take(number, step)

    def take(self, number: int, step: Any) -> None:
        """Write down that a step was taken that needs no trial."""
        match step:
            case Examine():
                violations = (REFUSED,) if number in self.refused else ()
                review = Review(violations=violations, fingerprint=f"f{number}", lines=1)
                self.append(Kind.REVIEWED, rows.review_document(number, review))
            case StoreAttempt():
                stored = {"number": number, "attempt_commit": f"a{number}"}
                self.append(Kind.ATTEMPT_STORED, stored)
            case RunGuard(name=name):
                failed = self.guards.get((number, name))
                guard = GuardRecord(name=name, failed=failed, wall_seconds=0.0)
                self.append(Kind.GUARD_ENDED, rows.guard_document(number, guard))
            case Decide(decision=found):
                said = {"status": str(found.status), "reason": found.reason, "rule": found.rule}
                more = {"score": found.score, "gain": found.gain, "planned": 2}
                sure = {"sure": found.sure, "weight": found.weight}
                self.append(Kind.DECIDED, {"number": number, **said, **more, **sure})
            case Settle():
                kept = self.state.experiment(number).status == "kept"
                said = {"commit": f"c{number}" if kept else None, "wall_seconds": 0.0}
                self.append(Kind.SETTLED, {"number": number, "notes_commit": None, **said})
            case Answer(hypothesis=asked):
                said = {"id": asked, "status": "answered", "experiment": number}
                self.append(Kind.HYPOTHESIS_ENDED, said)

    def land(self, flight: Flight) -> None:
        """Write down that a trial came back."""
        asked_by, purpose, place = flight
        assert flight not in self.measured, "a trial ran twice"
        self.measured.append(flight)
        found = trial(
            purpose, self.result(place), split=place.split, index=place.index, asked_by=asked_by
        )
        kind = Kind.TRIAL_ENDED if purpose.decides else Kind.AUDITED
        self.append(kind, rows.trial_document(place.experiment, found))

    def result(self, place: Place) -> TrialResult:
        score = self.worlds[place.experiment](place)
        return crashed() if score is None else scored(score)

    def play_in_turn(self, count: int) -> Game:
        """Conduct so many experiments one after the other, trial by trial."""
        for number in range(count):
            self.propose()
            while flights := self.wants(number):
                self.land(flights[0])
            assert isinstance(self.next(number), Done)
        return self

    @property
    def ends(self) -> list[tuple[Any, ...]]:
        """What came of each experiment, whatever came back first."""
        return [
            (one.number, one.status, one.rule, one.reason, one.score, one.gain, one.sure,
             one.weight, one.commit)
            for one in self.state.history
        ]  # fmt: skip


def world(*scores: float | None) -> Callable[[Place], float | None]:
    """Score an experiment's draws in their order, the last for all that follow."""

    def score(place: Place) -> float | None:
        count = place.index - draws.index(place.experiment, 0)
        return scores[min(count, len(scores) - 1)]

    return score
