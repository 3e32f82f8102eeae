"""A run at work in words, for whoever looks from another process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from runner.ends import STOPS, Wish
from runner.progress import DEVICE, Progress, machine_seconds
from runner.views import lines


def rows(progress: Progress, tag: str, program: str) -> list[tuple[str, str]]:
    """Return what runs, or what a process that was killed was at."""
    if not progress.alive:
        first = next(iter(doing(progress, machine_seconds(), alive=False)), None)
        at = f" at {place(first)}" if first and first.who.startswith(DEVICE) else ""
        resume = f"{going_on(progress, tag, program)} goes on, and runs what was cut off again"
        return [("NOT RUNNING", f"process {progress.pid} was killed{at}; {resume}")]
    limit = (
        "no limit" if progress.experiments is None else f"until experiment {progress.experiments}"
    )
    told = [_word(progress, f"process {progress.pid}, {limit}", f"{program} resume {tag}")]
    under_way = doing(progress, machine_seconds(), alive=True)
    return told + [("now", sentence(each)) for each in under_way]


def going_on(progress: Progress | None, tag: str, program: str = "runner") -> str:
    """Return the command that goes on to where a killed process was going, and no further."""
    if progress is not None and progress.command is not None:
        return f"{program} {progress.command}"
    command = f"{program} run --resume {tag}"
    if progress is None or progress.experiments is None:
        return command
    return f"{command} --experiments {progress.experiments}"


def _word(progress: Progress, process: str, resume: str) -> tuple[str, str]:
    if progress.wish in STOPS:
        return "STOPPING", f"{process}: it ends once what is measured has ended, as was asked"
    if progress.wish == Wish.PAUSE:
        return "PAUSED", f"{process}: what is measured ends, then it waits for: {resume}"
    return "RUNNING", process


@dataclass(frozen=True, kw_only=True)
class Doing:
    """One thing that is under way, as of a moment; see `Activity`."""

    who: str
    what: str
    experiment: int | None
    trial: int | None
    trials: int | None
    seed: int | None
    seeds: int | None
    stage: str | None
    began_at: str
    elapsed_seconds: float | None
    """Absent where its process was killed."""
    stage_seconds: float | None
    most_seconds: float | None
    usual_seconds: float | None


SAME = (
    "what", "experiment", "trial", "trials", "seed", "seeds", "stage", "began_at",
    "most_seconds", "usual_seconds",
)  # fmt: skip


def doing(progress: Progress | None, clock: float, *, alive: bool) -> tuple[Doing, ...]:
    """Return what is under way at a moment of the machine's time, what devices do first."""
    if progress is None:
        return ()
    order = sorted(progress.activities.items(), key=lambda each: not each[0].startswith(DEVICE))
    return tuple(
        Doing(
            who=who,
            elapsed_seconds=max(0.0, clock - at.began) if alive else None,
            stage_seconds=max(0.0, clock - at.stage_began) if alive else None,
            **{name: getattr(at, name) for name in SAME},
        )
        for who, at in order
    )


def sentence(at: Doing) -> str:
    """Say what is under way, where it is, for how long, and how long it may take or usually does.

    A number of seeds is for a person only; see `told` for what an agent hears.
    """
    return f"{whole(at)}{_times(at)}"


def whole(at: Doing) -> str:
    """Say what is under way, and where it is in its plan."""
    where = [f"trial {at.trial} of {at.trials}"] if at.trial else []
    where += [f"seed {at.seed} of {at.seeds}"] if at.seed else []
    return f"{place(at)} ({', '.join(where)})" if where else place(at)


def told(progress: Progress | None) -> str:
    """Say what is under way as an agent may know it: no seed, and no other run."""
    at = next(iter(doing(progress, machine_seconds(), alive=True)), None)
    return "" if at is None else f" ({place(at).partition(', in use by')[0]}{_times(at)})"


def place(at: Doing) -> str:
    """Name what is under way, and its stage."""
    of = "" if at.experiment is None else f" experiment {at.experiment}"
    return f"{at.what}{of}{f', {at.stage}' if at.stage else ''}"


def _times(at: Doing) -> str:
    most = "" if at.most_seconds is None else f" of at most {lines.duration(at.most_seconds)}"
    parts = [f"{lines.duration(at.stage_seconds or 0.0)}{most}"]
    if at.usual_seconds is not None:
        whole = lines.duration(at.elapsed_seconds or 0.0)
        parts.append(f"the trial {whole}, usually {lines.duration(at.usual_seconds)}")
    return f": {'; '.join(parts)}"


def document(progress: Progress | None) -> dict[str, Any] | None:
    """Return what runs as plain values; `None` where nothing does, or nothing was left."""
    if progress is None:
        return None
    alive, clock = progress.alive, machine_seconds()
    return {
        "alive": alive,
        "pid": progress.pid,
        "experiments": progress.experiments,
        "asked": progress.wish,
        "activities": [asdict(each) for each in doing(progress, clock, alive=alive)],
    }
