"""Look at rows before guessing: `runner analyze` runs this on the first window's past.

These rows are training rows in every window, so nothing that is learnt here gives an answer away.
It is a notebook, not a part of the experiment: edit it as you like, a revert never takes it back.
"""

import kit
import pandas as pd
from kit import analysis as ask
from main import answer, learn

PAST = 0.8  # of these rows to learn from; the model's errors are looked at on the later ones


def run_analysis(table, targets):
    """Print what is worth knowing of a DataFrame in time order and its targets [n] of 0 and 1."""
    columns = {name: table[name].to_numpy() for name in table}
    ask.show("missing values", ask.null_rates(columns))
    ask.show("columns by their AUC alone", ask.univariate_auc(columns, targets))
    ask.show("columns that say the same", ask.correlated_pairs(columns))

    cut = int(PAST * len(table))
    later = table[cut:].reset_index(drop=True)
    saved = learn(table[:cut], targets[:cut])
    predictions, truth = answer(saved, later), targets[cut:]
    columns = {name: later[name].to_numpy() for name in later}
    print(f"\nAUC on the later {1 - PAST:.0%} of these rows: {ask.auc(truth, predictions):.4f}")
    importance = ask.feature_importance(saved["model"], saved["features"])
    ask.show("what the model rests on, by gain", importance[:20])
    ask.show("errors by prediction", ask.error_by_band(truth, predictions))
    ask.show("worst segments", ask.error_by_segment(columns, truth, predictions)[:20])
    ask.show("how wrong rows differ", ask.error_by_feature(columns, truth, predictions)[:20])


if __name__ == "__main__":
    rows, targets = kit.tables.training()
    run_analysis(pd.DataFrame(rows.columns()), targets)
