"""Sizes and durations as people write them, `4g` and `8s`, read into bytes and seconds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

SIZE_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SIZE_PATTERN = r"^[0-9]{1,6}[kmg]$"
DURATION_PATTERN = r"^[0-9]{1,7}(\.[0-9]{1,3})?(ms|s|m|h)$"
QUANTITY = re.compile(r"(-?[0-9]{1,7}(?:\.[0-9]{1,3})?)(ms|[a-z])", re.ASCII)


def show_size(count: int) -> str:
    """Write bytes the way a policy does: the largest unit that loses nothing."""
    for unit, factor in reversed(SIZE_UNITS.items()):
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)


def show_duration(seconds: float) -> str:
    """Write seconds the way a policy does, without a needless fraction."""
    for unit in ("h", "m"):
        factor = DURATION_UNITS[unit]
        if seconds and seconds % factor == 0:
            return f"{seconds / factor:.0f}{unit}"
    return f"{seconds:g}s"


def _split(raw: object, units: dict[str, Any]) -> tuple[str, str] | None:
    match = QUANTITY.fullmatch(raw) if isinstance(raw, str) else None
    return (match[1], match[2]) if match and match[2] in units else None


def _refused(message: str, raw: object) -> PydanticCustomError:
    return PydanticCustomError("quantity", "must be {wanted}", {"wanted": message, "raw": raw})


def _bounded(
    kind: str, read: Callable[[object], float | int], low: float, high: float, show: Any
) -> BeforeValidator:
    def check(raw: object) -> float | int:
        value = read(raw)
        if value <= 0 < low:
            raise _refused("greater than 0", raw)
        if not low <= value <= high:
            raise _refused(f"{kind} from {show(low)} to {show(high)}", raw)
        return value

    return BeforeValidator(check)


def _read_size(raw: object) -> int:
    parts = _split(raw, SIZE_UNITS)
    if parts is None or "." in parts[0]:
        raise _refused("a size such as 256m or 4g", raw)
    return int(parts[0]) * SIZE_UNITS[parts[1]]


def _read_duration(raw: object) -> float:
    parts = _split(raw, DURATION_UNITS)
    if parts is None:
        raise _refused("a duration such as 8s, 2m or 1h", raw)
    return float(parts[0]) * DURATION_UNITS[parts[1]]


def size(low: str, high: str) -> tuple[Any, ...]:
    """Annotations of a field that holds bytes and is written as a size."""
    least, most = _read_size(low), _read_size(high)
    words = f"a size from {low} to {high}, such as 256m or 4g"
    schema = {"type": "string", "pattern": SIZE_PATTERN, "$comment": words}
    return (
        _bounded("a size", _read_size, least, most, show_size),
        PlainSerializer(show_size, return_type=str, when_used="json"),
        WithJsonSchema(schema),
    )


def duration(high: str = "168h") -> tuple[Any, ...]:
    """Annotations of a field that holds seconds and is written as a duration."""
    words = f"a duration greater than 0, at most {high}, such as 8s, 2m or 1h"
    schema = {"type": "string", "pattern": DURATION_PATTERN, "$comment": words}
    return (
        _bounded("a duration", _read_duration, 0.001, _read_duration(high), show_duration),
        PlainSerializer(show_duration, return_type=str, when_used="json"),
        WithJsonSchema(schema),
    )
