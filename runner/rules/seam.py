"""What a rule is told, and what it may answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from runner.decision import Decision, Tie
from runner.records import Outlook, Place, TrialRecord
from runner.rules.belief import Noise


@dataclass(frozen=True, kw_only=True)
class Level:
    """Where the best so far stood when it was kept."""

    score: float
    weight: float
    """The number of trials that it is worth."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of both sides; trials are in the order in which they were asked for."""

    number: int
    """The candidate's."""
    splits: tuple[str, ...]
    candidate: tuple[TrialRecord, ...] = ()
    retries: frozenset[int] = frozenset()
    """Undecided experiments that the candidate continues: their trials are its own too."""
    incumbent: int | None = None
    """The best so far; absent for the baseline."""
    incumbent_trials: tuple[TrialRecord, ...] = ()
    """All that decide, those that earlier experiments asked for included."""
    best: float | None = None
    """The best score ever kept."""
    level: Level | None = None
    """The incumbent's when it was kept; what was measured of it since is among its trials."""
    noise: Noise = field(default_factory=Noise)
    """Of all programs before, the incumbent left out: its trials are here."""
    varies: bool = True
    """Whether the template's scores differ from draw to draw."""
    repeats: bool = False
    """Whether some of them are equal all the same, as those of a coarse metric are by chance."""
    tie: Tie | None = None
    """How long both programs are, where a shorter one may be kept for that."""
    added_lines: int = 0
    """By how many lines the candidate is longer than the best, where the policy cares."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """There is no answer yet: these trials come first, all of them before the rule is asked again.

    They may be of the candidate or of the incumbent; what was measured before may be among them.
    """

    places: tuple[Place, ...]
    outlook: Outlook | None = field(default=None, compare=False)
    """How the candidate stands by what was measured so far, for a person who watches."""


class Rule(Protocol):
    """A pure function: the same evidence has the same answer, for the run and for its audit.

    What it asks for first hangs on the number and the splits alone: it may be measured before
    the best is known that the candidate is compared with.
    """

    @property
    def most_trials(self) -> int:
        """How many trials of the candidate it asks for at most, over all splits."""
        ...

    @property
    def plans(self) -> bool:
        """Whether it means to run all of them, unless some turn out to be of no use."""
        ...

    def judge(self, seen: Evidence) -> Ask | Decision:
        """Decide, or say what has to be measured."""
        ...
