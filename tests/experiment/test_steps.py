"""What has to be done next follows from the entries alone, and the end from no order of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import POLICY_TEXT, SHIPPED
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import POLICY, Flight, Game, world

from runner import draws
from runner.experiment.fold import RunState, folded
from runner.experiment.steps import (
    Decide,
    Done,
    Measure,
    Wait,
)
from runner.journal.entries import Kind
from runner.policy.load import parse_policy
from runner.records import Place, Purpose

THREE_SPLITS = parse_policy(
    POLICY_TEXT.replace(
        "splits: [train] ",
        "splits: [train, b, c]\n  audit_splits: [train]\n  shared_targets: true ",
    )
).policy
GUARDED = parse_policy(
    f"{POLICY_TEXT}\nguards:\n  - {{name: fast, run: ['true'], seconds: 1}}\n"
).policy

POSTERIOR = parse_policy(SHIPPED.replace("most_trials: 14", "most_trials: 6")).policy


def noisy(score: float | None, more: float | None) -> Callable[[Place], float | None]:
    """Score draws around a level; a number that is absent is a crash, of the second draw on."""

    def value(place: Place) -> float | None:
        count = place.index % draws.PER_EXPERIMENT
        level = score if count == 0 or more is None else (score or 0.0)
        if level is None or (more is None and count == 1):
            return None
        noise = random.Random(f"{place.experiment} {place.index}")  # noqa: S311
        return level + 3 * noise.gauss(0, 1)

    return value


# -- by table ------------------------------------------------------------------------------------


def steps(game: Game, number: int) -> list[str]:
    """Name the steps of one experiment, each taken at once."""
    taken = []
    while not isinstance(step := game.next(number), Done):
        name = type(step).__name__
        taken.append(f"{name} {step.purpose}" if isinstance(step, Measure) else name)
        if isinstance(step, Measure):
            game.land((number, step.purpose, step.places[0]))
        else:
            game.take(number, step)
    return taken


KEPT = [
    *("Examine", "StoreAttempt", "Measure decision", "Measure decision", "Decide", "Settle"),
    "Measure audit",
]


@pytest.mark.parametrize(
    ("game", "expected"),
    [
        pytest.param(Game({0: world(100.0)}), KEPT, id="a baseline is kept"),
        pytest.param(
            Game({0: world(None)}),
            ["Examine", "StoreAttempt", "Measure decision", "Decide", "Settle"],
            id="a crash needs no second trial and no audit",
        ),
        pytest.param(
            Game({0: world(100.0)}, policy=GUARDED),
            [*KEPT[:4], "RunGuard", *KEPT[4:]],
            id="a guard runs before a keep",
        ),
        pytest.param(
            Game({0: world(100.0)}, policy=GUARDED, guards={(0, "fast"): "exit 1"}),
            [*KEPT[:4], "RunGuard", "Decide", "Settle"],
            id="one that failed reverts",
        ),
        pytest.param(
            Game({0: world(1.0)}, refused=frozenset({0})),
            ["Examine", "StoreAttempt", "Decide", "Settle"],
            id="what is refused is never run",
        ),
    ],
)
def test_the_steps_of_one_experiment(game, expected):
    game.propose()
    assert steps(game, 0) == expected


def test_the_first_trials_of_the_next_one_may_run_before_the_best_is_known():
    game = Game({0: world(100.0), 1: world(90.0), 2: world(95.0)}).play_in_turn(1)
    game.propose()
    game.propose()
    [first] = game.wants(2)
    assert (first[1], first[2].index) == (Purpose.DECISION, 2000)
    game.land(first)
    assert isinstance(game.next(2), Wait)
    while flights := game.wants(1):
        game.land(flights[0])
    assert isinstance(game.next(1), Done)
    assert isinstance(game.next(2), Decide), "worse than what was kept meanwhile: no second trial"


def test_nothing_is_decided_before_the_audit_of_what_was_kept_has_ended():
    game = Game({0: world(100.0), 1: world(90.0), 2: world(50.0)}).play_in_turn(1)
    game.propose()
    game.propose()
    for _ in range(2):
        game.land(game.wants(1)[0])
    [audit] = game.wants(1)
    assert audit[1] is Purpose.AUDIT
    game.land(game.wants(2)[0])
    assert isinstance(game.next(2), Wait)
    game.land(audit)
    assert isinstance(game.next(2), Measure)


def test_a_rule_sees_the_splits_of_a_seed_as_a_whole():
    game = Game({0: world(100.0), 1: world(90.0)}, policy=THREE_SPLITS).play_in_turn(1)
    game.propose()
    [first] = game.wants(1)
    game.land(first)
    rest = game.wants(1)
    assert [flight[2].split for flight in rest] == ["b", "c"]
    game.land(rest[1])
    assert [flight[2].split for flight in game.wants(1)] == ["b"]


# -- whatever the order --------------------------------------------------------------------------

SCORES = st.one_of(st.none(), st.sampled_from([80.0, 90.0, 95.0, 99.7, 100.0, 120.0]))
RUNS = st.lists(st.tuples(SCORES, SCORES, st.booleans()), min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(
    runs=RUNS,
    order=st.randoms(use_true_random=False),
    capacity=st.integers(1, 4),
    policy=st.sampled_from([POLICY, GUARDED, THREE_SPLITS]),
)
def test_what_comes_back_first_and_where_it_died_change_nothing_of_the_end(
    runs, order: random.Random, capacity, policy
):
    worlds = {0: world(100.0)} | {n: world(a, b) for n, (a, b, _) in enumerate(runs, start=1)}
    refused = frozenset(number for number, (*_, bad) in enumerate(runs, start=1) if bad)
    count = len(worlds)
    in_turn = Game(worlds, policy, refused).play_in_turn(count)
    shuffled = Game(worlds, policy, refused).play_in_turn(1)
    play_shuffled(shuffled, count, order, capacity)
    assert shuffled.ends == in_turn.ends
    assert sorted(map(repr, shuffled.measured)) == sorted(map(repr, in_turn.measured))


@settings(deadline=None, max_examples=30)
@given(runs=RUNS, order=st.randoms(use_true_random=False), capacity=st.integers(1, 4))
def test_a_rule_that_measures_both_sides_hangs_on_no_order_either(
    runs, order: random.Random, capacity
):
    worlds = {0: noisy(100.0, 0.0)} | {n: noisy(a, b) for n, (a, b, _) in enumerate(runs, start=1)}
    count = len(worlds)
    in_turn = Game(worlds, POSTERIOR).play_in_turn(count)
    shuffled = Game(worlds, POSTERIOR).play_in_turn(1)
    play_shuffled(shuffled, count, order, capacity)
    assert shuffled.ends == in_turn.ends
    assert sorted(map(repr, shuffled.measured)) == sorted(map(repr, in_turn.measured))
    assert shuffled.state.noise == in_turn.state.noise


def play_shuffled(game: Game, count: int, order: random.Random, capacity: int) -> None:
    """Keep several experiments under way; any trial comes back next, or the supervisor dies."""
    flying: list[Flight] = []
    while not all(isinstance(game.next(number), Done) for number in range(game.state.count)) or (
        game.state.count < count
    ):
        active = [n for n in range(game.state.count) if not isinstance(game.next(n), Done)]
        if game.state.count < count and len(active) < capacity and order.random() < 0.7:
            game.propose()
            active.append(game.state.count - 1)
        for number in order.sample(active, len(active)):
            step = game.next(number)
            if isinstance(step, Measure):
                flights = [(number, step.purpose, place) for place in step.places]
                flying += [each for each in flights if each not in flying]
            elif not isinstance(step, Wait) and order.random() < 0.8:
                game.take(number, step)
        if flying and order.random() < 0.6:
            game.land(flying.pop(order.randrange(len(flying))))
        if order.random() < 0.1:
            flying.clear()
            game.state = folded(game.entries)  # a new supervisor knows the entries alone


@settings(deadline=None, max_examples=30)
@given(runs=RUNS, cut=st.integers(0, 10_000))
def test_the_state_is_the_same_wherever_the_fold_is_taken_up_again(runs, cut):
    worlds = {0: world(100.0)} | {n: world(a, b) for n, (a, b, _) in enumerate(runs, start=1)}
    entries = Game(worlds).play_in_turn(len(worlds)).entries
    at = cut % (len(entries) + 1)
    assert folded(entries[at:], folded(entries[:at])) == folded(entries)


# -- what is none --------------------------------------------------------------------------------


def test_entries_that_do_not_follow_are_refused():
    game = Game({0: world(100.0), 1: world(90.0)}).play_in_turn(1)
    game.propose()
    later = [entry for entry in game.entries if entry.kind == Kind.SETTLED]
    settled_early = replace(later[0], body=later[0].body.replace('"number":0', '"number":1'))
    with pytest.raises((ValueError, KeyError)):
        folded([settled_early], RunState())
    with pytest.raises(ValueError, match="comes after"):
        folded([entry for entry in game.entries if entry.kind == Kind.PROPOSED][1:])
