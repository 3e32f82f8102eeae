"""A trial whose model answers the scorer over a socket: when to go, and how it ended.

Two predictors, A and B, start from the same artifacts, each with a socket of its own, and B only
when A is confirmed gone: they share no file and no time, and with `resources.flush` none of the
kernel's caches. The scorer says when one has connected;
only then is it sent the go, so that what a model takes to load is no part of the scoring budget.

What this does not protect against: what the scorer itself must judge. It ends in time by itself
and blames the predictors; being killed at its deadline is a fault of ours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from runner.engines.container import ContainerResult, Deadline, Ended, Running
from runner.errors import SandboxError, StoppedError
from runner.records import TrialResult, TrialStatus
from runner.trial.verdict import failure

PREDICTORS = ("a", "b")
SCORER_GRACE_SECONDS = 10.0
"""Beyond the budget, which the scorer itself keeps, on a machine that may be busy."""
HANG_UP_SECONDS = 1.0
"""What a predictor gets to end by itself, and say why, after the scorer has its answer."""
POLL_SECONDS = 0.02


def await_connected(
    scorer: Running, predictor: Running, name: str, until: Deadline, abort: threading.Event
) -> TrialResult | None:
    """Wait until a predictor has connected; return why the trial failed if it does not.

    A scorer that ended meanwhile is left to whoever reads its score.
    """
    while not (scorer.said(f"connected {name}\n".encode()) or scorer.has_ended()):
        _stop_if(abort)
        if predictor.has_ended() or time.monotonic() > until.monotonic:
            return TrialResult(
                status=TrialStatus.INVALID_OUTPUTS,
                stage=f"serve {name}",
                reason=f"{name}: no-connection",
            )
        time.sleep(POLL_SECONDS)
    return None


def is_done(scorer: Running, name: str) -> bool:
    """Say whether the scorer needs this predictor no more, or has ended."""
    return scorer.said(f"done {name}\n".encode()) or scorer.has_ended()


def await_done(
    scorer: Running,
    name: str,
    until: Deadline,
    abort: threading.Event,
    predictor: Running | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Wait until the scorer needs this predictor no more, or has ended.

    A predictor that has spent its processor time is waited for no more: the scorer cannot know.

    Raises:
        SandboxError: the scorer, which keeps the budget itself, did neither in time.
    """
    while not is_done(scorer, name):
        _stop_if(abort)
        if predictor and deadline and predictor.has_spent(deadline):
            return
        if time.monotonic() > until.monotonic:
            raise SandboxError("the scorer did not keep its budget", hint="run: runner doctor")
        time.sleep(POLL_SECONDS)


def _stop_if(abort: threading.Event) -> None:
    if abort.is_set():
        raise StoppedError("stopped by the person")


def explain(
    result: TrialResult, ends: Mapping[str, ContainerResult], seconds: float
) -> TrialResult:
    """Add what the engine saw of the predictors to what the scorer said.

    Args:
        result: from the scorer, or the lack of a connection.
        ends: stage → how that predictor ended; one that waits for the end is killed, as it should.
        seconds: each predictor's whole time.
    """
    for stage, end in ends.items():
        fault = failure(stage, end, seconds) if end.ended is not Ended.DEADLINE else None
        if fault is None:
            continue
        if end.ended is not Ended.EXITED:
            return fault  # an output cap or a process limit ends the trial, whatever the score
        if result.status is TrialStatus.INVALID_OUTPUTS:
            reason = f"{result.reason} ({fault.reason})"
            return replace(result, reason=reason, limit=fault.limit, crash=fault.crash)
    return result
