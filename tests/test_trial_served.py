from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from runner.engines.container import Deadline, Ended
from runner.errors import SandboxError, StoppedError
from runner.records import Shape, TrialResult, TrialStatus
from runner.trial.naming import score_command
from runner.trial.served import await_connected, await_done, explain
from tests.fakes import scored
from tests.test_trial import TRACEBACK, ended
from tests.trials import trial_spec


@dataclass
class FakeRunning:
    """A container that says its lines and has perhaps ended."""

    lines: list[bytes] = field(default_factory=list)
    gone: bool = False

    def said(self, line: bytes) -> bool:
        return line in self.lines

    def has_ended(self) -> bool:
        return self.gone


SILENT = FakeRunning()
CONNECTED, DONE = FakeRunning([b"connected a\n"]), FakeRunning([b"connected a\n", b"done a\n"])


def wait(
    scorer: FakeRunning, predictor: FakeRunning = SILENT, seconds: float = 0.1
) -> TrialResult | None:
    until = Deadline.after(seconds)
    return await_connected(scorer, predictor, "a", until, threading.Event())  # type: ignore[arg-type]


def test_the_go_waits_for_the_predictor():
    assert wait(CONNECTED) is None


def test_another_predictor_s_connection_is_not_this_one_s():
    assert wait(FakeRunning([b"connected b\n"])) is not None


def test_a_scorer_that_ended_is_left_to_whoever_reads_its_score():
    assert wait(FakeRunning(gone=True)) is None


def test_a_predictor_that_never_connects_is_refused_after_the_startup_allowance():
    begun = time.monotonic()
    found = wait(SILENT)
    assert found is not None
    assert (found.status, found.stage) == (TrialStatus.INVALID_OUTPUTS, "serve a")
    assert found.reason == "a: no-connection"
    assert 0.1 <= time.monotonic() - begun < 15


def test_a_predictor_that_dies_before_it_connects_is_named_at_once():
    begun = time.monotonic()
    found = wait(SILENT, FakeRunning(gone=True), seconds=60)
    assert found is not None
    assert found.reason == "a: no-connection"
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("scorer", [DONE, FakeRunning(gone=True)])
def test_a_predictor_is_ended_when_the_scorer_needs_it_no_more(scorer):
    await_done(scorer, "a", Deadline.after(60), threading.Event())


def test_a_scorer_that_does_not_keep_its_budget_is_our_fault():
    with pytest.raises(SandboxError, match="did not keep its budget"):
        await_done(CONNECTED, "a", Deadline.after(0.05), threading.Event())  # type: ignore[arg-type]


def test_waiting_stops_when_the_person_says_so():
    abort = threading.Event()
    abort.set()
    with pytest.raises(StoppedError):
        await_connected(SILENT, SILENT, "a", Deadline.after(60), abort)  # type: ignore[arg-type]
    with pytest.raises(StoppedError):
        await_done(SILENT, "a", Deadline.after(60), abort)  # type: ignore[arg-type]


REFUSED = TrialResult(status=TrialStatus.INVALID_OUTPUTS, stage="score", reason="a: disconnected")


def test_a_refusal_carries_the_crash_that_the_predictor_died_of():
    ends = {"serve a": ended(code=1, output=TRACEBACK), "serve b": ended(Ended.DEADLINE, 137)}
    found = explain(REFUSED, ends, 20)
    assert found.status is TrialStatus.INVALID_OUTPUTS
    assert found.reason == "a: disconnected (serve a: ValueError: no)"
    assert found.crash is not None
    assert found.crash.exception == "ValueError"


def test_a_refusal_carries_the_limit_that_ended_the_predictor():
    found = explain(REFUSED, {"serve a": ended(code=137, oom_killed=True)}, 20)
    assert (found.status, found.limit) == (TrialStatus.INVALID_OUTPUTS, "memory")


def test_a_predictor_that_had_to_be_ended_is_to_blame_for_nothing():
    ends = {"serve a": ended(Ended.DEADLINE, 137), "serve b": ended()}
    assert explain(REFUSED, ends, 20) is REFUSED
    score = scored(2.0)
    assert explain(score, ends, 20) is score


def test_a_predictor_that_dies_after_it_was_scored_keeps_its_score():
    score = scored(2.0)
    assert explain(score, {"serve a": ended(code=1)}, 20) is score


def test_a_flood_of_output_ends_the_trial_whatever_the_score():
    found = explain(scored(2.0), {"serve b": ended(Ended.OUTPUT, 137)}, 20)
    assert (found.status, found.limit) == (TrialStatus.CRASHED, "output")


def test_only_a_served_scorer_is_told_of_gain_and_time():
    plain = score_command(trial_spec())
    told = score_command(trial_spec(shape=Shape.SERVED, min_gain=0.02))
    assert told == [*plain, "--min-gain", "0.02", "--seconds", "1.0"]
