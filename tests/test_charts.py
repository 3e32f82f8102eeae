from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from runner import charts
from runner.charts import bars, evidence, lines, scales, svg
from runner.charts.bars import Bar, Category
from runner.charts.evidence import Dots, Gauge, Side
from runner.charts.lines import Cost, Curves
from runner.charts.progression import (
    SHAPES,
    Fate,
    Mark,
    Progression,
    Step,
    progression,
    thinned,
)

HOSTILE = "\"'><script>alert(1)</script>\x1b[2J\u202e]]>&amp;\x00\nLR style=x onload=y"
NS = "{http://www.w3.org/2000/svg}"


def mark(number: int, fate: Fate, value: float | None = None, title: str = "tried") -> Mark:
    return Mark(number=number, fate=fate, value=value, title=title, href=f"e/{number}")


MARKS = (
    mark(0, Fate.KEPT, 100.0),
    mark(1, Fate.REVERTED, 120.0, HOSTILE),
    mark(2, Fate.CRASHED),
    mark(3, Fate.KEPT, 80.0),
    mark(4, Fate.UNDECIDED, 79.0),
    mark(5, Fate.REFUSED),
    mark(6, Fate.REVERTED, 85.0),
)
BEST = (Step(number=0, value=100.0, low=95.0, high=105.0), Step(number=3, value=80.0))
AUDIT = (Step(number=0, value=101.0), Step(number=3, value=84.0))


def a_run(**more) -> Progression:
    said = {"metric": HOSTILE, "minimize": True, "first": 0, "last": 6, "marks": MARKS}
    return Progression(**said | {"best": BEST, "audit": AUDIT} | more)


def side(*values: float, level: float | None = None, margin: float | None = None) -> Side:
    return Side(name=HOSTILE, values=values, level=level, margin=margin)


GAUGE = Gauge(better=0.8, keep=0.97, hope=0.3, drop=0.1, trials=3, most_trials=14)
DOTS = Dots(
    metric=HOSTILE,
    minimize=True,
    candidate=side(1.0, 1.0, 2.0, level=1.5, margin=0.4),
    incumbent=side(3.0, level=3.0),
)
CURVES = Curves(name=HOSTILE, candidate=[[(0, 4.0), (1, 2.0)]], incumbent=[[(0, 5.0)], []])
PICTURES = {
    "progression": lambda: progression(a_run()),
    "narrow": lambda: progression(a_run(), svg.NARROW, class_="narrow"),
    "logarithmic": lambda: progression(a_run(logarithmic=True)),
    "audit elsewhere": lambda: progression(a_run(audit=[Step(number=0, value=9000.0)])),
    "nothing yet": lambda: progression(a_run(marks=(), best=(), audit=(), last=0)),
    "gauge": lambda: evidence.gauge(GAUGE),
    "gauge of one bound": lambda: evidence.gauge(
        Gauge(better=1.0, keep=0.97, trials=1, most_trials=2)
    ),
    "dots": lambda: evidence.dots(DOTS),
    "no dots": lambda: evidence.dots(
        Dots(metric="m", minimize=False, candidate=side(), incumbent=side())
    ),
    "bars": lambda: bars.bars(
        [Bar(name=HOSTILE, counts=[(Fate.CRASHED, 3)], said="3", href=HOSTILE)], title=HOSTILE
    ),
    "no bars": lambda: bars.bars([], title="Failures"),
    "categories": lambda: bars.categories([Category(name=HOSTILE, counts={Fate.KEPT: 1})]),
    "cost": lambda: lines.cost(Cost(spent=[(0, 0.0), (1, 0.5)], keeps=[1])),
    "no cost": lambda: lines.cost(Cost(spent=[])),
    "curves": lambda: lines.curves(CURVES),
    "diverged": lambda: progression(
        a_run(marks=(mark(0, Fate.KEPT, 1e308), mark(1, Fate.REVERTED, -1e308)), best=(), audit=())
    ),
    "curves of one point": lambda: lines.curves(Curves(name="loss", candidate=[[(1, 2.6)]])),
    "curves that diverge": lambda: lines.curves(
        Curves(name="loss", candidate=[[(0, 1.0), (1, math.inf), (2, math.nan), (3, 1e308)]])
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_markup_that_a_strict_policy_allows(name):
    drawn = PICTURES[name]()
    tree = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    for each in tree.iter():
        assert each.tag.removeprefix(NS) not in ("script", "style", "image", "foreignObject")
        assert not {a for a in each.attrib if a == "style" or a.startswith("on")}
    assert "nan" not in re.sub(r"<title>.*?</title>", "", drawn)
    assert "inf" not in drawn
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_says_what_it_shows_and_has_a_size(name):
    tree = ElementTree.fromstring(PICTURES[name]())  # noqa: S314
    title, description = tree[0], tree[1]
    assert (title.tag, description.tag) == (f"{NS}title", f"{NS}desc")
    assert title.text
    assert description.text
    assert tree.attrib["viewBox"] == f"0 0 {tree.attrib['width']} {tree.attrib['height']}"
    links = list(tree.iter(f"{NS}a"))
    assert tree.attrib["role"] == ("group" if links else "img")
    assert all(link.attrib["aria-label"] for link in links)


@pytest.mark.parametrize("name", PICTURES)
def test_each_class_is_in_the_one_stylesheet(name):
    known = set(re.findall(r"\.([a-z]+)", charts.stylesheet())) | {"value"}
    used = {c for found in re.findall(r'class="([^"]*)"', PICTURES[name]()) for c in found.split()}
    assert used <= known


def test_what_an_agent_wrote_is_text_and_nothing_else():
    tree = ElementTree.fromstring(PICTURES["progression"]())  # noqa: S314
    titles = [each.text for each in tree.iter(f"{NS}title")]
    assert any("<script>alert(1)</script>" in (title or "") for title in titles)


def test_a_curve_of_one_point_is_a_dot_and_of_several_a_line():
    one, two = Curves(name="loss", candidate=[[(1, 2.6)]]), [[(1, 2.6), (2, 2.5)]]
    assert lines.curves(one).count("<circle") == 1
    assert lines.curves(replace(one, candidate=two)).count("<circle") == 0


def test_fates_differ_in_shape_too():
    assert set(SHAPES) == set(Fate)
    assert len(set(SHAPES.values())) == len(Fate)
    drawn = progression(a_run())
    assert all(SHAPES[each.fate] in drawn for each in MARKS)


def test_what_has_no_score_lies_below_every_score():
    drawn = progression(a_run())
    heights = {
        number: float(y)
        for number, y in re.findall(r'href="e/(\d)".*?<path d="M[\d.]+ ([\d.]+)m', drawn)
    }
    assert min(heights["2"], heights["5"]) > max(heights[n] for n in "01346")
    assert "no score" in drawn


def test_one_run_that_diverged_presses_nothing_flat():
    tame = scales.typical([100.0, 80.0], [85.0, 90.0, 120.0])
    wild = scales.typical([100.0, 80.0], [85.0, 90.0, 120.0, 1e9])
    assert wild[1] - wild[0] < 3 * (tame[1] - tame[0])


def test_an_interval_is_never_cut_off_by_the_edge():
    best = [Step(number=0, value=100.0, low=95.0, high=105.0), Step(number=3, value=80.0)]
    one, wide = (
        ElementTree.fromstring(str(progression(a_run(best=[*best[:1], replace(best[1], **more)]))))  # noqa: S314
        for more in ({"low": 78.0, "high": 82.0}, {"low": 60.0, "high": 100.0})
    )
    heights = [
        [float(band.get("height", 0)) for band in picture.iter(f"{NS}rect") if bands(band)]
        for picture in (one, wide)
    ]
    assert [len(each) for each in heights] == [2, 2]
    assert heights[0][1] == pytest.approx(heights[0][0] * 4 / 10, rel=0.02)
    assert heights[1][1] == pytest.approx(heights[1][0] * 40 / 10, rel=0.02)


def bands(found: ElementTree.Element) -> bool:
    return "band" in (found.get("class") or "").split()


def test_an_audit_far_away_has_a_plot_of_its_own():
    near = ElementTree.fromstring(PICTURES["progression"]())  # noqa: S314
    far = ElementTree.fromstring(PICTURES["audit elsewhere"]())  # noqa: S314
    said = [[t.text or "" for t in tree.iter(f"{NS}text")] for tree in (near, far)]
    assert not any("10,000" in text for text in said[0])
    assert any("10,000" in text for text in said[1])


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        pytest.param(0, 100, ["0", "20", "40", "60", "80", "100"], id="tens"),
        pytest.param(0.9931, 0.9979, ["0.994", "0.995", "0.996", "0.997"], id="thousandths"),
        pytest.param(-1.2, 1.3, ["-1.0", "-0.5", "0.0", "0.5", "1.0"], id="across zero"),
        pytest.param(5, 5, ["5"], id="nothing between"),
        pytest.param(0, 12e3, ["0", "2,500", "5,000", "7,500", "10,000"], id="thousands"),
        pytest.param(0, 1, ["0.00", "0.25", "0.50", "0.75", "1.00"], id="quarters"),
        pytest.param(
            1.2e9,
            1.21e9,
            ["1.2e+09", "1.202e+09", "1.204e+09", "1.206e+09", "1.208e+09", "1.21e+09"],
            id="large",
        ),
        pytest.param(
            2.635977, 2.635985, ["2.635978", "2.63598", "2.635982", "2.635984"], id="fine"
        ),
    ],
)
def test_ticks_are_few_and_round(low, high, ticks):
    most = 4 if ticks[1:2] == ["0.25"] else 5
    found = scales.Scale(low=low, high=high, start=0, end=100).ticks(most)
    assert [said for _, said in found] == ticks


@pytest.mark.parametrize(
    ("last", "most", "ticks"),
    [
        (4, 2, ["0", "2", "4"]),
        (2, 7, ["0", "1", "2"]),
        (11, 5, ["0", "2", "4", "6", "8", "10"]),
    ],
)
def test_what_is_counted_has_whole_numbers_on_its_axis(last, most, ticks):
    found = scales.Scale(low=-0.3, high=last + 0.3, start=0, end=100).ticks(most, whole=True)
    assert [said for _, said in found] == ticks


def test_a_logarithmic_axis_names_powers_of_ten():
    scale = scales.Scale(low=0.5, high=20_000, start=0, end=100, logarithmic=True)
    assert [value for value, _ in scale.ticks()] == [1, 10, 100, 1000, 10_000]
    assert scale.at(100) - scale.at(10) == pytest.approx(scale.at(1000) - scale.at(100))


def test_of_too_many_marks_all_that_were_kept_stay():
    many = [mark(n, Fate.KEPT if n % 100 == 0 else Fate.REVERTED, 1.0) for n in range(10_000)]
    few = thinned(many, 500)
    assert len(few) <= 510
    assert sum(each.fate is Fate.KEPT for each in few) == 100
    assert thinned(few, 1000) == few


def test_marks_that_are_not_drawn_are_said_and_never_counted_in_the_key():
    drawn = progression(a_run(missing=900))
    tree = ElementTree.fromstring(drawn)  # noqa: S314
    assert "and 900 are not." in (tree[1].text or "")
    key = [each.text for each in tree.iter(f"{NS}text")][:5]
    assert key == ["kept", "reverted", "undecided", "crashed", "refused"]


def test_the_needle_is_beyond_the_bound_when_the_evidence_is():
    def needle(better: float) -> float:
        drawn = evidence.gauge(Gauge(better=better, keep=0.97, trials=3, most_trials=14))
        return float(re.search(r'<circle cx="([\d.]+)"', drawn)[1])

    bound = float(re.search(r'd="M([\d.]+) 35v', evidence.gauge(GAUGE))[1])
    assert needle(0.5) < needle(0.96) < bound < needle(0.98)


def test_a_probability_is_never_rounded_to_certainty():
    drawn = evidence.gauge(Gauge(better=0.99999, keep=0.97, trials=3, most_trials=14))
    assert "better with 99.999 %" in drawn


@pytest.mark.parametrize(
    ("theme", "name"),
    [
        (theme, name)
        for theme in ("light", "dark")
        for name in charts.colours(theme)
        if name != "surface"
    ],
)
def test_colours_can_be_told_from_the_page(theme, name):
    found = charts.colours(theme)
    least = LEAST.get(name, 4.5)
    assert contrast(found[name], found["surface"]) >= least


LEAST = {"raised": 1.0, "grid": 1.1, "axis": 1.5}
"""What is no text, and no mark."""


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    lit = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * lit[0] + 0.7152 * lit[1] + 0.0722 * lit[2]
