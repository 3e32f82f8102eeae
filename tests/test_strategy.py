"""Which experiment a proposal starts from: a pure function, and the same one on every resume."""

from __future__ import annotations

from collections import Counter

import pytest

from runner.decision import Direction, Metric
from runner.policy.schema import Strategy
from runner.records import Experiment, ExperimentStatus, Origin
from runner.steering.strategy import Choice, choose, from_the_template, parent_commit, standing

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
CRASHED, REFUSED = ExperimentStatus.CRASHED, ExperimentStatus.REFUSED
METRIC = Metric(name="mean_rank", direction=Direction.MINIMIZE, round_to=0.5)
NUMBERS = range(1, 1001)


def experiment(
    number: int,
    score: float | None,
    status: ExperimentStatus = REVERTED,
    *,
    parent: int = 0,
    rule: str | None = None,
) -> Experiment:
    return Experiment(
        run="t1", number=number, parent_commit="", hypothesis="", category="", changes=(),
        status=status, score=score, rule=rule, attempt_commit=f"attempt{number}",
        commit=f"kept{number}" if status is KEPT else None,
        origin=Origin(agent="a", isolation="api", parent=parent) if number else None,
    )  # fmt: skip


BASE = experiment(0, 100.0, KEPT)
HISTORY = (
    BASE,
    experiment(1, 80.0, KEPT),
    experiment(2, 85.0),
    experiment(3, None, CRASHED),
    experiment(4, 70.0, KEPT),
    experiment(5, 75.0),
    experiment(6, None, REFUSED),
)
"""Best first: 4, 5, 1, 2, 0."""


def chosen_from(history, strategy: Strategy, metric: Metric, **more) -> Choice:
    best = [one for one in history if one.status is KEPT][-1]
    return choose(history, best, strategy, metric, **more)


def parents(history, strategy: Strategy, numbers=NUMBERS, tag: str = "t1") -> Counter[int]:
    chosen = (chosen_from(history, strategy, METRIC, tag=tag, number=number) for number in numbers)
    return Counter(choice.parent.number for choice in chosen)


# -- greedy -----------------------------------------------------------------------------------


def test_greedy_starts_from_the_last_kept_one_whatever_scored_since():
    assert parents(HISTORY, Strategy()) == {4: 1000}


def test_a_kept_one_starts_from_its_commit_and_a_reverted_one_from_its_attempt():
    assert parent_commit(HISTORY[4]) == "kept4"
    assert parent_commit(HISTORY[5]) == "attempt5"


def test_the_template_is_where_independent_draws_start():
    choice = from_the_template(HISTORY)
    assert (choice.parent.number, choice.strategy) == (0, "baseline")


# -- topk -------------------------------------------------------------------------------------

TOPK = Strategy(name="topk")


def test_topk_draws_the_best_three_with_70_20_and_10_percent():
    drawn = parents(HISTORY, TOPK, range(1, 10_001))
    assert set(drawn) == {4, 5, 1}
    assert drawn[4] == pytest.approx(7000, abs=150)
    assert drawn[5] == pytest.approx(2000, abs=150)
    assert drawn[1] == pytest.approx(1000, abs=150)


@pytest.mark.parametrize(
    ("chance", "parent"), [(0.0, 4), (0.6999, 4), (0.7, 5), (0.8999, 5), (0.9, 1), (0.9999, 1)]
)
def test_each_chance_falls_into_its_share(monkeypatch, chance, parent):
    monkeypatch.setattr("runner.steering.strategy._chance", lambda _tag, _number: chance)
    assert parents(HISTORY, TOPK, [1]) == {parent: 1}


def test_of_fewer_than_three_the_shares_stay_in_proportion():
    drawn = parents(HISTORY[:2], TOPK, range(1, 9001))
    assert drawn[1] == pytest.approx(7000, abs=150)
    assert drawn[0] == pytest.approx(2000, abs=150)


def test_with_nothing_but_the_baseline_everything_starts_from_it():
    for strategy in (Strategy(), TOPK, Strategy(name="random")):
        assert parents([BASE], strategy) == {0: 1000}


def test_what_maximizes_is_ranked_the_other_way_round():
    metric = Metric(name="auc", direction=Direction.MAXIMIZE, round_to=0.001)
    chosen = {
        chosen_from(HISTORY, TOPK, metric, tag="t1", number=number).parent.number
        for number in NUMBERS
    }
    assert chosen == {0, 2, 1}


def test_scores_that_an_agent_cannot_tell_apart_rank_by_kept_and_then_by_newest(monkeypatch):
    monkeypatch.setattr("runner.steering.strategy._chance", lambda _tag, _number: 0.0)
    tied = (BASE, experiment(1, 80.1, KEPT), experiment(2, 79.9), experiment(3, 79.8))
    assert parents(tied, TOPK, [1]) == {1: 1}
    monkeypatch.setattr("runner.steering.strategy._chance", lambda _tag, _number: 0.8)
    assert parents(tied, TOPK, [1]) == {3: 1}


def test_nothing_starts_from_what_crashed_was_refused_or_failed_a_guard():
    odd = (*HISTORY, experiment(7, 1.0, rule="guard:tests"), experiment(8, 2.0, REFUSED))
    for strategy in (TOPK, Strategy(name="random")):
        assert not {3, 6, 7, 8} & set(parents(odd, strategy))


def test_every_fifth_of_topk_explores_and_says_so():
    choices = [
        chosen_from(HISTORY, TOPK, METRIC, tag="t1", number=number) for number in range(1, 21)
    ]
    explored = [number for number, choice in enumerate(choices, 1) if choice.mode == "explore"]
    assert explored == [5, 10, 15, 20]
    assert "unlike everything before" in choices[4].why


def test_no_reason_tells_a_score():
    choices = [chosen_from(HISTORY, TOPK, METRIC, tag="t1", number=number) for number in NUMBERS]
    assert not any("70" in choice.why or "75" in choice.why for choice in choices)


def discards(count: int, parent: int, first: int = 7) -> tuple[Experiment, ...]:
    return tuple(experiment(first + i, 90.0 + i, parent=parent) for i in range(count))


def test_after_five_discards_in_a_row_from_one_parent_another_one_is_taken():
    four, five = (*HISTORY, *discards(4, 4)), (*HISTORY, *discards(5, 4))
    assert parents(four, TOPK)[4] > 600
    assert set(parents(five, TOPK)) == {5, 1, 2}
    assert "last 5 from experiment 4" in chosen_from(five, TOPK, METRIC, tag="t1", number=12).why


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(experiment(12, 95.0, parent=1), id="one from another parent"),
        pytest.param(experiment(12, 60.0, KEPT, parent=4), id="a keep"),
    ],
)
def test_what_comes_between_ends_the_row(between):
    assert parents((*HISTORY, *discards(5, 4), between), TOPK)[4] > 0


def test_a_refusal_tested_nothing_and_does_not_end_the_row():
    refused = experiment(12, None, REFUSED, parent=1)
    assert 4 not in parents((*HISTORY, *discards(5, 4), refused), TOPK)


def test_the_only_parent_there_is_stays_one_after_five_discards():
    crashes = tuple(experiment(n, None, CRASHED) for n in range(1, 6))
    assert parents((BASE, *crashes), TOPK) == {0: 1000}


# -- random -----------------------------------------------------------------------------------


def test_random_starts_from_any_that_was_scored_equally_often():
    drawn = parents(HISTORY, Strategy(name="random"), range(1, 10_001))
    assert set(drawn) == {0, 1, 2, 4, 5}
    assert all(count == pytest.approx(2000, abs=150) for count in drawn.values())


# -- the same again, and other runs -----------------------------------------------------------


@pytest.mark.parametrize("name", ["greedy", "topk", "random"])
def test_the_same_tag_and_number_choose_the_same(name):
    for number in range(1, 50):
        first, again = (
            chosen_from(HISTORY, Strategy(name=name), METRIC, tag="t1", number=number)
            for _ in range(2)
        )
        assert first == again


def test_another_run_draws_otherwise():
    numbers = range(1, 50)
    one, other = (
        [chosen_from(HISTORY, TOPK, METRIC, tag=tag, number=n).parent.number for n in numbers]
        for tag in ("t1", "t2")
    )
    assert one != other


# -- plateaus ---------------------------------------------------------------------------------

PATIENT = Strategy(name="greedy", patience=3, then="random")


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        pytest.param((), "greedy", id="two without a keep"),
        pytest.param((experiment(7, 99.0),), "greedy", id="a refusal is none of them"),
        pytest.param((experiment(7, 99.0), experiment(8, None, CRASHED)), "random", id="three"),
        pytest.param(
            (*discards(3, 4), experiment(10, 60.0, KEPT)), "greedy", id="a keep ends the plateau"
        ),
    ],
)
def test_after_patience_experiments_without_a_keep_the_other_strategy_holds(later, expected):
    assert standing((*HISTORY, *later), PATIENT) == expected


def test_a_plateau_changes_the_choice_and_is_its_reason():
    history = (*HISTORY, *discards(3, 4))
    choice = chosen_from(history, PATIENT, METRIC, tag="t1", number=10)
    assert choice.strategy == "random"
    assert choice.why.startswith("nothing was kept in the last 3 experiments: ")


def test_without_patience_nothing_ever_changes():
    assert standing((*HISTORY, *discards(50, 4)), Strategy()) == "greedy"
