"""Rows in time order: train on the past, predict the next; on Bank Marketing as it comes.

Any CSV file becomes such a task with a `columns.json` of its own and these two lines.
"""

from functools import partial
from pathlib import Path

from harness.tasks.tabular import score, windows
from harness.tasks.tabular.table import read_description

DESCRIPTION = read_description(Path(__file__).parent / "columns.json")
build = partial(windows.build, description=DESCRIPTION)
deal = partial(score.deal, metric="auc")

__all__ = ["build", "deal"]
