"""Samples of the rows: the same for every program, however its rows were dealt."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from harness.mounts import under
from harness.scoring import protocol, resampling
from harness.scoring.protocol import Measured
from harness.scoring.resampling import DRAWS, over_rows

ROWS = 40
TRUTH = np.random.default_rng(3).normal(size=ROWS)
"""Of each sealed row."""


def mean_over(
    values: np.ndarray, order: np.ndarray, groups: np.ndarray | None = None
) -> list[float]:
    """The mean of what each sealed row has, dealt in an order."""
    dealt = values[order]
    some = None if groups is None else groups[order]
    return over_rows(lambda rows: float(dealt[rows].mean()), order, some)


@pytest.mark.parametrize("groups", [None, np.arange(ROWS) // 4])
def test_another_order_has_the_same_samples(groups):
    orders = (np.random.default_rng(seed).permutation(ROWS) for seed in (1, 2))
    first, second = (mean_over(TRUTH, order, groups) for order in orders)
    assert first == pytest.approx(second, abs=1e-12)
    assert len(first) == DRAWS
    assert len({*first}) > DRAWS / 2


def test_they_spread_as_the_metric_does():
    spread = np.std(mean_over(TRUTH, np.arange(ROWS)), ddof=1)
    assert spread == pytest.approx(TRUTH.std(ddof=1) / math.sqrt(ROWS), rel=0.2)


def test_what_is_in_one_group_is_drawn_together():
    groups = np.arange(ROWS) // 10
    samples = mean_over(groups.astype(float), np.arange(ROWS), groups)
    assert {round(4 * sample, 9) for sample in samples} <= {*map(float, range(13))}


def test_many_rows_need_fewer_samples(monkeypatch):
    monkeypatch.setattr(resampling, "MOST_DRAWN", 100 * ROWS)
    assert len(mean_over(TRUTH, np.arange(ROWS))) == 100


def test_a_metric_that_is_made_of_many_has_fewer_samples_or_none(monkeypatch):
    monkeypatch.setattr(resampling, "MOST_CALLS", 6000)
    order = np.arange(ROWS)
    drawn = [len(over_rows(lambda _: 0.0, order, calls=calls)) for calls in (1, 60, 1000)]
    assert drawn == [DRAWS, 100, 0]


def test_the_document_has_them_and_null_where_the_metric_is_not_defined():
    said = io.StringIO()
    found = Measured({"auc": 0.5}, [0.123456789123, math.nan])
    protocol.tell(lambda: found, under(Path("/nowhere")), said)
    document = json.loads(said.getvalue())
    assert document["samples"] == [0.123456789, None]
    assert document["metrics"] == {"auc": 0.5}
