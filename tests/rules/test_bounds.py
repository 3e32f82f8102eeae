"""Guards that are numbers: what they are over trials, and when one reverts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import scored

from runner.policy.schema import Guard
from runner.records import Experiment, Purpose, TrialRecord
from runner.rules.bounds import GB, broken

MEMORY = {"peak_memory_bytes": 7 * GB, "cpu_seconds": 30.0, "artifact_bytes": 4096}


def trial(asked_by: int, purpose: Purpose = Purpose.DECISION, **found: float) -> TrialRecord:
    result = scored(50.0, recall=found.pop("recall", 0.8))
    return TrialRecord(
        purpose=purpose, split="train", index=asked_by, seed=1, asked_by=asked_by,
        result=replace(result, **(MEMORY | found)),
    )  # fmt: skip


def experiment(number: int, *trials: TrialRecord) -> Experiment:
    return Experiment(
        run="t1", number=number, parent_commit="", hypothesis="", category="", changes=(),
        trials=trials,
    )  # fmt: skip


BEST = experiment(2, trial(2, recall=0.8), trial(3, recall=0.9), trial(4, recall=0.1))
"""Its last trial came after what is judged here."""


@pytest.mark.parametrize(
    ("bound", "more", "why"),
    [
        ({"number": "peak_memory_gb", "at_most": 8}, {}, None),
        (
            {"number": "peak_memory_gb", "at_most": 8},
            {"peak_memory_bytes": 9 * GB},
            "peak_memory_gb is 9, and may be 8 at most",
        ),
        ({"number": "cpu_seconds", "at_most": 35}, {"cpu_seconds": 39.0}, None),
        (
            {"number": "cpu_seconds", "at_most": 35},
            {"cpu_seconds": 41.0},
            "cpu_seconds is 35.5, and may be 35 at most",
        ),
        ({"number": "artifact_bytes", "at_most": 4096}, {}, None),
        (
            {"number": "artifact_bytes", "worse_by": 50},
            {"artifact_bytes": 8192},
            "artifact_bytes is 8192, 100 % worse than the best's 4096; 50 % is the most",
        ),
        ({"number": "recall", "at_least": 0.7}, {}, None),
        (
            {"number": "recall", "at_least": 0.75},
            {"recall": 0.6},
            "recall is 0.7, and must be 0.75 at least",
        ),
        ({"number": "recall", "worse_by": 6, "better": "high"}, {}, None),
        (
            {"number": "recall", "worse_by": 5, "better": "high"},
            {},
            "recall is 0.8, 5.88 % worse than the best's 0.85; 5 % is the most",
        ),
        ({"number": "recall", "worse_by": 0, "better": "low"}, {}, None),
        ({"number": "f1", "at_least": 0}, {}, "no f1 is known; the scorer gives mean_rank, recall"),
    ],
)
def test_a_number_over_the_candidate_s_own_trials_stays_within_its_bounds(bound, more, why):
    far_off = trial(5, Purpose.AUDIT, recall=0.0, peak_memory_bytes=99 * GB)
    found = experiment(3, trial(3), trial(3, **more), trial(7, recall=0.0), far_off)
    assert broken(Guard(name="g", **bound), found, BEST) == why


def test_what_the_engine_did_not_say_is_not_taken_for_small():
    guard = Guard(name="g", number="cpu_seconds", at_most=1)
    found = experiment(1, trial(1, cpu_seconds=None))
    assert broken(guard, found, BEST) == "no cpu_seconds is known"


def test_the_template_is_compared_with_nothing():
    guard = Guard(name="g", number="cpu_seconds", worse_by=0)
    assert broken(guard, experiment(0, trial(0)), None) is None


def test_a_number_may_get_worse_than_nothing_by_nothing():
    best = experiment(0, trial(0, artifact_bytes=0))
    guard = Guard(name="g", number="artifact_bytes", worse_by=10)
    assert broken(guard, experiment(1, trial(1, artifact_bytes=0)), best) is None
    why = broken(guard, experiment(1, trial(1)), best)
    assert why == "artifact_bytes is 4096, worse than the best's 0; 10 % is the most"
