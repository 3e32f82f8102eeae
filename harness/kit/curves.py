"""Numeric curves: the only thing of a successful training that is shown to its author.

Each point is one line of standard output, `#curve <name> <step> <value>`. The host caps count and
precision itself; thinning here only keeps the interesting points from drowning.

Nothing that is logged ends a training: an odd name is changed into the usual form, what is no
finite number is left out, and both are counted, in the curves `kit_renamed` and `kit_dropped`.
"""

from __future__ import annotations

import math
import re
import sys
import time
from typing import Any

from . import environment

POINTS = 200
MOST_CURVES = 16
LONGEST = 32
NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST - 1}}}")
RENAMED, DROPPED = "kit_renamed", "kit_dropped"

_names: dict[str, str] = {}
"""Name as it was given → as it is printed."""
_next_point: dict[str, float] = {}
"""Curve → the time before which further points are dropped."""
_counted = {RENAMED: 0, DROPPED: 0}


def log(name: str, step: int, value: float) -> None:
    """Print a point, unless the curve has had its share of points by this time.

    A name is of a-z, 0-9 and _, with a letter first, and has 32 characters at most; another one is
    printed in that form. At most 16 curves are kept.
    """
    try:
        x, y = _number(step), _number(value)
    except (TypeError, ValueError, OverflowError, RuntimeError, AttributeError) as error:
        _count(DROPPED, f"a point of {name!s:.60} is left out: {error}")
        return
    printed = _printed(str(name))
    if printed is None:
        _count(DROPPED, f"the curve {name!s:.60} is left out: {MOST_CURVES} are the most")
        return
    now = time.monotonic()
    if now < _next_point.get(printed, now):
        return
    _next_point[printed] = now + float(environment.read("RUNNER_TRAIN_SECONDS")) / POINTS
    _print(printed, x, y)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no finite number")
    return number


def _printed(name: str) -> str | None:
    """Return the name in the usual form, no two names in the same; `None` for one too many."""
    if name in _names:
        return _names[name]
    if len(_names) >= MOST_CURVES:
        return None
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    taken = {*_names.values(), RENAMED, DROPPED}
    if NAME.fullmatch(name) and name not in taken:
        plain = name
    elif not plain[:1].isalpha():  # of a-z: all others are gone
        plain = f"curve_{plain}".rstrip("_")
    base = plain = plain[:LONGEST]
    for count in range(2, MOST_CURVES + 2):
        if plain not in taken:
            break
        plain = f"{base[: LONGEST - 3]}_{count}"
    _names[name] = plain
    if plain != name:
        _count(RENAMED, f"the curve {name!r:.80} is logged as {plain}")
    return plain


def _count(what: str, why: str) -> None:
    """Say it once in the log, and count in a curve: at 1, 2, 4, 8 and so on."""
    _counted[what] += 1
    count = _counted[what]
    if count & (count - 1) == 0:
        _print(what, count, count)
    if count == 1 or what == RENAMED:
        _write(sys.stderr, f"kit.curves: {why}\n")


def _print(name: str, step: float, value: float) -> None:
    _write(sys.stdout, f"#curve {name} {step:.15g} {value:.6g}\n")


def _write(stream: Any, text: str) -> None:
    try:
        stream.write(text.encode("ascii", "backslashreplace").decode())
        stream.flush()
    except (OSError, ValueError, AttributeError):
        pass  # it was closed or taken away; that is no reason to end a training
