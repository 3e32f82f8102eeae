"""Which rows train, which decide and which are locked: by draw, by group, by time, or in folds.

Rows that must not be parted are units: those of one group, or, without groups, rows that are the
same in all that a model sees. A unit goes into one part whole.

What this does not protect against: rows that depend on each other and look different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.declared.schema import Split
from harness.raw import BadRawDataError

HOLDOUT, LOCKED = "holdout", "locked"
SINGLE, FULL, LAST, ANALYSIS = "train", "full", "last", "analysis"
FOLDS_CUTS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FEWEST_ROWS = 20
FEWEST_UNITS = 30
LARGEST_UNIT = 0.1
"""Twins are kept together where there are so many different rows, and none is more of all."""
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """One split: rows to train on, and the rows that are asked about."""

    split: str
    part: str
    """`holdout` or `locked`."""
    training: Rows
    asked: Rows


@dataclass(frozen=True, kw_only=True)
class Divided:
    evaluated: tuple[Evaluated, ...]
    analysis: Rows | None = None
    """Rows that every split trains on, where there are any to spare."""

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(one.split for one in self.evaluated if one.part == HOLDOUT)

    @property
    def audit_splits(self) -> tuple[str, ...]:
        return tuple(one.split for one in self.evaluated if one.part == LOCKED)

    @property
    def shared(self) -> bool:
        """Whether one split trains on rows that another is asked about."""
        return len(self.splits) > 1


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Rows that look the same to a model."""

    units: NDArray[np.int64]
    """[n] a number that twins share."""
    rows: int
    """How many have a twin."""
    together: bool
    """Whether they can be kept in one part."""


def twins(signatures: Sequence[bytes]) -> Twins:
    """Find rows with the same signature [n]."""
    _, units, counts = np.unique(
        np.array(signatures, dtype=object).astype("S"), return_inverse=True, return_counts=True
    )
    together = len(counts) >= FEWEST_UNITS and counts.max() <= max(
        2, LARGEST_UNIT * len(signatures)
    )
    return Twins(
        units=units.astype(np.int64), rows=int(counts[counts > 1].sum()), together=bool(together)
    )


def crossing(divided: Divided, units: NDArray[np.int64]) -> int:
    """Count rows that are asked about and have a twin among the rows trained on."""
    crossed = {
        int(row)
        for one in divided.evaluated
        for row in one.asked[np.isin(units[one.asked], units[one.training])]
    }
    return len(crossed)


def divide(seed: int, split: Split, strata: NDArray[np.int64], units: NDArray[np.int64]) -> Divided:
    """Divide rows by a draw, in units, so that each part has its share of each stratum.

    Args:
        seed: what is drawn follows from it.
        split: by random or by group.
        strata: [n] the class of each row, say.
        units: [n] rows with the same number stay together.

    Raises:
        BadRawDataError: there are too few rows or units.
    """
    rows = len(strata)
    if rows < FEWEST_ROWS:
        raise BadRawDataError(f"there are {rows} rows, and {FEWEST_ROWS} are the fewest")
    random = np.random.Generator(np.random.PCG64(seed))
    count = split.folds or 1
    share = split.holdout if split.holdout is not None else (1 - split.share) / count
    shares = [split.share, *[share] * count]
    if split.holdout is not None:
        shares.append(1 - split.share - split.holdout)
    if (found := int(units.max()) + 1) < len(shares) * 2:
        raise BadRawDataError(
            f"there are {found} groups of rows, too few for {len(shares)} parts: --folds 2, say"
        )
    part = _dealt(random, shares, strata, units)

    def chosen(which: NDArray[np.bool_]) -> Rows:
        return np.asarray(random.permutation(np.flatnonzero(which)), dtype=np.int64)

    locked = chosen(part == 0)
    if split.holdout is not None:
        training = chosen(part == 2)
        return Divided(evaluated=(
            Evaluated(split=SINGLE, part=HOLDOUT, training=training, asked=chosen(part == 1)),
            Evaluated(split=SINGLE, part=LOCKED, training=training, asked=locked),
        ))  # fmt: skip
    folds = tuple(
        Evaluated(
            split=f"fold{number}", part=HOLDOUT,
            training=chosen((part != number + 1) & (part != 0)), asked=chosen(part == number + 1),
        )
        for number in range(count)
    )  # fmt: skip
    full = Evaluated(split=FULL, part=LOCKED, training=chosen(part != 0), asked=locked)
    return Divided(evaluated=(*folds, full))


def by_files(
    seed: int,
    split: Split,
    origin: NDArray[np.int64],
    strata: NDArray[np.int64],
    units: NDArray[np.int64],
) -> Divided:
    """Let the rows of the first set train; those of the second are asked, and some are locked.

    Args:
        seed: what is drawn follows from it.
        split: by files.
        origin: [n] the set of each row: 0, 1, and 2 where locked rows are a set of their own.
        strata: [n] the class of each row, say.
        units: [n] rows with the same number stay together.

    Raises:
        BadRawDataError: there are too few rows.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    training = np.asarray(random.permutation(np.flatnonzero(origin == 0)), dtype=np.int64)
    asked, locked = np.flatnonzero(origin == 1), np.flatnonzero(origin == 2)
    if split.share:
        part = _dealt(random, [split.share, 1 - split.share], strata[asked], units[asked])
        asked, locked = asked[part == 1], asked[part == 0]
    if (fewest := min(len(training), len(asked), len(locked))) < FEWEST_ROWS:
        raise BadRawDataError(
            f"one part would have {fewest} rows, and {FEWEST_ROWS} are the fewest"
        )
    return Divided(evaluated=(
        Evaluated(split=SINGLE, part=HOLDOUT, training=training, asked=random.permutation(asked)),
        Evaluated(split=SINGLE, part=LOCKED, training=training, asked=random.permutation(locked)),
    ))  # fmt: skip


def _dealt(
    random: np.random.Generator,
    shares: Sequence[float],
    strata: NDArray[np.int64],
    units: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return each row's part; a unit goes where its rows are most wanted, in a drawn order."""
    order = np.argsort(units, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(units[order])) + 1])
    members = np.split(order, starts[1:])
    part = np.empty(len(strata), dtype=np.int64)
    share = np.array(shares)
    dealt = np.zeros((int(strata.max()) + 1, len(shares)))
    everywhere = np.zeros(len(shares))  # so that small strata do not all begin with one part
    sizes = np.array([len(each) for each in members])
    drawn = random.permutation(len(members))
    drawn = drawn[
        np.argsort(-sizes[drawn], kind="stable")
    ]  # the largest first, while there is room
    for unit in drawn:
        rows = members[unit]
        counts = np.bincount(strata[rows], minlength=len(dealt))
        mostly = int(counts.argmax())
        wanted = share * (dealt[mostly].sum() + counts[mostly]) - dealt[mostly]
        wanted += 1e-3 * (share * (everywhere.sum() + len(rows)) - everywhere)
        chosen = int(wanted.argmax())
        dealt[:, chosen] += counts
        everywhere[chosen] += len(rows)
        part[rows] = chosen
    return part


def windows(split: Split, times: NDArray[np.float64] | None, rows: int) -> Divided:
    """Cut rows in time order into expanding windows; rows of one time stay on one side of a cut.

    Args:
        split: by time or by order.
        times: [n], in any order; nothing for rows that are in order as they stand.
        rows: n.

    Raises:
        BadRawDataError: a window would be empty.
    """
    order = np.arange(rows) if times is None else np.argsort(times, kind="stable")
    shares = [*(split.cuts or FOLDS_CUTS), 1.0]
    ends = []
    for share in shares:
        cut = round(share * rows)
        while times is not None and 0 < cut < rows and times[order[cut]] == times[order[cut - 1]]:
            cut += 1
        ends.append(cut)
    evaluated = []
    for number, (cut, end) in enumerate(pairwise(ends)):
        name = LAST if number == len(ends) - 2 else f"w{number}"
        if not 0 < cut < end:
            raise BadRawDataError(
                f"window {name} is empty: too few rows, or one time for too many of them"
            )
        evaluated.append(
            Evaluated(
                split=name, part=LOCKED if name == LAST else HOLDOUT,
                training=order[:cut], asked=order[cut:end],
            )
        )  # fmt: skip
    return Divided(evaluated=tuple(evaluated), analysis=order[: ends[0]])
