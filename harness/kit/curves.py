"""Numeric curves: the only thing of a successful training that is shown to its author.

Each point is one line of standard output, `#curve <name> <step> <value>`. The host caps count and
precision itself; thinning here only keeps the interesting points from drowning.
"""

from __future__ import annotations

import re
import sys
import time

from . import environment

POINTS = 200
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

_next_point: dict[str, float] = {}
"""Curve → the time before which further points are dropped."""


def log(name: str, step: int, value: float) -> None:
    """Print a point, unless the curve has had its share of points by this time.

    Raises:
        ValueError: the name is not a short lower-case word.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"a curve's name must match {NAME.pattern}, got {name!r}")
    now = time.monotonic()
    if now < _next_point.get(name, now):
        return
    _next_point[name] = now + float(environment.read("RUNNER_TRAIN_SECONDS")) / POINTS
    sys.stdout.write(f"#curve {name} {int(step)} {float(value):.6g}\n")
    sys.stdout.flush()
