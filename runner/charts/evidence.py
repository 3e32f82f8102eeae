"""What speaks for a candidate: a gauge between the two bounds, and the trials as dots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.charts import scales, svg
from runner.charts.scales import Scale
from runner.charts.svg import Size

GAUGE = Size(width=460, height=92)
NAMED = (0.01, 0.1, 0.5, 0.9, 0.99)
EDGE = 0.002
"""The gauge ends there: beyond, a probability differs by nothing that an eye could see."""


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """The evidence so far. Probabilities are from 0 to 1."""

    better: float
    """That the candidate is what a keep needs."""
    than: str = "better"
    """What that is, in words."""
    keep: float
    """From there on it is kept."""
    hope: float | None = None
    """That it is better by as much as is worth waiting for."""
    drop: float | None = None
    """Below there it is dropped."""
    trials: int
    most_trials: int


def gauge(found: Gauge, size: Size = GAUGE, *, class_: str = "") -> str:
    """Draw how far the evidence is from either bound, on a scale of odds, where it adds up."""
    left, right, y, high = 10.0, size.width - 10.0, 40.0, 14.0
    across = Scale(low=_odds(EDGE), high=_odds(1 - EDGE), start=left, end=right)

    def at(probability: float) -> float:
        return across.at(_odds(probability))

    parts = [svg.rectangle(left, y, right - left, high, class_="track", radius=7)]
    zone = svg.rectangle(at(found.keep), y, right - at(found.keep), high, class_="band", radius=7)
    bound = svg.path(f"M{svg.number(at(found.keep))} {y - 5:g}v{high + 10:g}", class_="line")
    word = svg.text(right, y - 10, f"kept from {_percent(found.keep)}", class_="value end")
    parts.append(svg.group([zone, bound, word], "kept"))
    if found.drop is not None:
        zone = svg.rectangle(left, y, at(found.drop) - left, high, class_="band", radius=7)
        bound = svg.path(f"M{svg.number(at(found.drop))} {y - 5:g}v{high + 10:g}", class_="line")
        word = svg.text(left, y - 10, f"dropped below {_percent(found.drop)}", class_="value")
        parts.append(svg.group([zone, bound, word], "reverted"))
    parts += [
        svg.text(at(value), y + high + 16, _percent(value), class_="middle") for value in NAMED
    ]
    parts += _needle(found, at(found.better), None if found.hope is None else at(found.hope), y)
    told = f"{found.than} with {_percent(found.better)}"
    done = f"trial {found.trials} of at most {found.most_trials}"
    parts.append(svg.text(left, size.height - 6, told, class_="strong"))
    parts.append(svg.text(right, size.height - 6, done, class_="end"))
    said = f"{told}; kept from {_percent(found.keep)}"
    said += "" if found.drop is None else f", dropped when hope is below {_percent(found.drop)}"
    title = "Evidence for the candidate"
    return svg.picture(size, parts, title=title, description=f"{said}; {done}.", class_=class_)


def _needle(found: Gauge, better: float, hope: float | None, y: float) -> Iterator[str]:
    """Yield the evidence: from hope, which must not fall too low, to what must rise."""
    parts = []
    if hope is not None:
        parts.append(svg.path(f"M{svg.number(hope)} {y + 7:g}H{svg.number(better)}", class_="line"))
        parts.append(svg.path(f"M{svg.number(hope)} {y + 7:g}m0-4.5l4.5 4.5l-4.5 4.5l-4.5-4.5z",
                              class_="mark"))  # fmt: skip
    dot = svg.element("circle", cx=better, cy=y + 7, r=6, class_="mark full")
    yield svg.group([*parts, dot], "kept" if found.better >= found.keep else "undecided")


def _odds(probability: float) -> float:
    inside = min(max(probability, EDGE), 1 - EDGE)
    return math.log(inside / (1 - inside))


def _percent(probability: float) -> str:
    """Write a probability so that it is 0 or 100 only where it is."""
    for places in range(6):
        said = f"{100 * probability:.{places}f}"
        if (float(said) in (0.0, 100.0)) == (probability in (0.0, 1.0)):
            return f"{said} %"
    return "nearly 0 %" if probability < 0.5 else "nearly 100 %"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One program: its trials, and what is believed of its level."""

    name: str
    values: Sequence[float]
    level: float | None = None
    margin: float | None = None
    """Half of the level's interval of 95 %."""


@dataclass(frozen=True, kw_only=True)
class Dots:
    """A candidate and what it was compared with."""

    metric: str
    minimize: bool
    candidate: Side
    incumbent: Side
    kept: bool = False


ROW, HILL, DEEP = 34.0, 64.0, 3.2
"""Heights of a row of dots and of the posterior; a margin's half is `DEEP / 2` deviations."""


def dots(found: Dots, size: Size = svg.HALF, *, class_: str = "") -> str:
    """Draw the trials of both sides as dots, and what is believed of their levels above them."""
    sides = (("plain", found.incumbent), ("kept" if found.kept else "undecided", found.candidate))
    left, right = 96.0, size.width - 12.0
    across = _range_of(found, left, right)
    floor = size.height - 38.0
    ground = floor - 2 * ROW
    parts: list[str] = []
    for value, said in across.ticks(4):
        x = across.at(value)
        parts.append(svg.path(f"M{svg.number(x)} 12V{floor:g}", class_="grid"))
        parts.append(svg.text(x, floor + 16, said, class_="middle"))
    better = f"{found.metric}, {'lower' if found.minimize else 'higher'} is better"
    parts.append(svg.text((left + right) / 2, floor + 34, better, class_="middle"))
    tallest = max((1 / side.margin for _, side in sides if side.margin), default=0.0)
    for class_name, side in sides:
        parts.append(svg.group(_hill(side, across, ground, tallest), class_name))
    parts.append(svg.path(f"M{left:g} {ground:g}H{right:g}", class_="axis"))
    for row, (class_name, side) in enumerate(sides):
        y = ground + ROW * (row + 0.5)
        name = svg.shortened(side.name, left - 16)
        parts.append(svg.text(left - 10, y + 4, name, class_="end"))
        parts.append(svg.group(_trials(side, across, y), class_name))
    told = "; ".join(_told(side) for _, side in sides)
    title = "Trials of both sides"
    return svg.picture(size, parts, title=title, description=f"{told}. {better}.", class_=class_)


def _told(side: Side) -> str:
    level = "" if side.level is None else f", level {side.level:.5g}"
    margin = "" if side.margin is None else f" ± {side.margin:.2g}"
    return f"{side.name}: {len(side.values)} trials{level}{margin}"


def _range_of(found: Dots, left: float, right: float) -> Scale:
    values = [
        scales.cut(value) for side in (found.candidate, found.incumbent) for value in side.values
    ]
    for side in (found.candidate, found.incumbent):
        if side.level is not None:
            reach = 1.3 * (side.margin or 0.0)
            values += [scales.cut(side.level - reach), scales.cut(side.level + reach)]
    low, high = scales.around(values)
    return Scale(low=low, high=high, start=left, end=right)


def _hill(side: Side, across: Scale, ground: float, tallest: float) -> Iterator[str]:
    """Yield a normal curve; the surer of two is the taller."""
    if side.level is None or not side.margin or not tallest:
        return
    deviation = side.margin / 1.96
    height = HILL * (1 / side.margin) / tallest
    points = []
    for count in range(-16, 17):
        value = side.level + deviation * count * DEEP / 16
        if across.holds(value):
            up = height * math.exp(-((count * DEEP / 16) ** 2) / 2)
            points.append(f"{svg.number(across.at(value))} {svg.number(ground - up)}")
    if points:
        line = "M" + "L".join(points)
        first, last = points[0].split()[0], points[-1].split()[0]
        yield svg.path(f"{line}L{last} {ground:g}L{first} {ground:g}z", class_="band")
        yield svg.path(line, class_="thin")


def _trials(side: Side, across: Scale, y: float) -> Iterator[str]:
    """Yield a dot for each trial, those of the same place beside each other, and the level."""
    seen: dict[int, int] = {}
    for value in side.values:
        x = across.at(scales.cut(value))
        place = round(x / 5)
        turn = seen[place] = seen.get(place, -1) + 1
        shift = (turn + 1) // 2 * (5 if turn % 2 else -5)
        circle = svg.element("circle", cx=x, cy=y + max(-13, min(13, shift)), r=3.5, class_="mark")
        yield svg.link(None, f"{side.name}: {value:.6g}", circle)
    if side.level is not None:
        level = svg.number(across.at(scales.cut(side.level)))
        yield svg.path(f"M{level} {y - 14:g}v28", class_="line")
