"""A whole run in one value, from which every view shows it, so that no two of them disagree.

`overview_of` reads what there is at one moment; everything else follows from that by pure
properties. It reads indexes, the newest experiments and the keeps, so it takes about as long for
100,000 experiments as for 100.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from runner.agreement import WIDTH, Compared, Gain, compared, gain, spread
from runner.decision import Metric
from runner.ends import STOPS, Wish
from runner.history import audited
from runner.journal.reader import Reader
from runner.progress import DEVICE, Progress, machine_seconds
from runner.records import Experiment, Hypothesis, Outlook, Purpose, Run, Spent, TrialRecord
from runner.views import running, summary
from runner.views.running import Doing
from runner.views.standing import Standing, standing_of

RECENT = 20
"""The newest experiments that are shown with the run."""


class Life(StrEnum):
    """What becomes of a run at this moment."""

    RUNNING = "running"
    WAITING = "waiting"
    """A person paused it: its process waits to be told to go on."""
    STOPPING = "stopping"
    """A person asked it to end, and what is measured is still under way."""
    KILLED = "killed"
    """Its process was: it goes on when a person resumes it."""
    PAUSED = "paused"
    """Something has to be done before it can go on."""
    ENDED = "ended"
    IDLE = "idle"
    """Nothing runs, and nothing was heard of an end."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One step of the running best."""

    number: int
    score: float | None
    margin: float | None
    """Half of its interval of 95 % by the noise of trials, where the rule says what it is worth."""
    sure: float | None
    audit: float | None
    """The mean on the locked part; for the person only."""
    ended_at: str | None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A run at one moment: what was read, and what follows from it."""

    standing: Standing
    recent: tuple[Experiment, ...]
    """The newest experiments, the oldest of them first."""
    unfinished: tuple[Experiment, ...]
    """Those that are not settled, without their changes."""
    hypotheses: tuple[Hypothesis, ...]
    """A person's that nobody tested yet."""
    audits: Mapping[int, tuple[TrialRecord, ...]]
    """Of what was kept, where they were asked for."""
    analyses: int
    analysis_seconds: float
    last_end: Mapping[str, Any] | None
    """The event of how it last paused or ended."""
    cap: float | None
    """What its calls to models may cost, in US dollars."""
    progress: Progress | None
    """What its supervisor does, or did when it was killed."""
    alive: bool
    """Whether that process still is."""
    clock: float
    """When that was read, by the machine's time."""

    @property
    def run(self) -> Run:
        return self.standing.run

    @property
    def metric(self) -> Metric:
        return self.standing.metric

    # -- is it alive? ---------------------------------------------------------------------

    @property
    def life(self) -> Life:
        if self.alive and self.progress is not None:
            if self.progress.wish in STOPS:
                return Life.STOPPING
            held = self.progress.wish == Wish.PAUSE and not self.unfinished
            return Life.WAITING if held else Life.RUNNING
        if self.progress is not None:
            return Life.KILLED
        if self.last_end is None:
            return Life.IDLE
        return Life.ENDED if self.last_end["name"] == summary.ENDED else Life.PAUSED

    @property
    def doing(self) -> tuple[Doing, ...]:
        """What is under way, what devices do first."""
        return running.doing(self.progress, self.clock, alive=self.alive)

    @property
    def devices(self) -> tuple[Doing | None, ...]:
        """What each device does; `None` for one that is free."""
        if not self.alive or self.progress is None:
            return ()
        at = {each.who: each for each in self.doing if each.who.startswith(DEVICE)}
        count = self.progress.devices or len(at)
        names = [DEVICE] if count == 1 else [f"{DEVICE} {n}" for n in range(1, count + 1)]
        return tuple(at.get(name) for name in names)

    @property
    def pending(self) -> tuple[Experiment, ...]:
        """Experiments that were proposed and that no device is at now."""
        at_work = {each.experiment for each in self.devices if each}
        return tuple(each for each in self.unfinished if each.number not in at_work)

    @property
    def seconds_each(self) -> float | None:
        """What an experiment takes: the median time from one end to the next."""
        ends = [datetime.fromisoformat(each.ended_at) for each in self.recent if each.ended_at]
        apart = [(after - before).total_seconds() for before, after in pairwise(ends)]
        return statistics.median(apart) if apart else None

    @property
    def experiments_left(self) -> int | None:
        """How many this start still has to go; `None` where there is no limit, or none is at it."""
        if not self.alive or self.progress is None or self.progress.experiments is None:
            return None
        counts = self.standing.counts
        return max(0, self.progress.experiments - sum(counts.values()) + counts.get(None, 0))

    @property
    def seconds_left(self) -> float | None:
        """How long it will go on, by its limits and what experiments took; `None`: nobody knows."""
        if self.life is not Life.RUNNING or self.progress is None:
            return None  # nobody knows for how long it waits
        found = []
        if self.progress.hours_over is not None:
            found.append(max(0.0, self.progress.hours_over - self.clock))
        if self.experiments_left is not None and self.seconds_each is not None:
            found.append(self.experiments_left * self.seconds_each)
        return min(found, default=None)

    # -- is it better, and can it be believed? ---------------------------------------------

    @property
    def outlook(self) -> Outlook | None:
        """The evidence so far for the candidate that is being measured."""
        return self.progress.outlook if self.progress and self.alive else None

    @property
    def gain(self) -> Gain | None:
        """Of the best over the baseline, as the decisions have it."""
        base, best = self.standing.baseline, self.standing.best
        if base is None or best is None or not best.number:
            return None
        return gain(self.metric, base, best, Purpose.DECISION)

    @property
    def audit(self) -> Compared | None:
        """The same beside the gain on the locked part."""
        base, best = self.standing.baseline, self.standing.best
        if base is None or best is None or not best.number:
            return None
        return compared(self.metric, base, best)

    @property
    def audit_says(self) -> str:
        if self.metric.self_reported:
            return "none: a score that the code prints has no locked part"
        base, best = self.standing.baseline, self.standing.best
        if base is None or best is None:
            return "none: there is no baseline"
        return summary.audit_sentence(self.metric, base, best)

    @property
    def believe(self) -> str | None:
        """Whether to believe the gain, in one sentence; `None` before anything was kept."""
        return summary.belief(self.standing) if self.standing.keeps[1:] else None

    @property
    def series(self) -> tuple[Point, ...]:
        """The running best, step by step."""
        ends = (self.standing.baseline, self.standing.best)
        deviation = spread(self.metric, [each for each in ends if each])
        return tuple(
            Point(
                number=each.number,
                score=each.score,
                margin=WIDTH * deviation / math.sqrt(each.weight)
                if deviation is not None and each.weight
                else None,
                sure=each.sure,
                audit=audited(self.audits.get(each.number, ()), self.metric.name),
                ended_at=each.ended_at,
            )
            for each in self.standing.keeps
        )

    # -- what does it cost? ----------------------------------------------------------------

    @property
    def spent(self) -> Spent | None:
        return self.standing.spent


def overview_of(
    journal: Reader,
    run: Run,
    progress: Progress | None,
    *,
    cap: float | None = None,
    audits: bool = True,
    before: Overview | None = None,
) -> Overview:
    """Read a run.

    Args:
        journal: the journal.
        run: which run.
        progress: what its file of progress says.
        cap: what its calls to models may cost, in US dollars, where it is known.
        audits: whether the audit of every keep is read, which takes a second for 1,000 of them.
        before: what was seen of the same run earlier: what is known of old keeps is not read again.
    """
    tag = run.tag
    with journal.at_one_moment():
        newest = journal.newest(tag)
        last = -1 if newest is None else newest
        analyses, seconds = journal.analysed(tag)
        standing = standing_of(journal, run)
        return Overview(
            standing=standing,
            recent=tuple(journal.whole(tag, max(0, last - RECENT + 1), last)),
            unfinished=tuple(
                found
                for number in standing.unfinished
                for found in journal.outlines(tag, number, number)
            ),
            hypotheses=journal.open_hypotheses(tag),
            audits=_audits(journal, tag, before) if audits else {},
            analyses=analyses,
            analysis_seconds=seconds,
            last_end=journal.last_event(tag, summary.PAUSED, summary.ENDED),
            cap=cap,
            progress=progress,
            alive=progress is not None and progress.alive,
            clock=machine_seconds(),
        )


def _audits(
    journal: Reader, tag: str, before: Overview | None
) -> Mapping[int, tuple[TrialRecord, ...]]:
    known = before.audits if before else {}
    newest = max(known, default=0)  # the audit of the newest may still have been under way
    fresh = journal.audits(tag, newest)
    return {number: trials for number, trials in known.items() if number < newest} | fresh


def gauge(outlook: Outlook) -> float | None:
    """Return where the evidence stands between being dropped, 0, and being kept, 1.

    It is the share of the way from the one bound to the other, both by log odds: hope above what
    drops a candidate, and the probability of being better below what keeps it.
    """
    hope, drop, better, keep = (
        outlook.hope, outlook.drop_below, outlook.better, outlook.keep_from,
    )  # fmt: skip
    if hope is None or drop is None or better is None or keep is None:
        return None
    from_drop = max(0.0, _log_odds(hope) - _log_odds(drop))
    to_keep = max(0.0, _log_odds(keep) - _log_odds(better))
    return from_drop / (from_drop + to_keep) if from_drop + to_keep else 1.0


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(inside / (1 - inside))


def overview_document(found: Overview) -> dict[str, Any]:
    """Return what `runner status --json` has beside the run itself."""
    own = found.gain
    return {
        "state": found.life,
        "gain": own and {"value": own.value, "margin": own.margin},
        "believe": found.believe,
        "counts": {str(name): count for name, count in found.standing.counts.items() if name},
        "boxes": found.standing.boxes and asdict(found.standing.boxes),
        "evidence": found.outlook and asdict(found.outlook) | {"gauge": gauge(found.outlook)},
        "seconds_each": found.seconds_each,
        "seconds_left": found.seconds_left,
        "experiments_left": found.experiments_left,
        "pending": [each.number for each in found.pending],
        "hypotheses": [asdict(each) for each in found.hypotheses],
    }
