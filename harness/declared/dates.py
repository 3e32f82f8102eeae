"""Dates and moments as people and programs write them, one way for a whole column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from string import ascii_letters

DAY_SECONDS = 86400.0
ISO = "2024-01-31"
_DAYS = (
    "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y-%m-%d", "%Y/%m/%d",
    "%Y.%m.%d", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y",
    "%d/%b/%Y", "%d%b%Y", "%d%b%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y",
)  # fmt: skip
"""The day first goes before the month first where both fit."""
_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H.%M.%S")
_WHOLE = (
    "%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%H.%M.%S",
    "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%a %b %d %Y %H:%M:%S GMT%z",
    "%YQ%q", "%Y-Q%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y", "%GW%V", "%G-W%V",
)  # fmt: skip
"""Quarters, `%q`, which strptime does not know, and weeks are among them: their first day."""
_QUARTER = re.compile(r"Q([1-4])(?!\d)")
_PARTS = re.compile(
    r"(?P<week>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?(?P<day>.*?)(?:(?P<cut>[ ,T:]+)"
    r"(?P<clock>\d\d?[:.]\d\d(?:[:.]\d\d(?:\.\d+)?)?(?: ?[AaPp][Mm])?)"
    r"(?P<zone> [A-Z]{3,4}| ?(?:Z|[-+]\d\d:?\d\d))?)?"
)
_ZONES = {
    "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2,
    "EEST": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
    "PDT": -7,
}  # fmt: skip
"""Hours from UTC, of the abbreviations that exports have; strptime knows the machine's alone."""
_EXAMPLE = datetime(2024, 10, 25, 22, 11, 12, 130000, timezone(timedelta(hours=1)))


def moment(value: str, form: str) -> float:
    """Return seconds since 1970; an empty format is the ISO one. A date without zone is in UTC.

    Raises:
        ValueError: it is not so written.
    """
    if form.endswith(" %Z"):
        rest, _, zone = value.rpartition(" ")
        if zone not in _ZONES:
            raise ValueError(f"{zone} is no time zone")
        return moment(rest, form.removesuffix(" %Z")) - _ZONES[zone] * 3600
    if "%q" in form:
        value, form = _QUARTER.sub(_first_month, value), form.replace("Q%q", "Q-%m")
    elif form.endswith("%V"):
        value, form = f"{value}-1", f"{form}-%u"
    found = datetime.strptime(value, form) if form else datetime.fromisoformat(value)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _first_month(quarter: re.Match[str]) -> str:
    return f"Q-{3 * int(quarter[1]) - 2}"


def format_of(seen: Collection[str], declared: str | None) -> str | None:
    """Return the format in which all values are dates, "" for ISO; nothing if there is none."""
    first = next(iter(seen))
    if not any(letter.isdigit() for letter in first) or len(first) > 40:
        return None
    forms = ["", *([declared] if declared else _formats(first))]
    fitting = (form for form in forms if is_date(first, form))
    return next((form for form in fitting if all(is_date(value, form) for value in seen)), None)


def usual_format(values: Iterable[str], declared: str | None) -> tuple[str | None, int]:
    """Return the format that most of a column's values have alone, and how many have it."""
    formats = Counter(format_of({value}, declared) for value in values)
    return max(formats.items(), key=lambda one: (one[0] is not None, one[1]))


def is_date(value: str, form: str) -> bool:
    if not form and len(value) < len(ISO):
        return False  # 20240131 is a number, and 2024-W05 has a format of its own
    try:
        moment(value, form)
    except (ValueError, OverflowError):
        return False
    return True


def twin(form: str) -> str | None:
    """Return the format with day and month changed over, if it is one that people use."""
    for one, other in (("%d/%m", "%m/%d"), ("%d-%m", "%m-%d")):
        if form.startswith(one):
            return form.replace(one, other)
    return None


def _shape(text: str) -> str:
    """Return what is left of a date when its digits and its names are all alike."""
    return re.sub("[A-Za-z]+", "a", re.sub(r"\d+", "0", text))


def _by_shape(forms: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for form in forms:
        found.setdefault(_shape(_EXAMPLE.strftime(form.replace("%q", "4"))), []).append(form)
    return found


_DAYS_BY_SHAPE, _CLOCKS_BY_SHAPE, _WHOLE_BY_SHAPE = map(_by_shape, (_DAYS, _CLOCKS, _WHOLE))


def _formats(value: str) -> Iterator[str]:
    """Yield formats in which a value may be a date, by its parts."""
    yield from _WHOLE_BY_SHAPE.get(_shape(value), ())
    if (parts := _PARTS.fullmatch(value)) is None:
        return
    week, zone = parts["week"] or "", parts["zone"] or ""
    if week:
        week = ("%a" if len(week.rstrip(", ")) == 3 else "%A") + week.lstrip(ascii_letters)
    if zone:
        zone = " " * zone.startswith(" ") + ("%Z" if zone[-3:].isalpha() else "%z")
    clocks = _CLOCKS_BY_SHAPE.get(_shape(parts["clock"]), ()) if parts["clock"] else ("",)
    for day, clock in product(_DAYS_BY_SHAPE.get(_shape(parts["day"]), ()), clocks):
        yield f"{week}{day}{parts['cut'] or ''}{clock}{zone}"
