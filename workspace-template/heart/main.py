"""Frozen: what train.py is put to work by.

main.py train           fit the pipeline on this split's rows, save it to /artifacts
main.py predict rows    answer /inputs with it

The pipeline is fitted in one container and asked in another, so nothing that it learns, medians
included, can come from a row that it is asked about.
"""

import sys

import joblib
import kit
import numpy as np
import pandas as pd
import train as candidate

SAVED = "pipeline.joblib"


def make_features(rows):
    """Return the candidate's features of some rows; one row in is one row out, in its place."""
    table = pd.DataFrame(rows.columns())
    features = candidate.feature_fn(table.copy())
    if len(features) != len(table):
        raise ValueError(f"feature_fn made {len(features)} rows of {len(table)}")
    if isinstance(features, pd.DataFrame) and not features.index.equals(table.index):
        raise ValueError("feature_fn changed the order or the index of the rows")
    return features


def train():
    np.random.seed(kit.seed() % 2**32)  # what scikit-learn draws from where no random_state is set
    rows, targets = kit.tables.training()
    pipeline = candidate.build_pipeline()
    pipeline.fit(make_features(rows), targets)
    joblib.dump(pipeline, kit.artifacts.path(SAVED))
    print(f"{candidate.HYPOTHESIS}: {len(rows)} rows")


def predict():
    pipeline = joblib.load(kit.artifacts.path(SAVED))
    rows, ids = kit.tables.asked()
    kit.tables.answer(ids, scores(pipeline, make_features(rows)))


def scores(pipeline, features):
    if hasattr(pipeline, "predict_proba"):
        return pipeline.predict_proba(features)[:, 1]
    return pipeline.decision_function(features)


if __name__ == "__main__":
    train() if sys.argv[1] == "train" else predict()
