"""An audit confirms a gain, refutes it, or is too noisy to tell; a table of each."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeSandbox, ScriptedAgent, edit, make_session, scored

from harness.scoring import errors
from harness.scoring.classification import auc
from harness.scoring.ranks import retrieval_metrics
from runner.agents.about import about
from runner.agreement import Agreement, Compared, Gain, _deviation, compared
from runner.decision import Direction, Metric
from runner.prompt.brief import brief
from runner.proposals.context import make_context
from runner.records import (
    Experiment,
    ExperimentStatus,
    Purpose,
    Score,
    TrialRecord,
    TrialResult,
    TrialSpec,
    TrialStatus,
)
from runner.scheduler import run_loop
from runner.views import documents, summary

AUC = Metric(name="auc", direction=Direction.MAXIMIZE, round_to=0.001)
AGREE, DISAGREE, NOISY = Agreement.AGREE, Agreement.DISAGREE, Agreement.NOISY


@pytest.mark.parametrize(
    ("claimed", "audited", "expected"),
    [
        pytest.param((10, None), (5, None), AGREE, id="exact: half of the claim"),
        pytest.param((10, None), (4.99, None), DISAGREE, id="exact: less than half"),
        pytest.param((10, None), (-1, None), DISAGREE, id="exact: a loss"),
        pytest.param((0.017, 0.01), (0.004, 0.006), NOISY, id="0.004 on 61 rows is noise"),
        pytest.param((0.017, 0.01), (0.015, 0.03), NOISY, id="as good as claimed, and noise"),
        pytest.param((0.017, 0.01), (0.015, 0.003), AGREE, id="surely a gain"),
        pytest.param((10, 1.0), (-2, 1.0), DISAGREE, id="surely less than half"),
        pytest.param((10, 1.0), (4.0, 1.0), NOISY, id="a gain, and perhaps half"),
        pytest.param((10, None), (3.0, 0.9), DISAGREE, id="only the audit varies"),
        pytest.param((10, 4.0), (3.0, None), NOISY, id="only the claim varies"),
        pytest.param((10, 0.0), (5.0, 0.0), AGREE, id="errors of zero are exact"),
        pytest.param((0, None), (0, None), AGREE, id="a tie claims nothing"),
        pytest.param((-0.2, None), (-0.3, None), DISAGREE, id="a tie that loses more"),
        pytest.param((-0.2, 0.1), (-0.3, 0.1), NOISY, id="a tie that may lose more"),
        pytest.param((-0.2, 0.1), (0.1, 0.1), AGREE, id="a tie that loses nothing"),
    ],
)
def test_the_claim_and_the_audit_agree_disagree_or_nobody_can_tell(claimed, audited, expected):
    gains = [Gain(value=value, error=error) for value, error in (claimed, audited)]
    claimed, audited = gains
    assert Compared(claimed=claimed, audited=audited).agreement is expected


def experiment(
    number: int, decision: dict[str, list[float]], audit: list[float], error: float | None = None
) -> Experiment:
    """Return a kept experiment with these scores by split, each with the same error."""
    places = [
        (purpose, split, seed, value)
        for purpose, splits in ((Purpose.DECISION, decision), (Purpose.AUDIT, {"full": audit}))
        for split, values in splits.items()
        for seed, value in enumerate(values)
    ]
    more = {} if error is None else {"auc_se": error}
    trials = tuple(
        TrialRecord(
            purpose=purpose,
            split=split,
            index=seed,
            seed=seed,
            asked_by=number,
            result=TrialResult(
                status=TrialStatus.SCORED, reason="", score=Score(metrics={"auc": value, **more})
            ),
        )
        for purpose, split, seed, value in places
    )
    values = [value for purpose, _, _, value in places if purpose is Purpose.DECISION]
    return Experiment(
        run="r", number=number, parent_commit="", hypothesis="", category="", changes=(),
 status=ExperimentStatus.KEPT, score=float(np.mean(values)), trials=trials,
    )  # fmt: skip


def test_errors_of_rows_add_up_over_splits_and_not_over_seeds():
    baseline = experiment(0, {"a": [0.9], "b": [0.9]}, [0.9], error=0.01)
    best = experiment(1, {"a": [0.92], "b": [0.92]}, [0.91], error=0.01)
    found = compared(AUC, baseline, best)
    assert found is not None
    assert found.claimed.error == pytest.approx(math.sqrt(2) * 0.01 / math.sqrt(2))
    assert found.audited.error == pytest.approx(math.sqrt(2) * 0.01)
    same_rows = [experiment(n, {"a": [0.9, 0.9]}, [0.9], error=0.01) for n in (0, 1)]
    found = compared(AUC, *same_rows)
    assert found is not None
    assert found.claimed.error == pytest.approx(math.sqrt(2) * 0.01)


def test_the_spread_between_seeds_counts_for_both_gains():
    baseline = experiment(0, {"a": [0.89, 0.91]}, [0.9])
    best = experiment(1, {"a": [0.92, 0.94]}, [0.93])
    found = compared(AUC, baseline, best)
    assert found is not None
    deviation = math.sqrt(0.0002)
    assert found.claimed.error == pytest.approx(deviation)
    assert found.audited.error == pytest.approx(deviation * math.sqrt(2))


def test_a_metric_that_nothing_is_known_of_is_compared_exactly():
    baseline, best = experiment(0, {"a": [2.4]}, [2.4]), experiment(1, {"a": [2.6]}, [2.6])
    told = summary.audit_sentence(AUC, baseline, best)
    assert told == "auc 2.600, baseline 2.400: gain +0.2 against +0.2 on the holdout, the two agree"


def test_an_audit_that_is_still_under_way_is_not_compared():
    baseline, best = experiment(0, {"a": [0.7]}, [0.9, 0.5]), experiment(1, {"a": [0.8]}, [0.6])
    *others, last = baseline.trials
    baseline = replace(baseline, trials=(*others, replace(last, split="other", index=0)))
    assert compared(AUC, baseline, best) is None
    assert summary.audit_sentence(AUC, baseline, best).endswith("not complete")


def test_an_audit_on_few_rows_is_said_to_be_too_noisy():
    baseline = experiment(0, {"a": [0.892]}, [0.947], error=0.03)
    best = experiment(1, {"a": [0.909]}, [0.951], error=0.03)
    assert summary.audit_sentence(AUC, baseline, best) == (
        "auc 0.951, baseline 0.947: gain +0.004 ± 0.083 against +0.017 ± 0.083 on the holdout,"
        " too noisy to tell: neither confirmed nor refuted"
    )
    document = documents.audit_document(AUC, baseline, best)
    assert document is not None
    assert document["agreement"] == "noisy"


# -- what the scorers say ---------------------------------------------------------------------


def test_the_errors_of_scorers_are_those_of_drawing_rows_again():
    bits = np.random.default_rng(0)

    def drawn(rows: int) -> tuple[np.ndarray, np.ndarray]:
        targets = bits.integers(0, 2, rows)
        return targets, bits.normal(size=rows) + targets

    again = [auc(*drawn(200)) for _ in range(400)]
    said = [errors.of_auc(*drawn(200)) for _ in range(50)]
    assert np.mean(said) == pytest.approx(np.std(again), rel=0.15)
    shares = bits.binomial(300, 0.1, size=2000)
    assert errors.of_share(30, 300) == pytest.approx(np.std(shares / 300), rel=0.1)
    values = bits.normal(size=100)
    assert errors.of_mean(values) == pytest.approx(np.std(values, ddof=1) / 10)


def test_one_row_has_no_error_and_no_misses_are_no_certainty():
    assert errors.of_mean(np.array([1.0])) is None
    assert errors.of_auc(np.array([0, 1]), np.array([0.0, 1.0])) is None
    assert errors.of_share(0, 0) is None
    assert (errors.of_share(0, 100) or 0) > 0
    assert errors.with_error("m", 1.0, None) == {"m": 1.0}


def test_a_rank_s_error_takes_a_pair_as_one():
    bits = np.random.default_rng(1)
    images = bits.normal(size=(300, 8)).astype(np.float32)
    captions = images + bits.normal(size=(300, 8)).astype(np.float32)
    found = retrieval_metrics(images, captions)
    assert 0 < found["mean_rank_se"] < found["mean_rank"]


def test_no_agent_is_told_a_standard_error(tmp_path):
    def answer(spec: TrialSpec) -> TrialResult:
        return scored(100.0 - 10 * spec.experiment, mean_rank_se=0.987654)

    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")]), experiments=1)
        context = make_context(session, 2)
        page = session.workspace.files("refs/notes-files")["LOG.md"].content.decode()
        status = summary.audit_sentence(session.metric, *session.history)
    told = brief(context)
    texts = [told.system, told.user, page, *map(bytes.decode, about(context, "").values())]
    assert not any("_se" in text.replace("_seconds", "") or "987" in text for text in texts)
    assert "± 2.7" in status


def test_seeds_of_a_training_that_diverged_still_have_a_spread():
    assert _deviation([1.0, 2.0, 4.0]) == pytest.approx(np.std([1.0, 2.0, 4.0], ddof=1))
    assert _deviation([1e200, 3e200]) == pytest.approx(math.sqrt(2) * 1e200)
    assert _deviation([1.7e308, -1.7e308]) == math.inf
    assert _deviation([0.0, 0.0]) == 0.0
