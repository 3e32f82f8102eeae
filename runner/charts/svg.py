"""Elements of SVG as text. Whatever text goes in, nothing but itself comes out."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from runner.characters import visible

LETTER = 6.6
"""About how wide a letter is, in pixels at the size of a chart's text."""
MOST_LETTERS = 300
"""Of one text, so that a picture's size is bounded by its number of marks."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of a picture, in pixels; it shrinks with its page, and never grows."""

    width: int
    height: int


WIDE, NARROW = Size(width=960, height=400), Size(width=400, height=360)
HALF = Size(width=460, height=220)


def escaped(text: str) -> str:
    """Return text for between tags and in attributes; what is not seen is written as an escape."""
    return html.escape(visible(text).replace("\n", " ").replace("\t", " "))


def number(value: float) -> str:
    """Write a coordinate: a tenth of a pixel is enough."""
    return f"{round(value, 1) + 0:g}" if abs(value) < 1e5 else f"{value:.0f}"


def element(name: str, content: str = "", **attributes: str | float | None) -> str:
    """Return an element around content that is markup already; `class_` stands for `class`."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="'
        f'{escaped(value) if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{content}</{name}>" if content else f"<{name}{said}/>"


def text(x: float, y: float, said: str, *, class_: str | None = None) -> str:
    return element("text", escaped(_capped(said)), x=x, y=y, class_=class_)


def path(d: str, *, class_: str | None = None) -> str:
    return element("path", d=d, class_=class_)


def rectangle(
    x: float, y: float, width: float, height: float, *, class_: str, radius: float | None = None
) -> str:
    return element("rect", x=x, y=y, width=max(width, 0), height=height, rx=radius, class_=class_)


def group(parts: Iterable[str], class_: str | None = None) -> str:
    found = "".join(parts)
    return element("g", found, class_=class_) if found else ""


def link(href: str | None, title: str, content: str, *, in_turn: bool = True) -> str:
    """Return content with a hover title, and where there is a place to go, as a link to it.

    Args:
        href: where to.
        title: what is said of it.
        content: markup.
        in_turn: whether the tabulator key stops at it.
    """
    title = _capped(title)
    inside = element("title", escaped(title)) + content if title else content
    if href is None:
        return element("g", inside)
    turn = None if in_turn else "-1"
    return element("a", inside, href=href, tabindex=turn, aria_label=title or None)


def picture(
    size: Size, parts: Iterable[str], *, title: str, description: str, class_: str = ""
) -> str:
    """Return the whole: what it is and what it shows is said for whoever cannot see it.

    With links in it, it is a group, as nothing may be reached inside of an image.
    """
    inside = "".join(parts)
    return element(
        "svg",
        element("title", escaped(title)) + element("desc", escaped(description)) + inside,
        xmlns="http://www.w3.org/2000/svg",
        class_=f"chart {class_}".strip(),
        role="group" if "<a " in inside else "img",
        viewBox=f"0 0 {size.width} {size.height}",
        width=size.width,
        height=size.height,
        aria_label=title,
    )


def _capped(said: str) -> str:
    return said if len(said) <= MOST_LETTERS else said[: MOST_LETTERS - 1] + "…"


def width_of(said: str) -> float:
    """Return about how wide a text is."""
    return LETTER * len(said)


def shortened(said: str, pixels: float) -> str:
    """Return as much of a text as has room."""
    most = max(1, int(pixels / LETTER))
    return said if len(said) <= most else said[: most - 1].rstrip() + "…"
