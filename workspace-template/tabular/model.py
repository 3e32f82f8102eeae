"""The model: gradient boosting with LightGBM."""

import lightgbm

TREES = 200  # tune: 30..1000 log
LEARNING_RATE = 0.05  # tune: 0.005..0.3 log
LEAVES = 31  # tune: 4..128 log
FEWEST_ROWS_IN_A_LEAF = 20  # tune: 5..500 log
FEATURE_SHARE = 1.0  # tune: 0.2..1      of the features, drawn for each tree
ROW_SHARE = 1.0  # tune: 0.3..1          of the rows, drawn for each tree
L2 = 0.0  # tune: 0..50


def fit(features, targets, seed):
    """Return a model of the targets [n] of 0 and 1 from a DataFrame of numbers, [n, k]."""
    settings = {
        "objective": "binary",
        "learning_rate": LEARNING_RATE,
        "num_leaves": LEAVES,
        "min_data_in_leaf": FEWEST_ROWS_IN_A_LEAF,
        "feature_fraction": FEATURE_SHARE,
        "bagging_fraction": ROW_SHARE,
        "bagging_freq": 1,
        "lambda_l2": L2,
        "seed": seed % 2**31,
        "verbosity": -1,
    }
    rows = lightgbm.Dataset(features.to_numpy(float), targets)
    return lightgbm.train(settings, rows, num_boost_round=TREES)


def predict(model, features):
    """Return a number per row, higher for what is likelier a 1."""
    return model.predict(features.to_numpy(float))
