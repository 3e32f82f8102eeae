"""Print findings as a small table: one line each, numbers short."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

MOST_LINES = 40
MOST_CHARACTERS = 40


def show(title: str, found: Sequence[Any]) -> None:
    """Print a title and named tuples of one kind as an aligned table, at most 40 lines."""
    sys.stdout.write(f"\n## {title}\n")
    if not found:
        sys.stdout.write("nothing\n")
        return
    table = [list(found[0]._fields), *([_cell(one) for one in row] for row in found[:MOST_LINES])]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    if len(found) > MOST_LINES:
        sys.stdout.write(f"and {len(found) - MOST_LINES} more\n")


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."
