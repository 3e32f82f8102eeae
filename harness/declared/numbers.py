"""Numbers as people write them: currencies, percent, units, and marks before decimals."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

_CODES = (
    "USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|AUD|NZD|CAD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|MXN|ARS|ZAR|TRY|"
    "RUB|KRW|SGD|HKD|THB|ILS"
)
_CURRENCY = (
    r"(?:A|AU|C|CA|US|HK|NZ|S|NT|MX|R)?\$|[\xa2\xa3\xa5\u20a0-\u20cf]|"
    rf"{_CODES}|kr\.?|zł|Kč|Ft|Rs\.?"
)
_WRITTEN = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+\u2212]?)\s*(?:(?P<before>{_CURRENCY})\s*)?(?P<sign2>[-+\u2212]?)"
    rf"(?P<digits>[\d.,'\u2019\s]*\d[.,]?)(?P<exponent>[eE][-+]?\d+)?"
    rf"\s*(?P<after>%|{_CURRENCY})?(?P<close>\))?"
)
_GROUPED = {
    ".": re.compile(r"(\d+|\d{1,3}(?:,\d{2,3})*,\d{3}|\d{1,3}(?:[\s'\u2019]\d{3})+)?(\.\d*)?"),
    ",": re.compile(r"(\d+|\d{1,3}(?:\.\d{3})+|\d{1,3}(?:[\s'\u2019]\d{3})+)?(,\d*)?"),
}
PLAIN, CURRENCY, PERCENT = "number", "currency", "percent"
_WITH_UNIT = re.compile(
    r"(?P<number>.*\d[.,]?)\s*(?P<unit>[^\d\s\-\u2212.,;:/()<>=](?:[^\d]{0,14}[^\d\s])?)"
)
_BOUND = re.compile(r"(?:[<>]=?|[\u2264\u2265])\s*(?=[\d.,])")
FEWEST_PLAIN = 5
"""Different numbers of a column in which others are bounds; with fewer, `<20` may be a class."""
_TIMES = {"k": 1e3, "m": 1e6, "b": 1e9}
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?(?: ?([AaPp])\.?[Mm]\.?)?")
_THREE_DIGITS = re.compile(r"\D*[1-9]\d{0,2}[.,]\d{3}\D*")


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Different values of a column, all of them numbers."""

    known: Mapping[str, float]
    """Value → number."""
    style: str = PLAIN
    """`number`, `currency` or `percent`."""
    note: str = ""
    """What a person should know of how they were read, if anything."""


def number(text: str, decimal: str) -> float | None:
    """Return a finite number, read with this mark before decimals; nothing if it is none.

    `1,234` is 1234 with a decimal point and 1.234 with a decimal comma. `(5)` is -5, as accountants
    write, and `12 %` is 12.
    """
    if decimal == "." and "_" not in text:
        try:
            found = float(text)
        except ValueError:
            pass
        else:
            return found if math.isfinite(found) else None
    parts = _WRITTEN.fullmatch(text)
    if parts is None or bool(parts["open"]) != bool(parts["close"]):
        return None
    grouped = _GROUPED[decimal].fullmatch(parts["digits"])
    if grouped is None:
        return None
    whole = re.sub(r"[\s.,'\u2019]", "", grouped[1] or "0")
    fraction = (grouped[2] or "")[1:] or "0"
    found = float(f"{whole}.{fraction}{parts['exponent'] or ''}")
    negative = (
        parts["open"] or "-" in (signs := parts["sign"] + parts["sign2"]) or "\u2212" in signs
    )
    return (-found if negative else found) if math.isfinite(found) else None


def numbers_of(seen: Collection[str], decimal: str) -> Numbers | None:
    """Read all different values of a column in one way; nothing if there is none for all.

    In this order: as they stand, with the other mark before decimals, with one unit behind them,
    in thousands and millions, as times of a day or spans of time, which become hours; some of them
    as bounds, `<0.5`.
    """
    other = other_mark(decimal)
    ways: tuple[Callable[[Collection[str]], Numbers | None], ...] = (
        lambda values: _plain(values, decimal),
        lambda values: _noted(_plain(values, other), f"has a decimal {_MARKS[other]}, unlike the "
                              "rest of the file"),
        lambda values: _with_unit(values, decimal) or _with_unit(values, other),
        _clock,
        lambda values: _bounded(values, decimal) or _bounded(values, other),
    )  # fmt: skip
    return next((found for way in ways if (found := way(seen)) is not None), None)


_MARKS = {".": "point", ",": "comma"}


def other_mark(decimal: str) -> str:
    return "," if decimal == "." else "."


def is_number(text: str) -> bool:
    """Whether a value is a number with either mark before decimals."""
    return number(text, ".") is not None or number(text, ",") is not None


def unit_of(text: str) -> str | None:
    """Return what stands behind a number, if it is one and anything does."""
    parts = _WITH_UNIT.fullmatch(text)
    return parts["unit"] if parts and is_number(parts["number"].rstrip()) else None


def has_thousands(values: Collection[str], mark: str) -> bool:
    """Whether a mark stands before three digits each time, and values without it are small."""
    marked = [value for value in values if mark in value]
    small = [value for value in values if mark not in value]
    return bool(marked and small) and all(map(_THREE_DIGITS.fullmatch, marked)) and all(
        value.isdigit() and len(value) <= 3 for value in small)  # fmt: skip


def _noted(found: Numbers | None, note: str) -> Numbers | None:
    return None if found is None else Numbers(known=found.known, style=found.style, note=note)


def _plain(seen: Collection[str], decimal: str) -> Numbers | None:
    known = {}
    for value in seen:
        if (found := number(value, decimal)) is None:
            return None
        known[value] = found
    symbols = {_symbol(value) for value in seen} - {""}
    style = PERCENT if "%" in symbols else CURRENCY if symbols else PLAIN
    note, grouped = "", [value for value in known if "," in value]
    if "%" in symbols and any(amount and not _symbol(value) for value, amount in known.items()):
        symbols.add("none")
    if len(symbols) > 1:
        note = f"numbers with {' and '.join(sorted(symbols)[:3])} are read as if they were alike"
    if grouped and (
        not any("." in value for value in known) if decimal == "."
        else all(map(_THREE_DIGITS.fullmatch, grouped))
    ):  # fmt: skip
        note = _said(min(grouped), known)
        note += "" if decimal == "." else " (--decimal . if it is not)"
    return Numbers(known=known, style=style, note=note)


def _with_unit(seen: Collection[str], decimal: str) -> Numbers | None:
    """Read `12 cm`, `1 year` and `3 years`, `10+`, or `5K` and `1.2M`, some without a unit."""
    known, units = {}, []
    for value in seen:
        parts = _WITH_UNIT.fullmatch(value)
        unit = "" if number(value, decimal) is not None or parts is None else parts["unit"]
        found = number(value.removesuffix(unit).rstrip(), decimal)
        if found is None:
            return None
        known[value] = found
        units.append(unit.casefold().rstrip("s."))
    different = set(units) - {""}
    if len(different) == 1 and units.count("") <= len(units) / 2:
        return Numbers(
            known=known, note=_said(max(known, key=lambda value: (len(value), value)), known)
        )
    if different <= set(_TIMES) and different & {"k", "m"}:
        known = {value: known[value] * _TIMES.get(unit, 1.0)
                 for value, unit in zip(known, units, strict=True)}  # fmt: skip
        return Numbers(
            known=known, note=_said(max(known, key=lambda value: (len(value), value)), known)
        )
    return None


def _clock(seen: Collection[str]) -> Numbers | None:
    """Read `13:05`, `1:05 PM` and `1:20:30` as hours."""
    known = {}
    for value in seen:
        if (parts := _CLOCK.fullmatch(value)) is None:
            return None
        hours = int(parts[1]) % 12 + 12 * (parts[4] in "Pp") if parts[4] else int(parts[1])
        known[value] = hours + int(parts[2]) / 60 + float(parts[3] or 0) / 3600
    return Numbers(known=known, note=f"{_said(max(known), known)} hours")


def _bounded(seen: Collection[str], decimal: str) -> Numbers | None:
    """Read `<0.5` and `>100` as the number that they name, where most values are plain numbers."""
    plain = {value: _BOUND.sub("", value, count=1) if _BOUND.match(value) else value
             for value in seen}  # fmt: skip
    bounds = [value for value in seen if plain[value] != value]
    if not bounds or len(seen) - len(bounds) < max(FEWEST_PLAIN, len(bounds)):
        return None
    if (found := _plain(set(plain.values()), decimal)) is None:
        return None
    known = {value: found.known[plain[value]] for value in seen}
    others = f", and so are {len(bounds) - 1} other bounds" if len(bounds) > 1 else ""
    return Numbers(
        known=known, style=found.style, note=f"the bound {_said(min(bounds), known)}{others}"
    )


def _said(value: str, known: Mapping[str, float]) -> str:
    return f"{value!r} is read as {known[value]:.10g}"


def _symbol(text: str) -> str:
    """Return the currency or the percent sign that a number is written with."""
    parts = None if text.isdigit() else _WRITTEN.fullmatch(text)
    return (parts["before"] or parts["after"] or "") if parts else ""
