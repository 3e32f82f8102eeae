"""The progression of a run: each experiment as a mark, the running best as a step line.

What has no score lies on a rail below the plot, never at a number. The audit, a score on other
rows, is a second line: in the same plot where its level is near, in one below where it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from runner.charts import scales, svg
from runner.charts.scales import Scale
from runner.charts.svg import Size


class Fate(StrEnum):
    """How an experiment ended, as far as a picture tells it apart."""

    KEPT = "kept"
    REVERTED = "reverted"
    UNDECIDED = "undecided"
    CRASHED = "crashed"
    """Also what ran out of time, or whose outputs could not be read."""
    REFUSED = "refused"


SHAPES = {
    Fate.KEPT: "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    Fate.REVERTED: "m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0z",
    Fate.UNDECIDED: "m0-4.5l4.5 4.5l-4.5 4.5l-4.5-4.5z",
    Fate.CRASHED: "m-3.5-3.5l7 7m0-7l-7 7",
    Fate.REFUSED: "m-4-3.5h8l-4 7z",
}
"""Told apart without colours, too."""
UP, DOWN = "m0-7.5m-3 0l3-3l3 3", "m0 7.5m-3 0l3 3l3-3"
"""Beside a mark that belongs further up or down than the plot reaches."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One experiment."""

    number: int
    fate: Fate
    value: float | None
    """Its score; absent where there is none."""
    title: str
    href: str | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """What holds from an experiment on, until the next step."""

    number: int
    value: float
    low: float | None = None
    high: float | None = None
    """An interval around the value, where there is one."""


@dataclass(frozen=True, kw_only=True)
class Progression:
    """What is drawn. `first` and `last` are the experiments that the axis reaches from and to."""

    metric: str
    minimize: bool
    first: int
    last: int
    marks: Sequence[Mark]
    best: Sequence[Step]
    audit: Sequence[Step] = ()
    logarithmic: bool = False
    """Where all numbers are positive; linear otherwise."""
    places: int | None = None
    """Decimals that scores are written with; as many as matter where it is not said."""
    missing: int = 0
    """Experiments that are not among the marks."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where a plot is, in pixels."""

    left: float
    right: float
    top: float
    bottom: float


LEFT, RIGHT, GAP = 68.0, 74.0, 12.0
RAIL = 20.0
STRIP = 76.0
"""Heights, of the rail of what has no score and of an audit with a plot of its own."""


def progression(
    found: Progression, size: Size = svg.WIDE, *, name: str = "Progression", class_: str = ""
) -> str:
    """Draw a run's progression; the picture's title is `name`."""
    found = _tame(found)
    apart = bool(found.audit) and not _near(found)
    rail = RAIL if any(mark.value is None for mark in found.marks) else 0.0
    legend, top = _legend(found, size)
    bottom = size.height - 40.0
    floor = bottom - rail - (STRIP + GAP if apart else 0.0)
    frame = Frame(left=LEFT, right=size.width - RIGHT, top=top, bottom=floor)
    across = Scale(
        low=found.first - 0.5, high=found.last + 0.5, start=frame.left + 6, end=frame.right - 6
    )
    up = _vertical(found, frame, shared=not apart)
    parts = [
        *legend,
        *_grid(up, frame),
        *_bands(found, across, up),
        *([] if apart else _line(found.audit, across, up, found.last, "audit", "line dashed")),
        *_line(found.best, across, up, found.last, "kept", "line"),
        *_marks(found, across, up, floor + rail / 2 + 4),
        *_ends(found, frame, up, shared=not apart),
    ]
    if rail:
        parts.append(svg.text(LEFT - 8, floor + rail / 2 + 8, "no score", class_="end"))
    if apart:
        strip = replace(frame, top=floor + rail + GAP + 14, bottom=bottom)
        parts += _strip(found, strip, across)
    parts += _experiments(across, frame, bottom)
    return svg.picture(size, parts, title=name, description=described(found), class_=class_)


def described(found: Progression) -> str:
    """Say in words what the picture shows."""
    counts = Counter(mark.fate for mark in found.marks)
    told = ", ".join(f"{counts[fate]} {fate}" for fate in Fate if counts[fate])
    said = f"Experiments {found.first} to {found.last}; drawn are {told or 'none'}"
    said += f", and {found.missing:,} are not." if found.missing else "."
    if found.best:
        first, last = found.best[0].value, found.best[-1].value
        better = "lower" if found.minimize else "higher"
        said += f" The best {found.metric} went from {first:g} to {last:g}; {better} is better."
    if found.audit:
        first, last = found.audit[0].value, found.audit[-1].value
        said += f" On the locked part it went from {first:g} to {last:g}."
    return said


def thinned(marks: Sequence[Mark], most: int) -> tuple[Mark, ...]:
    """Return no more than about `most` marks: all that were kept, and of the others every n-th."""
    others = [mark for mark in marks if mark.fate is not Fate.KEPT]
    room = max(most - (len(marks) - len(others)), 1)
    every = -(-len(others) // room)
    if every <= 1:
        return tuple(marks)
    chosen = {mark.number for mark in others[::every]}
    return tuple(mark for mark in marks if mark.fate is Fate.KEPT or mark.number in chosen)


# -- scales -------------------------------------------------------------------------------------


def _tame(found: Progression) -> Progression:
    """Return it with numbers that arithmetic can be done with."""

    def step(one: Step) -> Step:
        low, high = (None if one.low is None else scales.cut(one.low)), one.high
        return replace(
            one,
            value=scales.cut(one.value),
            low=low,
            high=None if high is None else scales.cut(high),
        )

    marks = [
        mark if mark.value is None else replace(mark, value=scales.cut(mark.value))
        for mark in found.marks
    ]
    known = [mark.value for mark in marks if mark.value is not None]
    known += [one.value for one in (*found.best, *found.audit)]
    return replace(
        found,
        marks=marks,
        best=[step(one) for one in found.best],
        audit=[step(one) for one in found.audit],
        last=max(found.last, found.first),
        logarithmic=found.logarithmic and bool(known) and min(known) > 0,
    )


def _near(found: Progression) -> bool:
    """Say whether the audit's level is so near that both lines can be read in one plot."""
    own = _range(found, shared=False)
    both = _range(found, shared=True)
    return both[1] - both[0] <= 2.2 * (own[1] - own[0])


def _range(found: Progression, *, shared: bool) -> tuple[float, float]:
    core = [step.value for step in found.best]
    # A band that is cut off would look surer than it is.
    core += [end for step in found.best for end in (step.low, step.high) if end is not None]
    core += [step.value for step in found.audit] if shared else []
    return scales.typical(core, [mark.value for mark in found.marks if mark.value is not None])


def _vertical(found: Progression, frame: Frame, *, shared: bool) -> Scale:
    low, high = _range(found, shared=shared)
    if found.logarithmic:
        known = [mark.value for mark in found.marks if mark.value is not None]
        known += [step.value for step in (*found.best, *(found.audit if shared else ()))]
        low, high = min(known) / 1.05, max(known) * 1.05
    return Scale(
        low=low, high=high, start=frame.bottom, end=frame.top, logarithmic=found.logarithmic
    )


# -- parts --------------------------------------------------------------------------------------


def _legend(found: Progression, size: Size) -> tuple[list[str], float]:
    """Return the key to what occurs, and where the plot may begin.

    It counts nothing: not every experiment is a mark, and a page has the numbers.
    """
    counts = Counter(mark.fate for mark in found.marks)
    entries = [(_sample(fate), str(fate), str(fate)) for fate in Fate if counts[fate]]
    if found.audit:
        line = svg.path("M-7 0h14", class_="line dashed")
        entries.append((line, "audit, on locked data", "audit"))
    parts, x, y = [], LEFT, 14.0
    for shape, said, class_ in entries:
        wide = svg.width_of(said) + 34
        if x > LEFT and x + wide > size.width:
            x, y = LEFT, y + 20
        label = svg.text(12, 4, said)
        parts.append(
            svg.element("g", shape + label, class_=class_, transform=f"translate({x + 8:g} {y:g})")
        )
        x += wide
    better = f"{found.metric}, {'lower' if found.minimize else 'higher'} is better"
    wide = svg.width_of(better)
    y += 0 if x + wide < size.width - 8 else 20
    parts.append(svg.text(size.width - 6, y + 4, better, class_="end"))
    return parts, y + 24


def _sample(fate: Fate) -> str:
    return svg.path(f"M0 0{SHAPES[fate]}", class_=_look(fate))


def _look(fate: Fate) -> str:
    return "mark full" if fate is Fate.KEPT else "mark"


def _grid(up: Scale, frame: Frame, most: int = 5) -> Iterator[str]:
    """Yield a thin line for each round number, and the number."""
    for value, said in up.ticks(most):
        y = up.at(value)
        yield svg.path(f"M{frame.left:g} {svg.number(y)}H{frame.right:g}", class_="grid")
        yield svg.text(frame.left - 8, y + 4, said, class_="end")


def _experiments(across: Scale, frame: Frame, bottom: float) -> Iterator[str]:
    yield svg.path(f"M{frame.left:g} {bottom:g}H{frame.right:g}", class_="axis")
    room = max(2, int((frame.right - frame.left) / 90))
    for value, said in across.ticks(room, whole=True):
        if value >= 0:
            yield svg.text(across.at(value), bottom + 18, said, class_="middle")
    middle = (frame.left + frame.right) / 2
    yield svg.text(middle, bottom + 36, "experiment", class_="middle")


def _spans(steps: Sequence[Step], across: Scale, last: int) -> Iterator[tuple[Step, float, float]]:
    """Yield each step with the pixels from which and to which it holds."""
    for step, after in zip(steps, (*steps[1:], None), strict=False):
        end = last + 0.5 if after is None else after.number
        if end >= across.low:
            yield step, across.at(step.number), across.at(end)


def _line(
    steps: Sequence[Step], across: Scale, up: Scale, last: int, class_: str, look: str
) -> Iterator[str]:
    drawn = ""
    for step, start, end in _spans(steps, across, last):
        y = svg.number(up.at(step.value))
        drawn += (
            f"V{y}H{svg.number(end)}" if drawn else f"M{svg.number(start)} {y}H{svg.number(end)}"
        )
    if drawn:
        yield svg.group([svg.path(drawn, class_=look)], class_)


def _bands(found: Progression, across: Scale, up: Scale) -> Iterator[str]:
    parts = []
    for step, start, end in _spans(found.best, across, found.last):
        if step.low is not None and step.high is not None:
            top, bottom = up.at(step.high), up.at(step.low)
            parts.append(svg.rectangle(start, top, end - start, bottom - top, class_="band"))
    yield svg.group(parts, "kept")


def _marks(found: Progression, across: Scale, up: Scale, rail: float) -> Iterator[str]:
    """Yield the marks of each fate, what was kept last and so on top."""
    for fate in reversed(Fate):
        parts = [
            _mark(mark, across.at(mark.number), up, rail)
            for mark in found.marks
            if mark.fate is fate
        ]
        yield svg.group(parts, str(fate) if fate is Fate.KEPT else f"{fate} faint")


def _mark(mark: Mark, x: float, up: Scale, rail: float) -> str:
    y = rail if mark.value is None else up.at(mark.value)
    drawn = f"M{svg.number(x)} {svg.number(y)}{SHAPES[mark.fate]}"
    if mark.value is not None and not up.holds(mark.value):
        above = mark.value > up.high
        drawn += f"M{svg.number(x)} {svg.number(y)}{UP if above else DOWN}"
    shape = svg.path(drawn, class_=_look(mark.fate))
    return svg.link(mark.href, mark.title, shape, in_turn=mark.fate is Fate.KEPT)


def _ends(found: Progression, frame: Frame, up: Scale, *, shared: bool) -> Iterator[str]:
    """Write what the lines have come to beside their ends, one above the other."""
    named = [("kept", found.best)] + ([("audit", found.audit)] if shared else [])
    ends = [(up.at(steps[-1].value), class_, steps[-1].value) for class_, steps in named if steps]
    for y, class_, value in _apart(sorted(ends)):
        said = svg.text(frame.right + 8, y + 4, _score(found, value), class_="value")
        yield svg.group([said], class_)


def _score(found: Progression, value: float) -> str:
    plain = f"{value:.5g}"
    return plain if found.places is None or len(plain) > 12 else f"{value:.{found.places}f}"


def _apart(
    ends: Iterable[tuple[float, str, float]], room: float = 15.0
) -> list[tuple[float, str, float]]:
    """Return labels from top to bottom, moved so that none is written over another."""
    found: list[tuple[float, str, float]] = []
    for y, class_, value in ends:
        found.append((max(y, found[-1][0] + room) if found else y, class_, value))
    return found


def _strip(found: Progression, frame: Frame, across: Scale) -> Iterator[str]:
    """Yield the audit in a plot of its own, below, on its own numbers."""
    low, high = scales.around([step.value for step in found.audit], pad=0.15)
    up = Scale(low=low, high=high, start=frame.bottom, end=frame.top)
    yield from _grid(up, frame, 2)
    yield from _line(found.audit, across, up, found.last, "audit", "line dashed")
    last = found.audit[-1].value
    said = svg.text(frame.right + 8, up.at(last) + 4, _score(found, last), class_="value")
    yield svg.group([said], "audit")
