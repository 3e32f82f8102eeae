"""Frozen: what features.py and model.py are put to work by; analysis.py imports it.

main.py train           learn from this window's past, save to /artifacts
main.py predict rows    answer /inputs, the rows that come next, without their targets

Training has ended before a future row exists in any container, and its target never does.
"""

import sys

import features
import joblib
import kit
import model
import numpy as np
import pandas as pd

SAVED = "learnt.joblib"
MOST_FEATURES = 300
MOST_TREES = 1000


def make_features(table, learnt):
    """Return the matrix of some rows; one row in is one row out, in its place."""
    matrix = features.build_features(table.copy(), learnt)
    if not isinstance(matrix, pd.DataFrame) or not matrix.index.equals(table.index):
        raise ValueError("build_features must return a DataFrame with the rows it was given")
    kit.tables.check_features(matrix.shape[1], MOST_FEATURES)
    return matrix


def learn(table, targets):
    """Fit features and model to some rows; return what `predict` needs."""
    import features

    kept = np.asarray(features.filter_train(table.copy(), targets.copy()), dtype=bool)
    if kept.shape != targets.shape:
        raise ValueError("filter_train must return one True or False per row")
    table, targets = table[kept].reset_index(drop=True), targets[kept]
    learnt = features.learn_features(table.copy(), targets.copy())
    matrix = make_features(table, learnt)
    fitted = model.fit(matrix, targets, kit.seed())
    kit.tables.check_trees(fitted, MOST_TREES)
    return {"learnt": learnt, "model": fitted, "features": list(matrix.columns)}


def answer(saved, table):
    """Return one prediction per row of `table`, in its order."""
    return np.asarray(model.predict(saved["model"], make_features(table, saved["learnt"])))


def train():
    rows, targets = kit.tables.training()
    saved = learn(pd.DataFrame(rows.columns()), targets)
    joblib.dump(saved, kit.artifacts.path(SAVED))
    print(f"{len(rows)} rows, {kit.tables.count_trees(saved['model'])} trees")


def predict():
    saved = joblib.load(kit.artifacts.path(SAVED))
    rows, ids = kit.tables.asked()
    kit.tables.answer(ids, answer(saved, pd.DataFrame(rows.columns())))


if __name__ == "__main__":
    train() if sys.argv[1] == "train" else predict()
