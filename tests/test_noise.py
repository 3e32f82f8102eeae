"""What is said of a task's noise: from trials, and from what a run with such noise would see."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from fakes import FakeSandbox, crashed, make_session, scored

from runner import intervals, paths
from runner.errors import RunStoppedError
from runner.noise import report
from runner.noise.measuring import measure
from runner.noise.report import Noise, Sight
from runner.policy.load import load_policy
from runner.policy.schema import DecisionRule, Simplicity
from runner.records import TrialResult, TrialSpec
from runner.scheduler import run_loop
from runner.task_check import noisy, playing

POLICY = load_policy(paths.policy_path("eclip")).policy
SPEC = playing.specification(
    "eclip", POLICY, SimpleNamespace(digest="d"), image_id="image", scorer_image_id="other"
)
NOISY = Noise(scores=(20.0, 25.0, 30.0, 22.0, 24.0, 19.0, 28.0, 23.0), error=1.2, seconds=17.0)
SEEN = Sight(half=1.9, most=2.5, extra=28.0)


def with_decision(**said: object):
    return POLICY.model_copy(update={"decision": POLICY.decision.model_copy(update=said)})


def with_step(step: float):
    return POLICY.model_copy(update={"metric": POLICY.metric.model_copy(update={"round_to": step})})


# -- intervals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "count", "low", "high"),
    [
        pytest.param(0, 40, 0.0, 0.0881, id="none of 40"),
        pytest.param(40, 40, 0.9119, 1.0, id="all"),
        pytest.param(3, 40, 0.0157, 0.2039, id="some"),
        pytest.param(0, 120, 0.0, 0.0303, id="none of 120"),
        pytest.param(5, 1000, 0.0016, 0.0116, id="few of many"),
    ],
)
def test_the_interval_of_a_share_is_clopper_and_pearsons(kept, count, low, high):
    assert intervals.share(kept, count) == (
        pytest.approx(low, abs=5e-5),
        pytest.approx(high, abs=5e-5),
    )


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (120, 1.980)]
)
def test_students_quantiles_are_those_of_the_tables(freedom, t):
    assert intervals.student(freedom) == pytest.approx(t, abs=5e-4)


def test_one_value_has_no_interval():
    assert intervals.of_mean([3.0]) == (3.0, None)
    assert intervals.of_mean([1.0, 2.0, 3.0]) == (2.0, pytest.approx(4.303 / 3**0.5, abs=1e-3))


# -- trials ------------------------------------------------------------------------------------


def of_a_draw(spec: TrialSpec) -> TrialResult:
    draw = random.Random(f"{spec.seed}")  # noqa: S311
    machine = random.Random(f"{spec.seed} {len(spec.workspace['train.py'].content)}")  # noqa: S311
    return scored(50 + 4 * draw.gauss(0, 1) + machine.gauss(0, 1), mean_rank_se=2.0)


def test_each_draw_is_fresh_and_shared_by_the_template_and_its_twin():
    sandbox = FakeSandbox(of_a_draw)
    found = measure(sandbox, SPEC, POLICY, draws=40)
    seeds = [spec.seed for spec in sandbox.specs]
    assert len({*seeds}) == 40
    assert seeds[::2] == seeds[1::2]
    mine, twin = (spec.workspace["train.py"].content for spec in sandbox.specs[:2])
    assert twin == mine + b"# planted 0: nothing changes\n"
    assert found.deviation == pytest.approx(4.1, rel=0.3)
    assert found.of_the_machine == pytest.approx(1.0, rel=0.3)
    assert found.correlation == pytest.approx(0.94, abs=0.05)
    assert found.error == 2.0


def test_a_template_that_fails_has_no_noise():
    with pytest.raises(RunStoppedError, match="the unmodified template failed"):
        measure(FakeSandbox(lambda _: crashed()), SPEC, POLICY, draws=2)


# -- what follows ------------------------------------------------------------------------------


def test_what_a_run_sees_comes_from_the_rule_itself(monkeypatch):
    monkeypatch.setattr(report, "RUNS", 24)
    seen = report.sight(POLICY, 3.76)
    assert seen.half is not None
    assert seen.most is not None
    assert 1.2 < seen.half < seen.most < 4
    assert 10 < seen.extra < 50
    dearer = report.sight(with_decision(min_gain=12.0), 3.76)
    assert dearer.half is not None
    assert dearer.half > seen.half, "a gain must be above min_gain"


def test_a_person_reads_mean_noise_sight_and_cost():
    found = dict(report.lines(POLICY, replace(NOISY, twins=NOISY.scores[::-1]), SEEN))
    assert found["mean"] == "mean_rank 23.875 on 8 draws"
    assert found["sd"] == "3.76 ± 1 from draw to draw"
    assert "correlation" in found["same draw"]
    assert found["sees"] == "a gain of 7.1 in mean_rank is kept with 50 %, one of 9.4 with 80 %"
    assert found["takes"].startswith("100 experiments: about 128 trials of 17.0 s, about 0.6 h")


def test_scores_without_noise_are_said_to_be_exact():
    found = dict(report.lines(POLICY, Noise(scores=(7.0, 7.0), twins=(7.0, 7.0)), None))
    assert found["sd"].startswith("0: a draw changes nothing of a score")
    assert "sees" not in found


@pytest.mark.parametrize(
    ("policy", "noise", "words"),
    [
        pytest.param(POLICY, NOISY, [], id="a policy that fits"),
        pytest.param(with_step(20.0), NOISY, ["hides gains from agents"], id="a step too large"),
        pytest.param(with_step(0.01), NOISY, ["differences that are noise"], id="a step too small"),
        pytest.param(with_decision(min_gain=30.0), NOISY, ["min_gain 30 hides"], id="hides gains"),
        pytest.param(
            with_decision(rule="strict", most_trials=2, min_gain=1.0, false_keeps=None),
            NOISY,
            ["min_gain 1 invents gains under the rule strict", "with 40 %"],
            id="invents gains",
        ),
        pytest.param(
            with_step(20.0), Noise(scores=(), error=1.2), ["uncertainty (1.2)"], id="one trial"
        ),
        pytest.param(POLICY, Noise(scores=()), [], id="nothing is known"),
    ],
)
def test_a_step_or_a_gain_that_hides_or_invents_is_warned_of(monkeypatch, policy, noise, words):
    monkeypatch.setattr(report, "sight", lambda *_: SEEN)
    found = "\n".join(report.warnings(policy, noise, SEEN if noise.deviation else None))
    assert bool(found) == bool(words)
    assert all(each in found for each in words)


def test_the_block_to_paste_mends_what_was_warned_of():
    said = report.block(with_step(0.01), NOISY, SEEN)
    assert said.startswith("metric: {name: mean_rank, direction: minimize, round_to: 1}\ndecision:")
    assert said.endswith("  false_keeps: 0.05\n  most_trials: 14\n  min_gain: 0")


def test_the_block_to_paste_keeps_what_the_policy_says_of_lines():
    priced = with_decision(price_per_line=0.002, simplicity=Simplicity(tie_within=0.01))
    pasted = yaml.safe_load(report.block(priced, NOISY, SEEN))["decision"]
    assert DecisionRule(**pasted) == DecisionRule(
        false_keeps=0.05,
        most_trials=14,
        price_per_line=0.002,
        simplicity=Simplicity(tie_within=0.01),
    )


@pytest.mark.parametrize(("value", "step"), [(1.88, 1), (0.051, 0.05), (2.0, 2), (9.9, 5)])
def test_a_tidy_step_is_one_two_or_five(value, step):
    assert report.tidy(value) == step


# -- what a check knows ------------------------------------------------------------------------


def test_a_check_knows_the_noise_of_a_runs_baseline_if_it_ran_the_same(tmp_path):
    with make_session(tmp_path, FakeSandbox(of_a_draw)) as session:
        run_loop(session, experiments=0)
        run, policy, baseline = session.run, session.policy, session.read(0)
        template = session.workspace.files(run.base_commit)
        spec = replace(
            SPEC, workspace=template, harness_digest=run.harness_digest,
            data_digest=run.data_digest,
        )  # fmt: skip
        found = noisy.known(session.journal, spec, policy, 2.0)
        other = noisy.known(session.journal, replace(spec, data_digest="other"), policy, 2.0)
    assert len(found.scores) == len(baseline.trials) - 1 == 2, "the last trial is the audit's"
    assert (other.scores, other.error) == ((), 2.0)
