"""A chart as PNG, by resvg, with the fonts of this machine.

resvg knows neither custom properties nor the states of a page, so the stylesheet is written out for
it in the colours of one theme.
"""

from __future__ import annotations

import re
from functools import cache

import resvg_py

from runner.charts import Theme, colours, stylesheet

FONT = "DejaVu Sans"
"""Where it is not installed, resvg takes another one that is."""
NOT_FOR_IT = (
    re.compile(r"/\*.*?\*/", re.DOTALL),
    re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}"),
    re.compile(r":root[^{]*\{[^{}]*\}"),
    re.compile(r"^[^\n{]*:(?:hover|focus-visible)[^{]*\{[^{}]*\}", re.MULTILINE),
    re.compile(r"^\.chart\.narrow \{[^{}]*\}", re.MULTILINE),
)
BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{}</svg>'


class NoFontsError(Exception):
    """This machine has no font, so that a picture would have no text."""


@cache
def flat_style(theme: Theme) -> str:
    """Return the stylesheet without what resvg does not know."""
    style = stylesheet()
    for part in NOT_FOR_IT:
        style = part.sub("", style)
    known = colours(theme)
    return re.sub(r"var\(--([a-z-]+)\)", lambda name: known[name[1]], style)


def png(svg: str, theme: Theme = "light", *, zoom: float = 2) -> bytes:
    """Return a picture as PNG, on the theme's own ground.

    Raises:
        NoFontsError: no text could be drawn.
    """
    _require_fonts()
    return _drawn(svg, theme, zoom)


@cache
def _require_fonts() -> None:
    letter = BLANK.format('<text x="2" y="16">M</text>')
    if _drawn(letter, "light", 1) == _drawn(BLANK.format(""), "light", 1):
        raise NoFontsError("no text can be drawn")


def _drawn(svg: str, theme: Theme, zoom: float) -> bytes:
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            style_sheet=flat_style(theme),
            background=colours(theme)["surface"],
            zoom=zoom,
            font_family=FONT,
            sans_serif_family=FONT,
        )
    )
