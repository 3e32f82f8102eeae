"""What a container's output tells: curves that the kit logged, and how the code crashed.

The output is the agent's own. Nothing read here is believed; it is thinned, rounded and escaped.

What this does not protect against: an agent that draws whatever curve it likes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from runner.records import Crash, Curve

MOST_CURVES = 16
KIT_CURVES = (b"kit_renamed", b"kit_dropped")
"""In which the kit counts what it changed; they come on top."""
MOST_POINTS = 100
DIGITS = 4
MESSAGE_BYTES = 500
TAIL_BYTES = 64 * 1024

_CURVE = re.compile(rb"^#curve ([a-z][a-z0-9_]{0,31}) (\S{1,32}) (\S{1,32})$", re.MULTILINE)
TRACEBACK = b"Traceback (most recent call last)"
_FRAME = re.compile(r'^  File "([^"\n]{1,200})", line (\d{1,9})', re.MULTILINE)
_ERROR = re.compile(r"^([A-Za-z_][\w.]{0,99})(?:: (.*))?$", re.MULTILINE)


def curves(stdout: bytes) -> tuple[Curve, ...]:
    """Read `#curve NAME STEP VALUE` lines; at most 16 curves of at most 100 points."""
    found: dict[str, list[tuple[float, float]]] = {}
    for name, step, value in _CURVE.findall(stdout):
        point = _point(step, value)
        known = name.decode() in found or name in KIT_CURVES
        if point and (known or len(found) < MOST_CURVES):
            found.setdefault(name.decode(), []).append(point)
    return tuple(Curve(name=name, points=tuple(_thin(points))) for name, points in found.items())


def _point(step: bytes, value: bytes) -> tuple[float, float] | None:
    try:
        # Rounded first: the largest floats round up to infinity, which JSON does not have.
        x, y = _rounded(float(step)), _rounded(float(value))
    except ValueError:
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) else None


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _thin(points: list[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    stride = math.ceil(len(points) / MOST_POINTS)
    return points[::-stride][::-1]  # the last point always stays


def crash(output: bytes) -> Crash:
    """Read the last traceback; without one, the last words of the output are the message.

    Its place is the last one in the workspace, where there is one: that is what can be mended. A
    sealed project's own command runs in a copy of it, whose places are the workspace's.
    """
    text = output[-TAIL_BYTES:].decode("utf-8", errors="replace")
    text = text.replace('File "/cache/project/', 'File "/workspace/')
    head, mark, last = text.rpartition(TRACEBACK.decode())
    if not mark:
        return Crash(exception=None, file=None, line=None, message=escaped(_last_line(head + last)))
    frames = _FRAME.findall(last)
    frames = [frame for frame in frames if frame[0].startswith("/workspace/")] or frames
    error = _ERROR.search(_without_frames(last))
    return Crash(
        exception=escaped(error.group(1)) if error else None,
        file=escaped(frames[-1][0]) if frames else None,
        line=int(frames[-1][1]) if frames else None,
        message=escaped((error.group(2) or "") if error else ""),
    )


def _without_frames(traceback: str) -> str:
    """Drop the indented lines of the frames, and what is left of the heading."""
    lines = traceback.splitlines()[1:]
    return "\n".join(line for line in lines if line and not line.startswith(" "))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#curve ")]
    return lines[-1] if lines else ""


def escaped(text: str) -> str:
    """Make text from inside safe to show: ASCII, no control characters, at most 500 bytes."""
    plain = text.encode("ascii", errors="backslashreplace").decode()
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in plain)
    return shown if len(shown) <= MESSAGE_BYTES else shown[: MESSAGE_BYTES - 3] + "..."


LIMIT_SIGNS = {
    "disk": (b"[Errno 28]", b"No space left on device"),
    "file-size": (b"[Errno 27]", b"File too large"),
    "processes": (b"Resource temporarily unavailable", b"can't start new thread"),
}


def limit_signs(output: bytes) -> str | None:
    """Name the limit that the last words of a crash speak of; it explains, and decides nothing."""
    tail = output[-2048:]
    for limit, signs in LIMIT_SIGNS.items():
        if any(sign in tail for sign in signs):
            return limit
    return None
