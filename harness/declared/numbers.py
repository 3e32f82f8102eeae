"""Numbers as people write them: currencies, percent, and a comma or a point before decimals."""

from __future__ import annotations

import math
import re

_CURRENCY = r"[$€£¥₹₽]|USD|EUR|GBP|CHF|JPY|kr|zł|Rs\.?"
_WRITTEN = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+\u2212]?)\s*(?:(?P<before>{_CURRENCY})\s*)?(?P<sign2>[-+\u2212]?)"
    rf"(?P<digits>[\d.,'\u2019\s]*\d[.,]?)(?P<exponent>[eE][-+]?\d+)?"
    rf"\s*(?P<after>%|{_CURRENCY})?(?P<close>\))?"
)
_GROUPED = {
    ".": re.compile(r"(\d+|\d{1,3}(?:,\d{3})+|\d{1,3}(?:[\s'\u2019]\d{3})+)?(\.\d*)?"),
    ",": re.compile(r"(\d+|\d{1,3}(?:\.\d{3})+|\d{1,3}(?:[\s'\u2019]\d{3})+)?(,\d*)?"),
}
PLAIN, CURRENCY, PERCENT = "number", "currency", "percent"


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


def style(text: str) -> str:
    """Return what a number is written as: `number`, `currency` or `percent`."""
    parts = _WRITTEN.fullmatch(text)
    if parts is None:
        return PLAIN
    if parts["after"] == "%":
        return PERCENT
    return CURRENCY if parts["before"] or parts["after"] else PLAIN
