"""The kit's tables: training rows as they are, and counts that explain before anything is lost."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from harness.kit import data, tables


@pytest.fixture
def trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FOLDER", tmp_path)

    def write(words: np.ndarray, names: list[str]) -> None:
        np.save(tmp_path / "numbers.npy", np.array([[1.0, np.nan], [2.0, 3.0]]))
        np.save(tmp_path / "number_names.npy", np.array(["a", "b"]))
        np.save(tmp_path / "words.npy", words)
        np.save(tmp_path / "word_names.npy", np.array(names, dtype=np.str_))
        np.save(tmp_path / "targets.npy", np.array([0, 1], dtype=np.uint8))

    return write


def test_columns_are_numbers_then_decoded_words(trained_on):
    trained_on(np.array([["café".encode()], [b""]]), ["c"])
    rows, targets = tables.training()
    columns = rows.columns()
    assert list(columns) == ["a", "b", "c"]
    assert columns["c"].tolist() == ["café", ""]
    assert np.isnan(columns["b"][0])
    assert targets.tolist() == [0, 1]
    assert rows.take(slice(1, 2)).columns()["a"].tolist() == [2.0]


def test_a_table_without_words_is_fine(trained_on):
    trained_on(np.empty((2, 0), dtype="S1"), [])
    rows, _ = tables.training()
    assert list(rows.columns()) == ["a", "b"]
    assert len(rows) == 2


def test_too_many_features_are_explained():
    tables.check_features(300, 300)
    with pytest.raises(tables.TooManyError, match="301 features, and 300 are the most: drop"):
        tables.check_features(301, 300)


@pytest.mark.parametrize(
    ("model", "trees"),
    [
        pytest.param(SimpleNamespace(num_trees=lambda: 7), 7, id="LightGBM"),
        pytest.param(
            SimpleNamespace(booster_=SimpleNamespace(num_trees=lambda: 8)), 8, id="its wrapper"
        ),
        pytest.param(SimpleNamespace(num_boosted_rounds=lambda: 9), 9, id="XGBoost"),
        pytest.param(SimpleNamespace(estimators_=[0] * 4), 4, id="a forest"),
        pytest.param(SimpleNamespace(estimators_=np.empty((5, 1))), 5, id="scikit-learn boosting"),
        pytest.param(SimpleNamespace(coef_=[1]), None, id="no trees"),
    ],
)
def test_trees_are_counted_where_it_can_be_told(model, trees):
    assert tables.count_trees(model) == trees
    tables.check_trees(model, 9)
    if trees:
        with pytest.raises(tables.TooManyError, match=f"{trees} trees"):
            tables.check_trees(model, trees - 1)
