"""How a run ends, as a value with its exit code, and what a person may ask of it before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runner.errors import RunStoppedError


class Wish(StrEnum):
    """What a person asks of a run at work from elsewhere; what was asked last holds."""

    PAUSE = "pause"
    """Let what is measured end, and wait."""
    RESUME = "resume"
    STOP = "stop"
    """Let what is measured end, and end."""
    STOP_NOW = "stop-now"


STOPS = (Wish.STOP, Wish.STOP_NOW)


class Outcome(StrEnum):
    """Why a run is not at work any more."""

    FINISHED = "finished"
    GOAL_REACHED = "goal-reached"
    SPENT = "spent"
    STOPPED = "stopped"
    PAUSED = "paused"


@dataclass(frozen=True, kw_only=True)
class End:
    """How a run ended, in words for a person."""

    outcome: Outcome
    reason: str

    @property
    def exit_code(self) -> int:
        """0 where it ended as it was to; a person has to look at a run that paused."""
        return RunStoppedError.exit_code if self.outcome is Outcome.PAUSED else 0

    def __str__(self) -> str:
        paused = self.outcome is Outcome.PAUSED
        return f"{self.outcome}: {self.reason}" if paused else self.reason
