"""Which part of a run's experiments a page shows, read from its address and written into links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from runner.journal.finding import OPEN, Column, Wanted
from runner.records import ExperimentStatus

EACH_PAGE = 25
MOST_WORDS = 200
"""Characters that are looked for."""
STATUSES = {
    **{str(status): status.replace("-", " ") for status in ExperimentStatus},
    "timeout": "timed out",
    OPEN: "not ended",
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A part of the table, as an address says it."""

    status: str = ""
    category: str = ""
    words: str = ""
    by: Column = Column.NUMBER
    descending: bool = True
    page: int = 1

    @classmethod
    def of(cls, said: Mapping[str, str]) -> Shown:
        """Read an address; what makes no sense in it counts for nothing."""
        sort = said.get("sort", "-number")
        name = sort.removeprefix("-")
        known = name in list(Column)
        page = said.get("page", "1")
        status = said.get("status", "")
        return cls(
            status=status if status in STATUSES else "",
            category=said.get("category", ""),
            words=said.get("q", "")[:MOST_WORDS].strip(),
            by=Column(name) if known else Column.NUMBER,
            descending=sort.startswith("-") or not known,
            page=max(1, int(page)) if page.isdecimal() and len(page) < 9 else 1,
        )

    @property
    def wanted(self) -> Wanted:
        return Wanted(
            status=self.status or None,
            category=self.category or None,
            words=self.words,
            by=self.by,
            descending=self.descending,
        )

    @property
    def is_filtered(self) -> bool:
        return bool(self.status or self.category or self.words)

    @property
    def sort(self) -> str:
        return f"{'-' if self.descending else ''}{self.by}"

    def link(self, **changed: Any) -> str:
        """Return the address of another part, on its first page unless one is said."""
        after = replace(self, **{"page": 1} | changed)
        said = {"q": after.words, "status": after.status, "category": after.category}
        said |= {"sort": "" if after.sort == "-number" else after.sort}
        said |= {"page": "" if after.page == 1 else str(after.page)}
        return "?" + urlencode({name: value for name, value in said.items() if value})

    def sorted_by(self, column: str) -> str:
        """Return the address for a click on a column: its better end first, then the other."""
        by = Column(column)
        first_down = by in (Column.NUMBER, Column.GAIN, Column.SECONDS)
        down = not self.descending if by is self.by else first_down
        return self.link(by=by, descending=down)
