"""What the rule `posterior` is tuned with.

`TABLE` is written by `bench/decisions.py --constants` (2,000 runs), not by hand.

`false_keeps` holds for runs of 100 experiments in which 5 % of the proposals help, half of the
others change nothing and half harm, and true effects are exponential with a mean of 1.5 standard
deviations of a trial. Where more proposals help, fewer keeps are false.
"""

from __future__ import annotations

from runner.rules.belief import Bounds, Prior

PRIOR = Prior(helpful=0.1, mean=1.5)
BASELINE = 5
"""Trials of the template, before anything is compared with it."""
FEWEST = 3
"""Trials of a candidate that is kept."""
USUAL_TRIALS = 2
"""Of both sides together for one proposal, in the mean; few take more than one."""
TABLE = (
    (0.01, 0.95, 0.075),
    (0.02, 0.9, 0.075),
    (0.05, 0.8, 0.075),
    (0.1, 0.65, 0.075),
    (0.2, 0.5, 0.075),
    (0.3, 0.3, 0.075),
    (0.5, 0.3, 0.075),
)
"""The share of keeps that is false; the probability to keep at; the hope to drop at."""
STRICTEST = TABLE[0][0]


def at_once(false_keeps: float) -> float:
    """Return the probability to keep at where one look is all there is: rows bring no more of them.

    In the world above it keeps 4 % false ones for 5 %, 9 % for 10 %, and catches 27 and 33 % of the
    gains above one deviation.
    """
    return max(0.5, 1.0 - 2.0 * false_keeps)


def bounds(false_keeps: float, most_trials: int) -> Bounds:
    """Return when to stop, for a share of false keeps that the table has, or the next below it."""
    _, keep, drop = max(row for row in TABLE if row[0] <= max(false_keeps, STRICTEST))
    return Bounds(keep=keep, drop=drop, fewest=min(FEWEST, most_trials), most=most_trials)
