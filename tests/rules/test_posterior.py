"""The rule `posterior` by evidence: what it asks for, what it decides, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from fakes import SHIPPED, crashed, scored, trial

from runner import draws
from runner.decision import Decision, Direction, Metric, Price, Tie, Verdict, percent, verdict_in
from runner.experiment.noise import after
from runner.experiment.steps import judged
from runner.policy.load import parse_policy
from runner.records import Experiment, ExperimentStatus, Place, Purpose, TrialRecord, TrialResult
from runner.rules import Ask, Evidence, Level, constants
from runner.rules.belief import Noise
from runner.rules.posterior import Posterior
from runner.views import lines
from runner.views.pictures import evidence_gauge
from runner.views.status import evidence

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
RULE = Posterior.of(parse_policy(SHIPPED).policy)
DEAR = replace(RULE, price=Price(min_gain=2.0))
PRICED = replace(RULE, price=Price(min_gain=0.0, per_line=0.4))
TIE = Tie(within=4.0, lines_before=10, lines=9)
TEMPLATE = (101.0, 99.0, 100.0, 102.0, 98.0)
"""Its scores: lower is better, and a trial's standard deviation is about 1.6."""
Scores = Callable[[Place], float | None]


def scores(*values: float | None) -> Scores:
    """Score draws in their order, the last value for all that follow."""

    def score(place: Place) -> float | None:
        count = place.index % draws.PER_EXPERIMENT
        return values[min(count, len(values) - 1)]

    return score


def result(value: float | None) -> TrialResult:
    return crashed() if value is None else scored(value)


def own(number: int, *values: float | None) -> tuple[TrialRecord, ...]:
    """Return an experiment's own trials."""
    return tuple(
        trial(Purpose.DECISION, result(v), index=draws.index(number, n), asked_by=number)
        for n, v in enumerate(values)
    )


def against(*template: float, **more: object) -> Evidence:
    """Return what is known before experiment 1 has a trial; the template is the best."""
    values = template or TEMPLATE
    known: dict[str, object] = {
        "number": 1,
        "splits": ("train",),
        "incumbent": 0,
        "incumbent_trials": own(0, *values),
        "best": sum(values) / len(values),
        "level": Level(score=sum(values) / len(values), weight=len({*values})),
        "varies": len({*values}) > 1,
    }
    return Evidence(**(known | more))  # type: ignore[arg-type]


def play(
    seen: Evidence, candidate: Scores, incumbent: Scores | None = None, rule: Posterior = RULE
) -> tuple[Decision, list[Place]]:
    """Give the rule whatever it asks for, until it decides."""
    trials: dict[Place, TrialRecord] = {}
    asked: list[Place] = []
    while True:
        answer, _ = judged(rule, seen, trials)
        if isinstance(answer, Decision):
            return answer, asked
        for place in answer.places:
            side = candidate if place.experiment == seen.number else incumbent or scores(*TEMPLATE)
            value = side(place)
            asked.append(place)
            trials[place] = trial(
                Purpose.DECISION, result(value), split=place.split, index=place.index,
                asked_by=seen.number,
            )  # fmt: skip


# -- the template ------------------------------------------------------------------------------


def test_a_template_is_measured_five_times_and_its_level_is_worth_as_many_trials():
    found, asked = play(Evidence(number=0, splits=("train",)), scores(*TEMPLATE))
    assert [place.index for place in asked] == [0, 1, 2, 3, 4]
    assert (found.status, found.score, found.weight) == (KEPT, 100.0, 5)
    assert found.reason == "the baseline: mean_rank 100 on 5 of 5 seeds"


def test_three_equal_scores_of_a_template_are_enough_to_see_that_draws_change_nothing():
    found, asked = play(Evidence(number=0, splits=("train",)), scores(7.0))
    assert len(asked) == 3
    assert (found.score, found.weight) == (7.0, 1)
    assert found.reason.endswith("all equal: a draw changes nothing of a score")


def test_a_template_that_fails_once_has_failed():
    found, _ = play(Evidence(number=0, splits=("train",)), scores(100.0, None))
    assert found.status is ExperimentStatus.CRASHED


# -- a candidate -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "more", "score", "words"),
    [
        pytest.param(RULE, {}, 98.0, "better", id="any gain"),
        pytest.param(DEAR, {}, 96.0, "better by more than 2", id="min_gain"),
        pytest.param(RULE, {"tie": TIE}, 98.0, "not worse by more than 4", id="a tie"),
    ],
)
def test_what_is_said_under_way_names_what_a_keep_needs(rule, more, score, words):
    [place] = judged(rule, against(**more), {})[0].places
    first = trial(
        Purpose.DECISION, result(score), split=place.split, index=place.index, asked_by=1
    )  # fmt: skip
    answer, _ = judged(rule, against(**more), {place: first})
    assert isinstance(answer, Ask)
    assert answer.outlook is not None
    assert answer.outlook.than == words
    assert f"; {words} with " in evidence(answer.outlook)
    assert f"{words} with " in str(evidence_gauge(answer.outlook))


def test_a_clear_gain_is_kept_after_three_trials_and_its_level_is_drawn_towards_the_prior():
    found, asked = play(against(), scores(88.0, 90.0, 89.0))
    assert found.status is KEPT
    assert sum(place.experiment == 1 for place in asked) == 3
    assert found.sure is not None
    assert found.sure > 0.95
    assert 89.0 < (found.score or 0) < 93.0
    assert found.reason == "kept: better with 97 % (gain 9.9 ± 4.0, 3 trials against 5)"


def test_a_single_lucky_score_is_never_kept():
    found, asked = play(against(), scores(94.0, 100.5, 101.0, 99.5))
    assert found.status is REVERTED
    assert len(asked) > 1


def test_a_clear_loss_takes_one_trial():
    found, asked = play(against(), scores(110.0))
    assert len(asked) == 1
    assert (found.status, verdict_in(found.reason)) == (REVERTED, Verdict.WORSE)


def test_what_is_neither_better_nor_worse_is_undecided_when_the_trials_are_out():
    values = (97.9, 99.6, 98.4, 98.2, 99.9, 97.7, 98.8, 98.1, 99.5, 98.3, 98.5, 99.1, 98.6, 98.9)
    rule = replace(RULE, bounds=RULE.bounds._replace(keep=0.99999, drop=0.0))
    found, asked = play(against(), scores(*values), scores(100.0, 99.3, 100.9, 99.2), rule)
    assert sum(place.experiment == 1 for place in asked) == 14
    assert (found.status, verdict_in(found.reason)) == (REVERTED, Verdict.UNDECIDED)


def test_the_less_certain_side_is_measured_and_on_the_candidates_own_draws():
    rule = replace(RULE, bounds=RULE.bounds._replace(keep=0.99999, drop=0.0))
    seen = against(level=Level(score=100.0, weight=2.0))
    _, asked = play(seen, scores(99.0, 98.0, 99.5, 98.5), rule=rule)
    sides = [place.experiment for place in asked]
    assert sides[:6] == [1, 1, 1, 0, 1, 0], "of two equally certain sides the candidate's"
    theirs = [place.index for place in asked if place.experiment == 0]
    assert theirs[:2] == [1000, 1001], "draws that are fresh for both"
    assert len({(place.experiment, place.index) for place in asked}) == len(asked)


def test_the_same_evidence_has_the_same_answer_in_any_order():
    seen = against(candidate=own(1, 97.0, 98.0, 96.0, 98.5))
    other = replace(
        seen, candidate=seen.candidate[::-1], incumbent_trials=seen.incumbent_trials[::-1]
    )
    assert RULE.judge(seen) == RULE.judge(other)


@pytest.mark.parametrize("direction", list(Direction))
def test_both_directions_are_decided_alike(direction):
    metric = Metric(name="mean_rank", direction=direction, round_to=0.5)
    sign = -1 if direction is Direction.MAXIMIZE else 1
    template = [sign * value for value in TEMPLATE]
    rule = replace(RULE, metric=metric)
    values = [sign * value for value in (96.0, 97.0, 95.5, 97.5)]
    found, _ = play(against(*template), scores(*values), scores(*template), rule)
    usual, _ = play(against(), scores(96.0, 97.0, 95.5, 97.5))
    assert (found.status, found.sure, found.gain) == (usual.status, usual.sure, usual.gain)
    assert found.score == pytest.approx(sign * (usual.score or 0))


def test_more_noise_in_the_run_makes_the_same_gain_less_sure():
    candidate = own(1, 96.0, 97.0, 95.0)
    calm, loud = (
        RULE.judge(against(candidate=candidate, noise=Noise(squares=squares, freedom=20.0)))
        for squares in (40.0, 400.0)
    )
    assert isinstance(calm, Decision)
    assert isinstance(loud, Ask)


def test_trials_of_the_best_that_came_after_its_keep_move_its_level():
    later = tuple(
        trial(Purpose.DECISION, scored(v), index=draws.index(1, n), asked_by=1)
        for n, v in enumerate((102.0, 103.0, 101.0, 102.5, 103.5))
    )
    rule = replace(RULE, bounds=RULE.bounds._replace(most=3))
    before, after = (
        rule.judge(
            against(
                number=2,
                candidate=own(2, 98.0, 98.5, 97.5),
                incumbent_trials=(*own(0, *TEMPLATE), *more),
            )
        )
        for more in ((), later)
    )
    assert isinstance(before, Decision)
    assert isinstance(after, Decision)
    assert (after.sure or 0) > (before.sure or 0)
    assert (after.gain or 0) > (before.gain or 0) + 0.5


# -- a gain that is needed ---------------------------------------------------------------------


def test_with_a_gain_that_is_needed_the_question_is_whether_it_is_more_than_that():
    values = scores(96.0, 97.0, 95.5, 97.5)
    plain, _ = play(against(), values)
    rule = replace(RULE, price=Price(min_gain=8.0))
    found, _ = play(against(), values, rule=rule)
    assert plain.status is KEPT
    assert found.status is REVERTED
    assert "better by more than 8 with " in found.reason


@pytest.mark.parametrize("needed", [8.0, 16.0, 80.0, 800.0])
def test_however_far_beyond_the_noise_a_gain_is_asked_for_it_is_kept_and_less_is_not(needed):
    rule = replace(RULE, price=Price(min_gain=needed))

    def gaining(gain: float) -> Decision:
        return play(against(), scores(*(value - gain for value in TEMPLATE)), rule=rule)[0]

    assert gaining(2.0 * needed).status is KEPT
    assert gaining(0.5 * needed).status is REVERTED
    assert gaining(-2.0 * needed).status is REVERTED


def test_a_longer_program_must_probably_be_worth_its_lines():
    values = scores(96.0, 97.0, 95.5, 97.5)
    rule = replace(RULE, price=Price(min_gain=0.0, per_line=0.4))
    assert play(against(added_lines=-3), values, rule=rule)[0].status is KEPT
    found, _ = play(against(added_lines=20), values, rule=rule)
    assert found.status is REVERTED
    assert "better by more than 8 with " in found.reason
    assert found.reason.endswith("; 20 lines more, at 0.4 each")
    exact = against(7.0, 7.0, 7.0, added_lines=3)
    found, _ = play(exact, scores(6.0), rule=rule)
    assert found.status is REVERTED
    assert found.reason.endswith("needed 1.2; 3 lines more, at 0.4 each")


def test_a_shorter_program_is_kept_when_it_is_probably_not_worse_by_more_than_a_tie():
    shorter = Tie(within=4.0, lines_before=10, lines=9)
    same = scores(100.5, 99.0, 100.0, 101.0, 99.5)
    kept, _ = play(against(tie=shorter), same)
    assert (kept.status, verdict_in(kept.reason)) == (KEPT, Verdict.TIE)
    longer, _ = play(against(tie=replace(shorter, lines=11)), same)
    assert longer.status is REVERTED


@pytest.mark.parametrize("within", [8.0, 16.0, 80.0, 800.0])
def test_however_wide_a_tie_is_a_program_that_is_worse_than_that_is_reverted(within):
    shorter = Tie(within=within, lines_before=10, lines=9)
    ruined = scores(*(value + 3 * within for value in TEMPLATE))
    found, _ = play(against(tie=shorter), ruined)
    assert (found.status, verdict_in(found.reason)) == (REVERTED, Verdict.WORSE)
    almost = scores(*(value + within / 4 for value in TEMPLATE))
    assert play(against(tie=shorter), almost)[0].status is KEPT


def test_a_program_that_can_only_tie_is_measured_until_that_is_known():
    """Its chance of a gain worth waiting for is small, and none is waited for."""
    shorter = Tie(within=0.8, lines_before=10, lines=9)
    found, asked = play(against(tie=shorter), scores(100.6, 99.0, 100.0, 101.0, 99.5, 100.2))
    assert (found.status, verdict_in(found.reason)) == (KEPT, Verdict.TIE)
    assert len(asked) > 1


def test_ties_do_not_lead_downhill_from_the_record():
    shorter = Tie(within=4.0, lines_before=10, lines=9)
    found, _ = play(against(tie=shorter, best=95.0), scores(100.5, 99.0, 100.0, 101.0, 99.5))
    assert found.status is REVERTED


@pytest.mark.parametrize(
    ("seen", "rule", "level", "said"),
    [
        (against(), RULE, 89.0, "KEPT, better with "),
        (against(), RULE, 150.0, "REVERTED, worse: better with "),
        (against(), DEAR, 89.0, "KEPT, good enough with "),
        (against(added_lines=3), PRICED, 89.0, "KEPT, good enough with "),
        (against(), DEAR, 150.0, "REVERTED, worse: good enough with "),
        (against(tie=TIE), RULE, 100.0, "KEPT, a tie, kept for fewer lines: as good with "),
        (against(tie=TIE), RULE, 150.0, "REVERTED, worse: as good with "),
    ],
)
def test_an_outcome_says_what_its_probability_is_of(seen, rule, level, said):
    around = scores(*(level + apart for apart in (0.5, -1.0, 0.0, 1.0, -0.5)))
    found, _ = play(seen, around, rule=rule)
    one = replace(experiment(1, found.status), reason=found.reason, sure=found.sure)
    assert found.sure is not None
    assert lines.label(one) == f"{said}{percent(found.sure)}"


# -- draws that are ignored --------------------------------------------------------------------


def test_a_candidate_that_scores_the_same_on_every_draw_is_refused_where_the_template_varies():
    found, asked = play(against(), scores(95.0))
    assert len(asked) <= 4
    assert (found.status, found.rule) == (REVERTED, "ignores-seed")
    assert "use RUNNER_SEED" in found.reason


def test_nobody_is_accused_where_the_templates_own_scores_are_equal_by_chance():
    coarse = against(101.0, 99.0, 101.0, 99.0, 100.0, repeats=True)
    found, asked = play(coarse, scores(95.0, 95.0, 95.0, 94.0, 96.0, 93.0))
    assert (found.status, found.rule) == (KEPT, None)
    assert len(asked) > 3


def test_equal_scores_on_different_draws_count_once():
    seen = against(candidate=own(1, 95.0, 96.0, 95.0, 96.0, 95.0))
    answer = RULE.judge(seen)
    assert isinstance(answer, Ask), "two different scores are no three trials"


def test_where_draws_change_nothing_a_gain_needs_one_trial_and_a_second_that_agrees():
    exact = against(7.0, 7.0, 7.0)
    kept, asked = play(exact, scores(6.0))
    assert (kept.status, kept.score, kept.sure, len(asked)) == (KEPT, 6.0, None, 2)
    for value, verdict in ((7.0, Verdict.NO_BETTER), (8.0, Verdict.CLEARLY_WORSE)):
        found, asked = play(exact, scores(value))
        assert (found.status, verdict_in(found.reason), len(asked)) == (REVERTED, verdict, 1)


def test_a_noisy_candidate_against_an_exact_template_is_weighed_by_its_own_noise():
    kept, _ = play(against(7.0, 7.0, 7.0), scores(4.0, 4.3, 4.1, 3.9, 4.2))
    assert (kept.status, kept.sure is not None) == (KEPT, True)
    lucky, _ = play(against(7.0, 7.0, 7.0), scores(4.0, 9.9, 7.0, 8.5, 6.2))
    assert lucky.status is REVERTED


# -- splits ------------------------------------------------------------------------------------


def test_the_splits_of_a_draw_are_one_score():
    splits = {"a": 10.0, "b": 0.0, "c": -10.0}
    seen = replace(
        against(),
        splits=tuple(splits),
        incumbent_trials=tuple(
            trial(Purpose.DECISION, scored(v + more), split=name, index=n)
            for n, v in enumerate(TEMPLATE)
            for name, more in splits.items()
        ),
    )
    found, asked = play(seen, lambda place: 89.0 + place.index % 3 + splits[place.split])
    plain, _ = play(against(), lambda place: 89.0 + place.index % 3)
    assert (found.status, found.sure, found.score) == (plain.status, plain.sure, plain.score)
    assert len(asked) == 9
    assert asked[0].split == "a"


# -- failures ----------------------------------------------------------------------------------


def test_a_candidate_that_fails_at_once_has_crashed_and_one_that_fails_later_is_unstable():
    found, _ = play(against(), scores(None))
    assert (found.status, found.score) == (ExperimentStatus.CRASHED, None)
    found, asked = play(against(), scores(90.0, None, 90.0))
    assert (found.status, found.rule, found.score) == (REVERTED, "unstable", None)
    assert len(asked) == 2, "a failure is not repeated until it passes"


def test_a_failure_of_the_best_is_no_number_and_after_two_it_is_measured_no_more():
    rule = replace(RULE, bounds=RULE.bounds._replace(keep=0.99999, drop=0.0))
    seen = against(level=Level(score=100.0, weight=2.0))
    found, asked = play(seen, scores(99.0, 98.0, 99.5, 98.5), scores(None), rule)
    assert sum(place.experiment == 0 for place in asked) == 2
    assert sum(place.experiment == 1 for place in asked) == 14
    assert "14 trials against 5" in found.reason


def test_a_best_that_repeats_itself_is_not_asked_for_ever():
    rule = replace(RULE, bounds=RULE.bounds._replace(keep=0.99999, drop=0.0))
    seen = against(level=Level(score=100.0, weight=2.0))
    _, asked = play(seen, scores(99.0, 98.0, 99.5, 98.5, 97.0), scores(101.0), rule)
    assert sum(place.experiment == 0 for place in asked) == 2


# -- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        pytest.param((1e308, -1e308, 1e308), id="of any size"),
        pytest.param((1e-320, 0.0, 5e-324), id="of no size"),
        pytest.param((100.0, 1e300, 3.0), id="one diverged"),
    ],
)
def test_any_finite_scores_are_decided_on(values):
    for template in (TEMPLATE, (1e308, -1e308, 0.0, 1.0, 2.0), (5e-324, 0.0, 1e-320, 0.0, 0.0)):
        found, _ = play(against(*template), scores(*values), scores(*template))
        assert found.sure is None or 0.0 <= found.sure <= 1.0


def test_a_better_mean_is_never_less_probably_better():
    sure = []
    for shift in range(-60, 61, 5):
        seen = against(candidate=own(1, *(100 + shift / 10 + each for each in (-1.0, 0.0, 1.0))))
        rule = replace(RULE, bounds=RULE.bounds._replace(most=3))
        answer = rule.judge(seen)
        assert isinstance(answer, Decision)
        sure.append(answer.sure or 0.0)
    assert all(one >= other for one, other in pairwise(sure))


# -- noise over a run --------------------------------------------------------------------------


def experiment(number: int, status: ExperimentStatus, *trials: TrialRecord) -> Experiment:
    return Experiment(
        run="t1", number=number, parent_commit="", hypothesis="", category="", changes=(),
        status=status, trials=trials,
    )  # fmt: skip


def test_the_noise_of_a_run_is_that_of_all_programs_but_the_best():
    baseline = experiment(0, KEPT, *own(0, *TEMPLATE))
    reverted = experiment(1, REVERTED, *own(1, 1.0, 2.0, 3.0))
    known = after(Noise(), baseline, None, "mean_rank")
    assert known == Noise()
    known = after(known, reverted, baseline, "mean_rank")
    assert (known.squares, known.freedom) == (2.0, 2)
    kept = experiment(2, KEPT, *own(2, 5.0))
    known = after(known, kept, baseline, "mean_rank")
    assert (known.squares, known.freedom) == (12.0, 6)


def test_a_program_that_diverges_hides_no_later_gain():
    baseline = experiment(0, KEPT, *own(0, *TEMPLATE))
    known = after(Noise(), experiment(1, REVERTED, *own(1, 1.0, 2.0, 3.0)), baseline, "mean_rank")
    wild = experiment(2, REVERTED, *own(2, 1e200, -1e200))
    known = after(known, wild, baseline, "mean_rank")
    assert known.squares <= 2.0 + 9 * 1.0


def test_a_correlation_is_learnt_from_pairs_and_counts_only_once_there_are_enough():
    known, noise = Noise(), {n: (-1.0) ** n * (1 + n % 3) for n in range(40)}
    for number in range(1, 12):
        mine = own(number, *(noise[number + n] for n in range(3)))
        theirs = tuple(
            trial(Purpose.DECISION, scored(50 + noise[number + n]), asked_by=number,
                  index=draws.index(number, n))
            for n in range(3)
        )  # fmt: skip
        best = experiment(0, KEPT, *own(0, *TEMPLATE), *theirs)
        known = after(known, experiment(number, REVERTED, *mine), best, "mean_rank")
        assert (float(known.correlation) > 0) == (known.pairs >= 10)
    assert known.pairs == 22
    assert 0.6 < float(known.correlation) <= 0.8, "the same noise, shrunk towards none"


# -- constants ---------------------------------------------------------------------------------


def test_fewer_false_keeps_need_more_certainty_and_every_share_that_a_policy_may_say_has_some():
    shares = (0.01, 0.015, 0.02, 0.05, 0.07, 0.1, 0.3, 0.5)
    keeps = [constants.bounds(share, 14).keep for share in shares]
    assert keeps == sorted(keeps, reverse=True)
    assert constants.bounds(0.07, 14) == constants.bounds(0.05, 14), "never more than was wanted"
    assert constants.STRICTEST == 0.01


def test_a_keep_needs_no_more_trials_than_a_candidate_may_have():
    assert constants.bounds(0.05, 2).fewest == 2
