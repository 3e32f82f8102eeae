"""The kit's questions: each answers what its name says, on data where the answer is known."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harness.kit import analysis

ROWS = 300
BITS = np.random.default_rng(1)
TARGETS = np.arange(ROWS) % 2
NOISE = BITS.normal(size=ROWS)


def with_gaps(values: np.ndarray, present: int) -> np.ndarray:
    return np.where(np.arange(ROWS) < present, values, np.nan)


def test_columns_are_ranked_by_their_auc_whichever_way_they_point():
    columns = {
        "noise": NOISE,
        "falling": -TARGETS.astype(float),
        "weak": TARGETS + 3 * NOISE,
        "text": np.array(["a", "b"])[TARGETS],
    }
    found = analysis.univariate_auc(columns, TARGETS)
    assert [one.column for one in found] == ["falling", "weak", "noise"]
    assert found[0][1:] == (1.0, False, ROWS)


@pytest.mark.parametrize(("present", "ranked"), [(49, False), (50, True)])
def test_fewer_than_fifty_values_are_too_few(present, ranked):
    found = analysis.univariate_auc({"x": with_gaps(NOISE, present)}, TARGETS)
    assert bool(found) is ranked
    assert not ranked or found[0].values == present


def test_pairs_that_say_the_same_are_found_in_either_direction():
    columns = {
        "one": NOISE,
        "same": 2 * NOISE + 1,
        "opposite": -NOISE + 0.01 * BITS.normal(size=ROWS),
        "other": BITS.normal(size=ROWS),
        "constant": np.ones(ROWS),
        "text": np.array(["a"] * ROWS),
    }
    found = analysis.correlated_pairs(columns)
    assert {frozenset(pair[:2]) for pair in found} == {
        *(frozenset(pair) for pair in (("one", "same"), ("one", "opposite"), ("same", "opposite")))
    }
    assert found[0].correlation == pytest.approx(1)
    assert found[-1].correlation < -0.95


def test_of_many_columns_the_ones_that_vary_most_are_compared():
    quiet = {f"quiet{number}": NOISE * 1e-3 for number in range(2)}
    loud = {f"loud{number}": BITS.normal(size=ROWS) for number in range(200)}
    assert analysis.correlated_pairs({**quiet, **loud}) == []
    assert len(analysis.correlated_pairs(quiet)) == 1


def test_null_rates_know_text_objects_and_numbers():
    columns = {
        "full": NOISE,
        "half": with_gaps(NOISE, ROWS // 2),
        "text": np.array(["", "a", "b"] * (ROWS // 3)),
        "objects": np.array([None, "a", float("nan"), "b"] * (ROWS // 4), dtype=object),
    }
    found = dict(analysis.null_rates(columns))
    assert found == {"half": 0.5, "objects": 0.5, "text": pytest.approx(1 / 3)}
    assert analysis.null_rates(columns, above=0.4)[0].share == 0.5


def test_importance_is_what_the_model_says_as_shares():
    class Booster:
        def feature_importance(self, kind: str) -> list[float]:
            return {"gain": [1.0, 3.0]}[kind]

    class Line:
        coef_ = np.array([[-3.0, 1.0]])

    assert analysis.feature_importance(Booster(), ["a", "b"]) == [("b", 0.75), ("a", 0.25)]
    assert analysis.feature_importance(Line(), ["a", "b"]) == [("a", 0.75), ("b", 0.25)]
    with pytest.raises(TypeError, match="does not say"):
        analysis.feature_importance(object(), ["a"])
    with pytest.raises(ValueError, match="there are 1"):
        analysis.feature_importance(Line(), ["a"])


def test_what_a_model_does_not_use_has_no_permutation_importance():
    matrix = np.stack([NOISE, TARGETS + 0.1 * NOISE], axis=1)
    before = matrix.copy()
    found = analysis.permutation_importance(lambda x: x[:, 1], matrix, TARGETS, ["idle", "used"])
    assert found[0].feature == "used"
    assert found[0].importance > 0.3
    assert found[1] == ("idle", 0.0)
    assert np.array_equal(matrix, before)


def test_bands_are_of_equal_size_and_rise():
    predictions = BITS.permutation(ROWS) / ROWS
    bands = analysis.error_by_band((predictions > 0.5).astype(int), predictions)
    assert [band.rows for band in bands] == [30] * 10
    assert all(one.high <= other.low for one, other in pairwise(bands))
    assert [band.positives for band in bands] == [0] * 5 + [pytest.approx(1, abs=0.04)] * 5


@pytest.mark.parametrize(("size", "found"), [(29, False), (30, True)])
def test_segments_have_at_least_thirty_rows_and_the_worst_comes_first(size, found):
    segment = np.where(np.arange(ROWS) < size, "bad", "good")
    predictions = np.where(segment == "bad", 1 - TARGETS, TARGETS).astype(float)
    answer = analysis.error_by_segment({"kind": segment}, TARGETS, predictions)
    assert [one.value for one in answer] == (["bad"] if found else []) + ["good"]
    assert answer[-1].wrong == 0
    assert not found or (answer[0].rows, answer[0].wrong, answer[0].auc) == (30, 1, 0)


def test_a_column_of_many_numbers_is_no_segmentation():
    columns = {"many": np.arange(ROWS) // 5, "few": np.arange(ROWS) // 100}
    found = analysis.error_by_segment(columns, TARGETS, NOISE)
    assert {one.column for one in found} == {"few"}


def test_the_feature_in_which_wrong_rows_differ_comes_first():
    wrong = np.arange(ROWS) % 3 == 0
    predictions = np.where(wrong, 1 - TARGETS, TARGETS).astype(float)
    columns = {"noise": NOISE, "shifted": NOISE - 2 * wrong, "constant": np.full(ROWS, 0.1)}
    found = analysis.error_by_feature(columns, TARGETS, predictions)
    assert [one.feature for one in found] == ["shifted", "noise"]
    assert found[0].shift < -1
    assert analysis.error_by_feature(columns, TARGETS, TARGETS.astype(float)) == []


def test_the_hardest_examples_are_the_largest_finite_losses():
    losses = np.array([1.0, np.nan, 5.0, np.inf, 3.0])
    assert analysis.hardest(losses, count=2) == [(2, 5.0), (4, 3.0)]


def test_loss_by_position_skips_padding_and_covers_every_position():
    losses = np.tile(np.arange(8.0), (3, 1))
    losses[1, 4:] = np.nan
    found = analysis.loss_by_position(losses, ranges=4)
    assert [(one.start, one.end) for one in found] == [(0, 2), (2, 4), (4, 6), (6, 8)]
    assert [one.loss for one in found] == [0.5, 2.5, 4.5, 6.5]
    assert len(analysis.loss_by_position(losses[:, :3])) == 3


def test_calibration_compares_confidence_with_correctness():
    confidences = np.array([0.05, 0.95, 0.95, 1.0, 0.0])
    correct = np.array([False, True, False, True, False])
    low, high = analysis.calibration(confidences, correct)
    assert (low.low, low.high, low.examples, low.correct) == (0, 0.1, 2, 0)
    assert (high.examples, high.correct) == (3, pytest.approx(2 / 3))
    expected = (2 * 0.025 + 3 * abs(2.9 / 3 - 2 / 3)) / 5
    assert analysis.expected_calibration_error(confidences, correct) == pytest.approx(expected)
    with pytest.raises(ValueError, match="between 0 and 1"):
        analysis.calibration(np.array([1.1]), np.array([True]))


def test_a_perfectly_calibrated_model_has_no_calibration_error():
    confidences = np.repeat([0.25, 0.75], 400)
    correct = np.tile([True, False, False, False], 100)
    correct = np.concatenate([correct, ~correct])
    assert analysis.expected_calibration_error(confidences, correct) == 0


def test_findings_are_shown_short(capsys):
    rates = [(f"column{number}" * 9, number / 7) for number in range(50)]
    analysis.show("a title", [analysis.null_rates({"x": np.array([np.nan])})[0]])
    analysis.show("nothing here", [])
    kind = type(analysis.null_rates({"x": np.array([np.nan])})[0])
    analysis.show("many", [kind(*rate) for rate in rates])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == ["", "## a title", "column  share", "x       1"]
    assert "nothing" in lines
    assert lines[-1] == "and 10 more"
    assert max(map(len, lines)) < 60


def test_the_primitives_need_numpy_and_the_standard_library_only():
    folder = Path(analysis.__file__).parent
    source = "\n".join(path.read_text() for path in folder.glob("*.py"))
    imported = set(re.findall(r"(?m)^(?:from|import) ([a-z_]+)", source))
    assert imported == {"__future__", "collections", "itertools", "numpy", "sys", "typing"}
