"""The candidate: which features, and which pipeline; main.py fits it and asks it."""

from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HYPOTHESIS = "a plain logistic regression is a fair start"

INVERSE_PENALTY = 1.0  # tune: 0.01..10 log     C: smaller holds the coefficients closer to zero


def feature_fn(X):
    """Return the features of a DataFrame of 13 columns, row by row; NaN is a missing value.

    It sees rows to train on and rows to predict in different containers, so what is learnt from
    many rows, a median say, belongs into the pipeline.
    """
    return X


def build_pipeline():
    """Return an unfitted scikit-learn pipeline; its medians are those of the training rows."""
    return make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        LogisticRegression(C=INVERSE_PENALTY, max_iter=1000),
    )
