"""A run as one picture of 1200 by 630 pixels, as READMEs, slides and links show them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from runner.charts import svg
from runner.charts.progression import progression
from runner.charts.svg import Size
from runner.decision import Direction
from runner.report import words
from runner.report.gather import Report
from runner.views import lines, summary

CARD = Size(width=1200, height=630)
EDGE = 64.0
GRAPH = Size(width=880, height=250)
LARGER = 1.25
"""Letters of a picture that is looked at from further away."""
LINE = 92
"""Letters of one line at the foot."""


def card(found: Report) -> str:
    """Draw the share card as SVG."""
    overview = found.overview
    run, metric = found.run, overview.metric
    better = "lower" if metric.direction is Direction.MINIMIZE else "higher"
    parts = [
        svg.rectangle(0, 0, CARD.width, 8, class_="accent"),
        _text(EDGE, 70, f"{run.task} · run {run.tag}", "small"),
        _hero(found),
        _text(EDGE, 206, f"{metric.label}, {better} is better", "small"),
        *_facts(found),
        svg.element(
            "g",
            progression(found.progression, GRAPH),
            transform=f"translate({EDGE - 20:g} 238) scale({LARGER:g})",
        ),
        *(
            _text(EDGE, CARD.height - 46 + 28 * row, said, "small")
            for row, said in enumerate(textwrap.wrap(_believe(found), LINE)[:2])
        ),
    ]
    title = f"{run.task}, run {run.tag}"
    described = " ".join(words.sentences(found))
    return svg.picture(CARD, parts, title=title, description=described, class_="card")


def _text(x: float, y: float, said: str, class_: str) -> str:
    return svg.text(x, y, lines.plain(said, 120), class_=class_)


def _hero(found: Report) -> str:
    scores = words.headline(found.overview)
    if scores is None:
        return _text(EDGE, 160, "no baseline", "hero")
    before, after = scores
    if before == after:
        return _text(EDGE, 160, before, "hero")
    inside = svg.element("tspan", svg.escaped(f"{before} → "), class_="from")
    return svg.element(
        "text", inside + svg.element("tspan", svg.escaped(after)), x=EDGE, y=160, class_="hero"
    )


def _facts(found: Report) -> Iterator[str]:
    """Yield gain, audit, keeps and cost, one below the other."""
    overview = found.overview
    gain, audit, spent = overview.gain, overview.audit, overview.spent
    tried = sum(overview.standing.counts.values())
    told = [
        ("gain", summary.shown(gain) if gain else "none yet"),
        ("on locked data", summary.shown(audit.audited) if audit else "not known"),
        ("kept", f"{max(len(overview.standing.keeps) - 1, 0)} of {tried:,}"),
        ("spent", lines.money(spent.usd) if spent else "no call recorded"),
    ]
    for row, (name, value) in enumerate(told):
        y = 74 + 40 * row
        yield svg.text(CARD.width - EDGE - 250, y, name, class_="small end")
        yield svg.text(CARD.width - EDGE - 232, y, value, class_="fact")


def _believe(found: Report) -> str:
    said = found.overview.believe
    trust = "" if not found.overview.standing.advisory else "ADVISORY. "
    return trust + (f"Believe it? {said}" if said else "Nothing was kept yet.")
