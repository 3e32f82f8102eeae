from __future__ import annotations

import pytest
from fakes import crashed, decide, invalid_outputs, scored, timed_out

from runner.decision import Decision, Direction, Metric, Tie, after_guards
from runner.errors import ConfigError
from runner.records import ExperimentStatus, TrialResult, TrialStatus
from runner.rules import Ask

RANK = Metric(name="mean_rank", direction=Direction.MINIMIZE, round_to=0.5)
RECALL = Metric(name="recall", direction=Direction.MAXIMIZE, round_to=0.01)
KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED


def decided(best: float | None, *scores: float, metric: Metric = RANK) -> Decision | Ask:
    results = [scored(score, metric.name) for score in scores]
    return decide(metric, best, results, planned=2, min_gain=0.5)


def answer(found: Decision | Ask) -> ExperimentStatus | int:
    return found.places[0].index % 1000 if isinstance(found, Ask) else found.status


@pytest.mark.parametrize(
    ("best", "scores", "expected"),
    [
        pytest.param(None, (), 0, id="nothing ran: the first trial is needed"),
        pytest.param(None, (40.0,), 1, id="the baseline runs every seed"),
        pytest.param(None, (40.0, 60.0), KEPT, id="the first mean becomes the baseline"),
        pytest.param(40.0, (30.0,), 1, id="a promising first trial asks for the second"),
        pytest.param(40.0, (40.0,), 1, id="a first trial that ties is not worse yet"),
        pytest.param(40.0, (40.1,), REVERTED, id="a worse first trial needs no second"),
        pytest.param(40.0, (39.0, 39.0), KEPT, id="a clear gain"),
        pytest.param(40.0, (39.5, 39.5), KEPT, id="exactly the needed gain"),
        pytest.param(40.0, (39.6, 39.6), REVERTED, id="a gain within noise"),
        pytest.param(40.0, (40.0, 40.0), REVERTED, id="a tie reverts"),
        pytest.param(40.0, (30.0, 60.0), REVERTED, id="one lucky seed does not carry the mean"),
        pytest.param(40.0, (39.9, 30.0), KEPT, id="the mean decides, not the first"),
    ],
)
def test_lower_is_better(best, scores, expected):
    assert answer(decided(best, *scores)) == expected


@pytest.mark.parametrize(
    ("best", "scores", "expected"),
    [
        pytest.param(0.5, (0.4,), REVERTED, id="a lower recall needs no second trial"),
        pytest.param(0.5, (1.2, 1.0), KEPT, id="a higher recall is kept"),
        pytest.param(0.5, (0.5, 0.5), REVERTED, id="a tie reverts"),
    ],
)
def test_higher_is_better(best, scores, expected):
    assert answer(decided(best, *scores, metric=RECALL)) == expected


def tied(*scores: float, lines: int, metric: Metric = RANK, best: float = 40.0) -> Decision:
    tie = Tie(within=0.5, lines_before=100, lines=lines)
    results = [scored(score, metric.name) for score in scores]
    found = decide(metric, best, results, planned=2, min_gain=1.0, tie=tie)
    return found if isinstance(found, Decision) else pytest.fail("it asks for more trials")


@pytest.mark.parametrize(
    ("scores", "lines", "expected"),
    [
        pytest.param((40.0, 40.0), 99, KEPT, id="a tie with fewer lines"),
        pytest.param((40.5, 40.5), 99, KEPT, id="exactly as much worse as allowed"),
        pytest.param((40.6, 40.6), 99, REVERTED, id="worse than a tie at once"),
        pytest.param((40.4, 40.8), 99, REVERTED, id="worse than a tie in the mean"),
        pytest.param((39.5, 39.5), 99, KEPT, id="a little better, and fewer lines"),
        pytest.param((39.4, 39.4), 99, KEPT, id="better than a tie, and fewer lines"),
        pytest.param((39.4, 39.4), 100, REVERTED, id="too little better, and no fewer lines"),
        pytest.param((40.0, 40.0), 100, REVERTED, id="a tie as long as before"),
        pytest.param((40.0, 40.0), 101, REVERTED, id="a tie with more lines"),
        pytest.param((40.1,), 100, REVERTED, id="a worse first trial saves no time for nothing"),
        pytest.param((39.0, 39.0), 200, KEPT, id="a clear gain may be longer"),
    ],
)
def test_a_tie_is_kept_if_the_program_is_shorter(scores, lines, expected):
    assert tied(*scores, lines=lines).status is expected


def test_a_tie_works_where_higher_is_better():
    assert tied(0.7, 0.7, lines=99, metric=RECALL, best=1.0).status is KEPT
    assert tied(0.3, lines=99, metric=RECALL, best=1.0).status is REVERTED


def test_the_reason_of_a_tie_holds_its_numbers():
    assert tied(40.25, 40.25, lines=99).reason == (
        "a tie, kept for fewer lines: mean_rank 40.25 on 2 of 2 seeds:"
        " gain -0.25 over the best 40, needed 1;"
        " no more than 0.5 worse: 99 lines, before 100"
    )


@pytest.mark.parametrize(
    ("score", "added", "expected"),
    [
        pytest.param(38.7, 0, KEPT, id="as long as before"),
        pytest.param(38.7, -5, KEPT, id="shorter is no gain by itself"),
        pytest.param(38.7, 3, KEPT, id="exactly the price of three lines"),
        pytest.param(38.7, 4, REVERTED, id="a line too many"),
        pytest.param(30.0, 200, REVERTED, id="many lines for a clear gain"),
    ],
)
def test_each_line_more_has_its_price(score, added, expected):
    results = [scored(score), scored(score)]
    found = decide(RANK, 40.0, results, planned=2, min_gain=1.0, per_line=0.1, added_lines=added)
    assert isinstance(found, Decision)
    assert found.status is expected
    assert ("lines more" in found.reason) is (added > 0)


def test_the_reason_says_what_of_the_gain_that_is_needed_the_lines_make_up():
    results = [scored(38.7), scored(38.7)]
    found = decide(RANK, 40.0, results, planned=2, min_gain=1.0, per_line=0.1, added_lines=4)
    assert isinstance(found, Decision)
    assert found.reason == (
        "just short: mean_rank 38.7 on 2 of 2 seeds: gain +1.3 over the best 40, needed 1.4;"
        " 4 lines more, at 0.1 each"
    )


def test_a_failed_guard_reverts_what_would_have_been_kept():
    found = decided(40.0, 30.0, 30.0)
    assert isinstance(found, Decision)
    after = after_guards(found, "tests", "exit 1")
    assert (after.status, after.rule, after.score) == (REVERTED, "guard:tests", 30.0)
    assert after.reason.startswith("guard tests failed (exit 1); else kept: mean_rank 30 on 2")


def test_a_tie_reverts_even_where_no_gain_is_needed():
    found = decide(RANK, 40.0, [scored(40.0), scored(40.0)], planned=2, min_gain=0.0)
    assert answer(found) is REVERTED


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (crashed(), ExperimentStatus.CRASHED),
        (timed_out(), ExperimentStatus.TIMEOUT),
        (invalid_outputs(), ExperimentStatus.INVALID_OUTPUTS),
    ],
)
@pytest.mark.parametrize("before", [(), (scored(1.0),)])
@pytest.mark.parametrize("best", [None, 40.0])
def test_a_failed_trial_decides_at_once_and_has_no_score(failed, expected, before, best):
    found = decide(RANK, best, [*before, failed], planned=2, min_gain=0.5)
    assert isinstance(found, Decision)
    assert (found.status, found.score, found.gain) == (expected, None, None)
    assert found.reason == failed.reason


def test_every_failure_of_a_trial_has_an_outcome():
    for status in set(TrialStatus) - {TrialStatus.SCORED}:
        result = TrialResult(status=status, reason="why")
        found = decide(RANK, None, [result], planned=1, min_gain=0)
        assert answer(found) == ExperimentStatus(status)


def test_one_fold_that_is_worse_than_the_mean_of_all_says_nothing_yet():
    found = decide(RANK, 40.0, [scored(50.0)], planned=4, min_gain=0.5, splits=2)
    assert isinstance(found, Ask)
    assert [place.split for place in found.places] == ["b"]


def test_the_second_seed_is_skipped_when_all_folds_of_the_first_are_worse():
    folds = [scored(50.0), scored(34.0)]
    found = decide(RANK, 40.0, folds, planned=4, min_gain=0.5, splits=2)
    assert isinstance(found, Decision)
    assert answer(found) is REVERTED
    assert found.score == 42.0
    assert found.reason == (
        "clearly worse: mean_rank 42 on 1 of 2 seeds, 2 splits each, the second skipped:"
        " gain -2 over the best 40, needed 0.5"
    )


def test_one_planned_trial_is_enough_when_it_is_worse():
    found = decide(RANK, 40.0, [scored(50.0)], planned=1, min_gain=0.5)
    assert isinstance(found, Decision)
    assert found.reason == (
        "clearly worse: mean_rank 50 on 1 seed: gain -10 over the best 40, needed 0.5"
    )


def test_the_reason_holds_the_numbers():
    found = decided(40.0, 38.0, 37.0)
    assert isinstance(found, Decision)
    assert found.reason == (
        "kept: mean_rank 37.5 on 2 of 2 seeds: gain +2.5 over the best 40, needed 0.5"
    )
    assert (found.score, found.gain) == (37.5, 2.5)


def test_a_skipped_trial_shows_in_the_reason():
    found = decided(40.0, 44.0)
    assert isinstance(found, Decision)
    assert found.reason == (
        "clearly worse: mean_rank 44 on 1 of 2 seeds, the second skipped:"
        " gain -4 over the best 40, needed 0.5"
    )
    assert (found.score, found.gain) == (44.0, -4.0)


def test_a_scored_trial_without_a_score_is_a_bug_and_not_a_zero():
    with pytest.raises(ValueError, match="without a score"):
        decide(
            RANK, None, [TrialResult(status=TrialStatus.SCORED, reason="")], planned=1, min_gain=0
        )


def test_a_policy_that_names_a_metric_nobody_gives_is_told_which_there_are():
    with pytest.raises(ConfigError, match="no metric mean_rank") as refused:
        decide(RANK, None, [scored(1.0, "loss", recall=0.5)], planned=1, min_gain=0)
    assert refused.value.hint == "metric.name may be: loss, recall"


@pytest.mark.parametrize(
    ("metric", "score", "shown"),
    [
        (RANK, 40.24, 40.0),
        (RANK, 40.26, 40.5),
        (RANK, -0.1, 0.0),
        (RECALL, 0.12345, 0.12),
        (RECALL, 0.29, 0.29),
    ],
)
def test_an_agent_sees_a_score_in_the_policy_s_steps(metric, score, shown):
    assert metric.rounded(score) == shown
