"""Which rows to learn from, what to learn about them, and what a row becomes."""

import numpy as np
import pandas as pd

FEWEST_ROWS_OF_A_WORD = 50  # tune: 5..500 log    rarer words become no feature


def filter_train(table, targets):
    """Return which training rows to learn from, True or False each; they are in time order."""
    return np.ones(len(table), dtype=bool)


def learn_features(table, targets):
    """Return what must be known of training rows to build features of any row.

    Training rows only: the rows to predict come in another container, without targets, one by one
    as far as this file is concerned.
    """
    words = table.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]]
    counts = {name: table[name].value_counts() for name in words}
    return {
        name: sorted(count.index[count >= FEWEST_ROWS_OF_A_WORD]) for name, count in counts.items()
    }


def build_features(table, learnt):
    """Return a DataFrame of numbers, a row for each row of `table` and in its order.

    Columns of words become a column of 0 and 1 per word; NaN stays, the trees know what to do.
    """
    numbers = table.drop(columns=list(learnt))
    flags = {
        f"{name}={word}": (table[name] == word).astype(float)
        for name, words in learnt.items()
        for word in words
    }
    return pd.concat([numbers, pd.DataFrame(flags, index=table.index)], axis=1)
