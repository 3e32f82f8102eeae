"""Numbers that grow or fall along an axis: cumulative cost, learning curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.charts import scales, svg
from runner.charts.scales import Scale
from runner.charts.svg import Size

Points = Sequence[tuple[float, float]]
LEFT, RIGHT, TOP = 58.0, 70.0, 30.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run cost, in US dollars, up to and with each experiment."""

    spent: Points
    """(experiment, dollars so far), in order."""
    keeps: Sequence[int] = ()
    """Experiments that were kept."""


def cost(found: Cost, size: Size = svg.HALF, *, class_: str = "") -> str:
    """Draw how the cost grew, with a dot for each keep."""
    spent = [(x, scales.cut(y)) for x, y in found.spent]
    total = spent[-1][1] if spent else 0.0
    across, up = _scales([spent], size, whole=True)
    steps = "".join(
        f"{'H' if place else 'M'}{svg.number(across.at(x))}"
        f"{'V' if place else ' '}{svg.number(up.at(y))}"
        for place, (x, y) in enumerate(spent)
    )
    parts = list(_frame(across, up, size, "experiment", money=True))
    if steps:
        end, start = svg.number(across.at(spent[-1][0])), svg.number(across.at(spent[0][0]))
        area = f"{steps}V{svg.number(up.start)}H{start}z"
        label = svg.text(size.width - RIGHT + 8, up.at(total) + 4, dollars(total), class_="value")
        line = [svg.path(area, class_="band"), svg.path(f"{steps}H{end}", class_="line"), label]
        parts.append(svg.group(line, "audit"))
    after = dict(spent)
    marks = [
        svg.element("circle", cx=across.at(n), cy=up.at(after[n]), r=4, class_="mark full")
        for n in found.keeps
        if n in after
    ]
    parts.append(svg.group(marks, "kept"))
    told = f"{dollars(total)} in all, {len(found.keeps)} kept."
    return svg.picture(size, parts, title="Cumulative cost", description=told, class_=class_)


def dollars(usd: float) -> str:
    """Write US dollars so that a cent's fraction still shows."""
    return f"${usd:,.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


@dataclass(frozen=True, kw_only=True)
class Curves:
    """A series that the code under test logged: of the candidate's trials, and of the best's."""

    name: str
    candidate: Sequence[Points]
    incumbent: Sequence[Points] = ()
    logarithmic: bool = False


def curves(found: Curves, size: Size = svg.HALF, *, class_: str = "") -> str:
    """Draw learning curves, the candidate's in front."""
    sets = [
        Lines(name="this experiment", drawn=found.candidate, colour="audit", look="thin"),
        Lines(name="the best before", drawn=found.incumbent, colour="plain", look="thin dashed"),
    ]
    mine, theirs = (sum(map(bool, one.drawn)) for one in sets)
    return lines(
        sets, size, title=found.name, below="step", logarithmic=found.logarithmic, class_=class_,
        told=f"{found.name}: {mine} curves of this experiment, {theirs} of the best.",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Lines that belong together: one name, one colour."""

    name: str
    drawn: Sequence[Points]
    colour: str
    look: str
    """Classes of `charts.css`."""


def lines(
    sets: Sequence[Lines],
    size: Size = svg.HALF,
    *,
    title: str,
    below: str,
    told: str,
    logarithmic: bool = False,
    whole: bool = False,
    class_: str = "",
) -> str:
    """Draw lines with a key, the first set in front; `below` says what the axis counts.

    Outliers leave the picture, unless it is `whole`: from 0 to the largest value.
    """
    drawn = [
        [[(scales.cut(x), scales.cut(y)) for x, y in one] for one in each.drawn if one]
        for each in sets
    ]
    every = [one for each in drawn for one in each]
    across, up = _scales(every, size, whole=whole, logarithmic=logarithmic)
    parts = list(_frame(across, up, size, below))
    for each, these in reversed(list(zip(sets, drawn, strict=True))):
        parts.append(svg.group(_drawn(these, across, up, each.look), each.colour))
    parts += _key([each for each, these in zip(sets, drawn, strict=True) if these])
    return svg.picture(size, parts, title=title, description=told, class_=class_)


def _key(sets: Sequence[Lines]) -> Iterator[str]:
    x = LEFT
    for each in sets:
        line = svg.path(f"M{x:g} 12h18", class_=each.look)
        yield svg.group([line, svg.text(x + 24, 16, each.name)], each.colour)
        x += svg.width_of(each.name) + 44


def _drawn(series: Sequence[Points], across: Scale, up: Scale, look: str) -> Iterator[str]:
    for one in series:
        if len(one) == 1:  # a line of no length is not drawn
            [(x, y)] = one
            yield svg.element("circle", cx=across.at(x), cy=up.at(y), r=2.5, class_="mark full")
            continue
        points = (f"{svg.number(across.at(x))} {svg.number(up.at(y))}" for x, y in one)
        yield svg.path("M" + "L".join(points), class_=look)


def _scales(
    series: Sequence[Points], size: Size, *, whole: bool = False, logarithmic: bool = False
) -> tuple[Scale, Scale]:
    """Return both axes; `whole` begins at 0, as amounts do."""
    steps = [x for one in series for x, _ in one] or [0.0, 1.0]
    values = [y for one in series for _, y in one]
    logarithmic = logarithmic and bool(values) and min(values) > 0
    low, high = scales.typical([], values)
    if logarithmic:
        low, high = min(values), max(values)
    if whole:
        low, high = 0.0, max(values, default=1.0) * 1.08 or 1.0
    across = Scale(low=min(steps), high=max(steps), start=LEFT + 4, end=size.width - RIGHT - 4)
    up = Scale(low=low, high=high, start=size.height - 38.0, end=TOP, logarithmic=logarithmic)
    return across, up


def _frame(
    across: Scale, up: Scale, size: Size, below: str, *, money: bool = False
) -> Iterator[str]:
    right = size.width - RIGHT
    ticks = up.ticks(4)
    cents = money and any("." in said and said[-2] == "." for _, said in ticks)
    for value, said in ticks:
        y = up.at(value)
        said = f"{said}0" if cents else said
        yield svg.path(f"M{LEFT:g} {svg.number(y)}H{right:g}", class_="grid")
        yield svg.text(LEFT - 8, y + 4, f"${said}" if money else said, class_="end")
    yield svg.path(f"M{LEFT:g} {svg.number(up.start)}H{right:g}", class_="axis")
    for value, said in across.ticks(4):
        yield svg.text(across.at(value), up.start + 16, said, class_="middle")
    yield svg.text((LEFT + right) / 2, up.start + 34, below, class_="middle")
