"""Which wells give safe water? Boosted trees on survey tables.

The tables are not in the repository. Say where they are with --data-dir, or set WELLS_DATA.
"""
import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, f1_score, log_loss
from sklearn.model_selection import GroupShuffleSplit


def get_args(argv=None):
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data-dir", type=Path, default=os.environ.get("WELLS_DATA"))
    p.add_argument("--max-iter", type=int, default=30)
    p.add_argument("--learning-rate", type=float, default=0.01)
    p.add_argument("--max-leaf-nodes", type=int, default=15)
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)
    if args.data_dir is None:
        p.error("no data: use --data-dir or set WELLS_DATA")
    return args


def read(folder):
    folder = Path(folder)
    wells = pd.read_csv(folder / "wells.csv")
    visits = pd.concat(pd.read_csv(f) for f in sorted(folder.glob("visits_*.csv")))
    latest = visits.sort_values("day").groupby("well").agg(
        arsenic=("arsenic", "last"), ph=("ph", "mean"), visits=("day", "count"))
    return wells.merge(latest, left_on="well", right_index=True, how="left")


def main(argv=None):
    args = get_args(argv)
    table = read(args.data_dir)
    y = table.pop("safe").to_numpy()
    village = table.pop("village").to_numpy()
    X = table.drop(columns=["well"])
    X["depth_log"] = np.log1p(X["depth"])

    # whole villages are held out
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.3, random_state=5)
    train, test = next(splitter.split(X, y, groups=village))
    clf = HistGradientBoostingClassifier(
        max_iter=args.max_iter, learning_rate=args.learning_rate,
        max_leaf_nodes=args.max_leaf_nodes, early_stopping=True, validation_fraction=0.15,
        random_state=args.seed)
    clf.fit(X.iloc[train], y[train])
    prob = clf.predict_proba(X.iloc[test])[:, 1]
    print("f1      :", round(f1_score(y[test], prob > 0.5), 4), file=sys.stderr)
    print("avg prec:", round(average_precision_score(y[test], prob), 4), file=sys.stderr)
    print("log loss:", round(log_loss(y[test], prob), 5))
    return 0


if __name__ == "__main__":
    sys.exit(main())
