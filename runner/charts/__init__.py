"""Charts as SVG text: pure functions from plain frozen values, drawn on the host, no scripts.

A picture is styled by classes of `charts.css` alone, which every page that shows one includes, so
that a content security policy may forbid inline styles. Text is escaped here, whoever wrote it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Literal

Theme = Literal["light", "dark"]
"""The stylesheet follows the reader's wish; `data-theme` on the root element overrules it."""

PAIR = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\);")


@cache
def stylesheet() -> str:
    """Return the stylesheet of all charts, with the colours of both themes as custom properties."""
    return resources.files(__name__).joinpath("charts.css").read_text(encoding="utf-8")


def colours(theme: Theme) -> dict[str, str]:
    """Return name → colour of one theme, for what knows no custom properties."""
    return {name: dark if theme == "dark" else light for name, light, dark in _pairs()}


def _pairs() -> list[tuple[str, str, str]]:
    return PAIR.findall(stylesheet())
