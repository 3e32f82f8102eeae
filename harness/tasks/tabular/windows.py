"""Cut rows in time order into expanding windows: the past is public, the future sealed.

Window i trains on everything before its cut and is asked about what lies between that cut and the
next. The last window is locked. What is public of a window is its past and nothing else, so
no trainer of it can see a future row; but one window's past holds another's future, so what
leaves a trainer is the leak to watch, and analysis gets the first window's past alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from harness.raw import required
from harness.sealing import Built
from harness.tasks.tabular import files
from harness.tasks.tabular.table import BadTableError, Description, Table, read_table

ANALYSIS = "analysis"
LAST = "last"
"""The locked window's split."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Rows below `cut` are its past, rows from `cut` to below `end` its future."""

    split: str
    cut: int
    end: int


def build(seed: int, raw: Path | None, description: Description) -> Built:  # noqa: ARG001 - every task is built from a seed
    """Return every file of an expanding-window task; nothing is drawn, so `seed` is not used.

    Public: `<split>/` with the past of each window, `analysis/` with the first window's past.
    Sealed: `holdout/w<i>/` and `locked/last/` with their futures, rows and targets.

    Raises:
        BadRawDataError: there is no such file, or it does not fit its description.
    """
    content = required(raw, description.file).read_bytes()
    return build_table(read_table(content, description), description)


def build_table(table: Table, description: Description) -> Built:
    """Return every file of a table that has been read."""
    public, sealed = {}, {}
    windows = list(cut_windows(table, description))
    for window in windows:
        past, future = table.take(slice(window.cut)), table.take(slice(window.cut, window.end))
        _check_classes(window, past, future)
        part = "locked" if window.split == LAST else "holdout"
        public.update(files.rows_and_targets(window.split, past))
        sealed.update(files.rows_and_targets(f"{part}/{window.split}", future))
    public.update(files.rows_and_targets(ANALYSIS, table.take(slice(windows[0].cut))))
    return Built(public=public, sealed=sealed)


def cut_windows(table: Table, description: Description) -> Iterator[Window]:
    """Yield the windows, oldest first; no two rows of one time are on two sides of a cut."""
    shares = [*description.cuts, 1.0]
    if len(shares) < 3 or not all(0 < one < other for one, other in pairwise(shares)):
        raise BadTableError("cuts must be two or more shares between 0 and 1, rising")
    ends = [_between_times(table, round(share * len(table))) for share in shares]
    for number, (cut, end) in enumerate(pairwise(ends)):
        split = LAST if number == len(ends) - 2 else f"w{number}"
        if not 0 < cut < end:
            raise BadTableError(f"window {split} is empty: too few rows, or one time for too many")
        yield Window(split=split, cut=cut, end=end)


def _between_times(table: Table, cut: int) -> int:
    """Move a cut forward until the time changes there."""
    times = table.times
    while times is not None and 0 < cut < len(table) and times[cut] == times[cut - 1]:
        cut += 1
    return cut


def _check_classes(window: Window, past: Table, future: Table) -> None:
    for name, part, first in (("past", past, 0), ("future", future, window.cut)):
        if len(set(part.targets.tolist())) < 2:
            raise BadTableError(
                f"the {name} of window {window.split} (lines {first + 2} to "
                f"{first + 1 + len(part)}) has one class only: the target must vary in every window"
            )
