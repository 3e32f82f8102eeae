"""Counts as bars: failures by kind, categories by success."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.charts import svg
from runner.charts.progression import Fate
from runner.charts.svg import Size

ROW, BAR = 28.0, 12.0
NAMES = 150.0
"""Pixels for what a row is called."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One row: a name, and how many ended in which way."""

    name: str
    counts: Sequence[tuple[Fate, int]]
    said: str
    """What is written behind it."""
    href: str | None = None


def bars(rows: Sequence[Bar], *, title: str, width: int = 460, class_: str = "") -> str:
    """Draw a bar for each row, as long as its counts together, its parts in the fates' colours."""
    size = Size(width=width, height=int(ROW * max(len(rows), 1) + 8))
    longest = max((sum(count for _, count in row.counts) for row in rows), default=0)
    behind = max((svg.width_of(row.said) for row in rows), default=0.0) + 12
    names = min(NAMES, max((svg.width_of(row.name) for row in rows), default=0.0) + 12)
    room = max(width - names - behind, 20.0)
    parts = [
        _row(row, 4 + ROW * place, names, room / longest if longest else 0.0)
        for place, row in enumerate(rows)
    ]
    if not rows:
        parts.append(svg.text(0, 20, "none"))
    told = "; ".join(f"{row.name}: {row.said}" for row in rows) or "none"
    return svg.picture(size, parts, title=title, description=f"{told}.", class_=class_)


def _row(row: Bar, y: float, names: float, each: float) -> str:
    middle = y + ROW / 2
    parts = [svg.text(0, middle + 4, svg.shortened(row.name, names - 8))]
    x = names
    for fate, count in row.counts:
        if count:
            wide = max(each * count, 1.5)
            bar = svg.rectangle(x, middle - BAR / 2, wide - 1, BAR, class_="bar", radius=2)
            parts.append(svg.group([bar], str(fate)))
            x += wide
    parts.append(svg.text(x + 7, middle + 4, row.said))
    return svg.link(row.href, f"{row.name}: {row.said}", "".join(parts))


@dataclass(frozen=True, kw_only=True)
class Category:
    """What came of the experiments of one category."""

    name: str
    counts: dict[Fate, int]

    @property
    def tried(self) -> int:
        return sum(self.counts.values())


def categories(found: Sequence[Category], *, width: int = 460, class_: str = "") -> str:
    """Draw what was tried in each category, and how much of it was kept."""
    return bars(list(_by_success(found)), title="Categories", width=width, class_=class_)


def _by_success(found: Sequence[Category]) -> Iterator[Bar]:
    for one in sorted(found, key=lambda each: (-each.tried, each.name)):
        counts = [(fate, one.counts.get(fate, 0)) for fate in Fate]
        said = f"{one.counts.get(Fate.KEPT, 0)} of {one.tried} kept"
        yield Bar(name=one.name or "without a category", counts=counts, said=said)
