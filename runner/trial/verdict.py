"""What the end of a container means: a limit, a crash, a score, or a fault of ours."""

from __future__ import annotations

import json
import math
from typing import Any

from runner.engines.container import ContainerResult, Ended
from runner.errors import SandboxError
from runner.records import Score, TrialResult, TrialStatus
from runner.sandbox import evidence

SCORE_DOCUMENT_BYTES = 64 * 1024


def first_fault(error: SandboxError) -> SandboxError:
    """Return the earliest sandbox failure that this one was raised while handling."""
    first, behind = error, error.__context__
    while behind is not None:
        first = behind if isinstance(behind, SandboxError) else first
        behind = behind.__context__
    return first


def failure(stage: str, result: ContainerResult, seconds: float) -> TrialResult | None:
    """Say why an agent container's end fails its trial; nothing if it ended well.

    Args:
        stage: its name.
        result: how it ended.
        seconds: after how many it was to be ended at the latest.
    """
    if result.ended in (Ended.DEADLINE, Ended.CPU_TIME):
        killed = f"killed at the deadline of {seconds:g} s"
        if result.ended is Ended.CPU_TIME:
            killed = f"killed after {result.usage.cpu_seconds or 0:.0f} s of processor time"
        return TrialResult(
            status=TrialStatus.TIMEOUT,
            stage=stage,
            limit="deadline",
            reason=f"{stage}: {killed}",
        )
    if result.ended is Ended.EXITED and result.exit_code == 0:
        return None
    # What else was printed must not stand between the lines of a traceback.
    own = result.stderr if evidence.TRACEBACK in result.stderr else result.output
    limit, crash = _limit(result), evidence.crash(own)
    said = f"{crash.exception}: {crash.message}" if crash.exception else f"exit {result.exit_code}"
    return TrialResult(
        status=TrialStatus.CRASHED,
        stage=stage,
        limit=limit,
        crash=crash,
        reason=f"{stage}: {LIMIT_REASONS[limit] if limit else said}",
    )


LIMIT_REASONS = {
    "memory": "out of memory",
    "processes": "reached the limit of processes",
    "output": "printed more than the output cap",
    "disk": "reached the disk quota",
    "file-size": "wrote a file larger than allowed",
}

_ENDED_BY = {Ended.OUTPUT: "output", Ended.PROCESSES: "processes"}
SIGXFSZ_EXIT = 153


def _limit(result: ContainerResult) -> str | None:
    if result.ended in _ENDED_BY:
        return _ENDED_BY[result.ended]
    if result.oom_killed:
        return "memory"
    if result.exit_code == SIGXFSZ_EXIT:
        return "file-size"
    return evidence.limit_signs(result.output)


def read_score(result: ContainerResult) -> TrialResult:
    """Read the scorer's one document; anything else from it is our fault, never a score."""
    if result.ended is not Ended.EXITED or result.exit_code != 0:
        raise SandboxError(f"the scorer failed ({result.ended}): {last_words(result)}")
    if len(result.stdout) > SCORE_DOCUMENT_BYTES:
        raise SandboxError("the scorer's document is larger than allowed")
    try:
        return _parse_score(json.loads(result.stdout))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SandboxError(f"the scorer's document cannot be read: {error!r}") from error


def _parse_score(document: dict[str, Any]) -> TrialResult:
    if document["status"] == "invalid-outputs":
        return TrialResult(
            status=TrialStatus.INVALID_OUTPUTS,
            stage="score",
            reason=f"{document['output']}: {document['code']}",
        )
    if document["status"] != "scored":
        raise ValueError(f"neither scored nor invalid-outputs: {document['status']!r}")
    metrics = {str(name): float(value) for name, value in document["metrics"].items()}
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise SandboxError(
                f"the scorer's metric {name} is {value}, and only a finite number is a score"
            )
    held = document.get("artifact_bytes")
    samples = tuple(
        None if value is None else float(value) for value in document.get("samples", ())
    )
    if not all(value is None or math.isfinite(value) for value in samples):
        raise SandboxError("a sample of the scorer's metric is no finite number")
    return TrialResult(
        status=TrialStatus.SCORED,
        reason="scored",
        score=Score(metrics=metrics, samples=samples),
        artifact_bytes=None if held is None else int(held),
    )


def last_words(result: ContainerResult) -> str:
    words = result.output[-2000:].decode("utf-8", errors="backslashreplace").strip().splitlines()
    return words[-1] if words else "it said nothing"
