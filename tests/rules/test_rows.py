"""Gains where draws change nothing: decided by what other rows like these would have said."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from fakes import SHIPPED, scored, trial

from runner import draws
from runner.decision import Decision, Direction, Metric, Tie, Verdict, verdict_in
from runner.policy.load import parse_policy
from runner.records import ExperimentStatus, Purpose, Score, TrialRecord
from runner.rules import Ask, Evidence, Level
from runner.rules.posterior import Posterior
from runner.rules.rows import difference

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
POLICY = SHIPPED.replace("direction: minimize", "direction: maximize")
RULE = Posterior.of(parse_policy(POLICY).policy)
AUC = Metric(name="mean_rank", direction=Direction.MAXIMIZE, round_to=0.001)
ROUGH = tuple(random.Random(5).gauss(0, 0.04) for _ in range(200))  # noqa: S311
"""What is hard about a sample of the rows is hard for every program."""


def samples(score: float, own: float, seed: int = 1) -> tuple[float | None, ...]:
    """Return a score's samples: what all programs share, and what is this one's own."""
    noise = random.Random(seed)  # noqa: S311
    return tuple(score + shared + noise.gauss(0, own) for shared in ROUGH)


def own(
    number: int, score: float, moved: tuple[float | None, ...], count: int = 1, split: str = "train"
) -> tuple[TrialRecord, ...]:
    result = replace(scored(score), score=Score(metrics={"mean_rank": score}, samples=moved))
    return tuple(
        trial(
            Purpose.DECISION, result, split=split, index=draws.index(number, n), asked_by=number
        )
        for n in range(count)
    )  # fmt: skip


BEST = own(0, 0.80, samples(0.80, 0.0), 3)


def against(
    score: float, moved: tuple[float | None, ...], count: int = 2, **more: object
) -> Evidence:
    known: dict[str, object] = {
        "number": 1, "splits": ("train",), "incumbent": 0, "incumbent_trials": BEST, "best": 0.80,
        "level": Level(score=0.80, weight=1), "varies": False,
        "candidate": own(1, score, moved, count),
    }  # fmt: skip
    return Evidence(**(known | more))  # type: ignore[arg-type]


def judged(seen: Evidence) -> Decision:
    answer = RULE.judge(seen)
    assert isinstance(answer, Decision)
    return answer


def test_what_both_sides_share_is_no_noise_of_the_gain():
    found = difference(AUC, own(1, 0.82, samples(0.82, 0.005)), BEST, ("train",))
    assert found is not None
    assert found.gain == pytest.approx(0.02)
    assert found.deviation == pytest.approx(0.005, rel=0.15)
    assert found.freedom == 199


def test_a_gain_that_other_rows_would_show_too_is_kept_and_says_how_sure_it_is():
    found = judged(against(0.82, samples(0.82, 0.004)))
    assert (found.status, verdict_in(found.reason)) == (KEPT, Verdict.KEPT)
    assert found.sure is not None
    assert found.sure > 0.98
    assert 0.015 < (found.gain or 0) < 0.02
    assert found.score == pytest.approx(0.80 + (found.gain or 0))
    assert found.reason.startswith("kept: better with more than 99.9 % (gain 0.017")
    assert found.reason.endswith(" over rows, 2 trials)")


def test_a_gain_of_many_deviations_of_its_rows_stands_as_it_is():
    found = judged(against(0.92, samples(0.92, 0.002)))
    assert found.gain == pytest.approx(0.12, abs=0.002)
    assert found.score == pytest.approx(0.92, abs=0.002)


def test_a_keep_needs_a_second_draw_and_what_is_reverted_none():
    assert isinstance(RULE.judge(against(0.82, samples(0.82, 0.004), 1)), Ask)
    assert judged(against(0.81, samples(0.81, 0.02), 1)).status is REVERTED


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(0.83, Verdict.UNDECIDED), (0.80, Verdict.WORSE), (0.75, Verdict.WORSE)],
)
def test_a_gain_that_is_as_large_as_its_rows_are_noisy_is_reverted(score, verdict):
    found = judged(against(score, samples(score, 0.02)))
    assert (found.status, verdict_in(found.reason)) == (REVERTED, verdict)


def test_the_same_answers_are_no_gain_whatever_the_level_says():
    drawn_back = Level(score=0.79, weight=1)
    found = judged(against(0.80, samples(0.80, 0.0), level=drawn_back, best=0.79))
    assert (found.status, verdict_in(found.reason)) == (REVERTED, Verdict.NO_BETTER)


def test_a_shorter_program_is_kept_when_rows_say_that_it_is_hardly_worse():
    shorter = Tie(within=0.02, lines_before=10, lines=9)
    seen = against(0.80, samples(0.80, 0.004), tie=shorter)
    assert verdict_in(judged(seen).reason) is Verdict.TIE
    assert judged(replace(seen, tie=replace(shorter, lines=11))).status is REVERTED


def test_splits_are_averaged_sample_by_sample():
    def both(number: int, score: float, own_noise: float) -> tuple[TrialRecord, ...]:
        sides = ((split, samples(score, own_noise, seed)) for seed, split in enumerate("ab"))
        return tuple(one for split, moved in sides for one in own(number, score, moved, 1, split))

    found = difference(AUC, both(1, 0.82, 0.006), both(0, 0.80, 0.0), ("a", "b"))
    assert found is not None
    assert found.deviation == pytest.approx(0.006 / 2**0.5, rel=0.15)


def test_without_samples_one_exact_trial_decides():
    seen = against(0.8001, ())
    assert difference(AUC, seen.candidate, BEST, ("train",)) is None
    assert judged(seen).reason.startswith("kept: mean_rank 0.8001 on 2 of 2 seeds")


def test_a_noisy_candidate_is_compared_with_the_exact_score_and_not_with_its_level():
    noisy = tuple(one for n, value in enumerate((0.795, 0.800, 0.805, 0.799))
                  for one in own(1, value, (), n + 1)[n:])  # fmt: skip
    seen = against(0.8, (), candidate=noisy, level=Level(score=0.70, weight=1), best=0.70)
    answer = RULE.judge(seen)
    assert isinstance(answer, Ask) or answer.status is REVERTED
