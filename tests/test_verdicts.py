"""No rounding contradicts a verdict: thousands of random comparisons, as a person and as an agent
are told of them."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from fakes import POLICY_TEXT, FakeSandbox, ScriptedAgent, decide, edit, make_session, scored

from runner.decision import (
    Decision,
    Direction,
    Metric,
    Tie,
    Verdict,
    judged,
    told,
    verdict_in,
)
from runner.prompt.history import result
from runner.proposals.context import history_as_told
from runner.records import Experiment, ExperimentStatus, TrialSpec
from runner.scheduler import run_loop
from runner.views import export, lines

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
KEEPS = {Verdict.KEPT, Verdict.TIE, Verdict.BASELINE}
LOSSES = {Verdict.WORSE, Verdict.CLEARLY_WORSE}
NUMBER = r"([+-]?[\d.]+(?:e[+-]?\d+)?)"
PERSON = re.compile(rf": \S+ {NUMBER} on .*: gain {NUMBER} over the best {NUMBER}, needed {NUMBER}")
LEVELS = re.compile(rf": \S+ {NUMBER}, best before {NUMBER}(?=:|,)")
AGENT = re.compile(rf"{LEVELS.pattern}: gain {NUMBER}, needed {NUMBER}")

Case = tuple[Metric, float, float, float, Tie | None]


def cases(count: int = 3000) -> Iterator[Case]:
    """Yield comparisons, most of them within a step of where a verdict changes."""
    draw = random.Random(16)  # noqa: S311 - the same cases each time
    for _ in range(count):
        step = draw.choice([0.5, 0.01, 0.001, 0.002, 1e-6, 3.0])
        needed = draw.choice([0.0, 0.002, 0.2, 0.5, step, step / 3, draw.random()])
        best = draw.choice([0.5, 0.904, 0.7, draw.random(), 1e6 * draw.random(), -draw.random()])
        edge = draw.choice([0.0, needed, -needed, step, -step / 2])
        off = draw.choice([0.0, 0.0, 1e-16, 1e-9, step / 10, step, needed]) * draw.uniform(-1, 1)
        direction = draw.choice(list(Direction))
        gain = edge + off
        score = round(best - gain if direction is Direction.MINIMIZE else best + gain, 12)
        within = draw.choice([0.0, abs(edge), needed])
        tie = Tie(within=within, lines_before=9, lines=draw.choice([8, 9])) if off else None
        yield Metric(name="m", direction=direction, round_to=step), best, score, needed, tie


def decided(metric: Metric, best: float, score: float, needed: float, tie: Tie | None) -> Decision:
    found = decide(metric, best, [scored(score, "m")], planned=1, min_gain=needed, tie=tie)
    assert isinstance(found, Decision)
    return found


def gain_of(metric: Metric, best: str, score: str) -> Decimal:
    return metric.difference(Decimal(best), Decimal(score))


def test_opposite_verdicts_never_have_the_same_words():
    words: dict[Verdict | None, set[ExperimentStatus]] = {}
    for case in cases():
        found = decided(*case)
        words.setdefault(verdict_in(found.reason), set()).add(found.status)
    assert None not in words
    assert {word for word, seen in words.items() if seen == {KEPT}} == KEEPS - {Verdict.BASELINE}
    assert {word for word, seen in words.items() if seen == {REVERTED}} == (
        set(Verdict) - KEEPS - {Verdict.UNDECIDED}
    )


def test_a_person_s_numbers_show_the_verdict():
    for case in cases():
        metric, tie = case[0], case[4]
        found = decided(*case)
        shown = PERSON.search(found.reason)
        assert shown, found.reason
        score, gain, best, needed = shown.groups()
        assert gain_of(metric, best, score) == Decimal(gain), found.reason
        within = Decimal(repr(tie.within)) if tie and tie.shorter else None
        assert found.reason.startswith(f"{judged(Decimal(gain), Decimal(needed), within)}: ")


def test_an_agent_s_numbers_are_rounded_levels_and_never_contradict_the_verdict():
    for metric, best, score, needed, tie in cases():
        verdict = verdict_in(decided(metric, best, score, needed, tie).reason)
        assert verdict is not None
        within = tie.within if tie else None
        gain, reason = told(metric, verdict, best, score, min_gain=needed, tie_within=within)
        levels = LEVELS.search(reason)
        assert levels, reason
        after, before = levels.groups()
        assert float(after) == metric.rounded(score)
        assert float(before) == metric.rounded(best)
        assert gain_of(metric, before, after) == Decimal(repr(gain))
        assert reason.startswith(f"{verdict}: ")
        if shown := AGENT.search(reason):
            asked = Decimal(shown[4])
            enough = 0 < Decimal(shown[3]) >= asked
            assert enough == (verdict is Verdict.KEPT)
            assert (Decimal(shown[3]) < 0) == (verdict in LOSSES) or verdict is Verdict.TIE
        else:
            assert "before rounding" in reason


def test_a_line_s_change_is_the_difference_of_what_stands_there():
    for metric, best, score, needed, tie in cases():
        found = decided(metric, best, score, needed, tie)
        after, change = lines.change(metric, experiment(found))
        moved = Decimal(change.removeprefix("(Δ ").removesuffix(")"))
        [before, _] = lines.levels(metric, metric.before(score, found.gain or 0.0), score)
        assert Decimal(after) - Decimal(before) == moved
        assert (moved == 0) == (found.gain == 0)
        assert moved == 0 or (moved > 0) == (score > best)


def experiment(found: Decision, number: int = 1) -> Experiment:
    return Experiment(
        run="r", number=number, parent_commit="", hypothesis="h", category="", changes=(),
 status=found.status, reason=found.reason, score=found.score, gain=found.gain,
    )  # fmt: skip


def test_what_is_written_in_decimals_is_compared_in_decimals():
    """0.7 - 0.5 is less than 0.2 in binary; nobody who reads the numbers would say so."""
    metric = Metric(name="m", direction=Direction.MAXIMIZE, round_to=0.1)
    assert decided(metric, 0.5, 0.7, 0.2, None).status is KEPT
    assert decided(metric, 0.904, 0.906, 0.002, None).status is KEPT
    assert decided(metric, 0.904, 0.9059, 0.002, None).reason == (
        "just short: m 0.9059 on 1 seed: gain +0.0019 over the best 0.904, needed 0.002"
    )


@pytest.mark.parametrize(
    ("score", "verdict", "rest"),
    [
        (0.9062, "kept", ": gain +0.002, needed 0.002"),
        (0.9058, "just short", ", both in steps of 0.001; before rounding a gain of less than"),
        (0.9048, "just short", ": gain +0.001, needed 0.002"),
        (0.9039, "worse", ", both in steps of 0.001; before rounding a loss of at most 0.002"),
        (0.9041, "just short", ", both in steps of 0.001; before rounding a gain of less than"),
        (0.9019, "clearly worse", ", both in steps of 0.001; before rounding a loss of more than"),
        (0.9004, "clearly worse", ": gain -0.004, needed 0.002"),
        (0.904, "no better", ": gain 0, needed 0.002"),
    ],
)
def test_the_same_rounded_numbers_have_words_that_say_which_is_which(score, verdict, rest):
    metric = Metric(name="auc", direction=Direction.MAXIMIZE, round_to=0.001)
    decision = decided(Metric(name="m", direction=Direction.MAXIMIZE, round_to=1), 0.904, score,
                       0.002, None)  # fmt: skip
    found = verdict_in(decision.reason)
    _, reason = told(metric, found, 0.904, score, min_gain=0.002)
    assert reason.startswith(f"{verdict}: auc ")
    assert rest.replace("gain 0,", "gain +0,") in reason


def test_a_person_is_told_the_seeds_and_the_skipped_one_and_an_agent_is_not(tmp_path):
    def score(spec: TrialSpec):
        return scored({0: 100.0, 1: 99.3, 2: 120.0}[spec.experiment])

    proposals = [edit("WIDTH = 32", f"WIDTH = {width}") for width in (64, 65)]
    policy = POLICY_TEXT.replace("min_gain: 1.0", "min_gain: 0.5")
    with make_session(tmp_path, FakeSandbox(score), policy_text=policy) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=2)
        known, history = history_as_told(session), session.history
    said = [lines.experiment_line(session.metric, found) for found in history]
    assert "KEPT on 2 of 2 seeds" in said[1]
    assert "REVERTED, clearly worse on 1 of 2 seeds, the second skipped" in said[2]
    assert "1 of 2 seeds, the second skipped" in history[2].reason
    assert not any("seed" in result(found) for found in known)
    assert result(known[2]).startswith("reverted: clearly worse: mean_rank 120, best before 99.5")


def test_the_tables_of_results_tell_scores_apart():
    rows = [{"m": 0.9040001}, {"m": 0.9040002}, {"m": None}]
    scores = (0.9040001, 0.9040002)
    assert "".join(export.tsv(rows, {"m": scores})).splitlines() == ["m", *map(str, scores), '""']


HUGE, TINY = 1.7e308, 5e-324


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("step", [1e300, 7.0, 0.001, 1e-12, 1e-300])
def test_no_score_is_too_large_or_too_small_to_be_told(direction, step):
    """A training that diverged may score anything that a float can hold."""
    metric = Metric(name="m", direction=direction, round_to=step)
    for best, score in itertools.permutations([HUGE, -HUGE, 1e16, 1.0, 0.0, TINY], 2):
        found = decide(metric, best, [scored(score, "m")] * 2, planned=2, min_gain=TINY)
        assert isinstance(found, Decision)
        assert found.score == score
        assert found.gain is not None
        gain, reason = told(metric, verdict_in(found.reason), best, score, min_gain=TINY)
        kept = metric.difference(Decimal(repr(best)), Decimal(repr(score))) > 0
        assert (found.status is KEPT) is kept
        assert reason.startswith("kept: ") is kept
        for value in (found.gain, gain, metric.rounded(score)):
            assert math.isfinite(value)
        assert lines.experiment_line(metric, experiment(found))


def test_a_step_finer_than_ten_decimals_rounds_to_that_step():
    metric = Metric(name="m", direction=Direction.MAXIMIZE, round_to=1e-12)
    assert metric.rounded(3.4e-12) == 3e-12
