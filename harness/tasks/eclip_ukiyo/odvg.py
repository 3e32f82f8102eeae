"""Read Ukiyo-eVG's annotations: one JSON object a line, a print with its caption and its boxes.

A line with no caption or no usable region is skipped and counted. A line that is not such an
object is refused with its file and number: a format that changed should not look like a small set.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.raw import BadRawDataError

FOLDER = "annotations/Ukiyo-eVG"
POOL = (f"{FOLDER}/refined/ukiyoe_vg_train_pgt_odvg.jsonl",
        f"{FOLDER}/refined/ukiyoe_vg_val_pgt_odvg.jsonl")  # fmt: skip
LOCKED = (f"{FOLDER}/ukiyoe_vg_test_annotated.jsonl",)

Box = tuple[float, float, float, float]


class BadPrintsError(BadRawDataError):
    """Annotations or an image are missing or not in the official format; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """What a phrase of the caption names."""

    phrase: str
    box: Box
    """x0, y0, x1, y1 as shares of the print's width and height, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Print:
    """One print as it was annotated."""

    filename: str
    caption: str
    regions: tuple[Region, ...]


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The usable prints of some files, and how many lines were left out and why."""

    prints: tuple[Print, ...]
    counts: dict[str, int]
    """`lines`, `used`, and a reason → how many lines it cost."""


def find_root(raw: Path) -> Path:
    """Return the folder that holds `annotations/` and `images/`: `raw`, or one folder below it."""
    for root in (raw, *sorted(path for path in raw.iterdir() if path.is_dir())):
        if (root / FOLDER).is_dir():
            return root
    raise BadPrintsError(f"there is no folder {FOLDER} among the raw files")


def read(root: Path, names: Iterable[str], *, taken: Iterable[str] = ()) -> Annotations:
    """Return the prints of these files, none twice, and none whose filename is in `taken`.

    Raises:
        BadPrintsError: a file is missing, or a line is not in the official format.
    """
    counts = Counter({"lines": 0, "used": 0})
    seen, prints = set(taken), []
    for one in _lines(root, names):
        counts["lines"] += 1
        reason = _left_out(one, seen)
        counts[reason or "used"] += 1
        if reason is None:
            prints.append(one)
            seen.add(one.filename)
    return Annotations(prints=tuple(prints), counts=dict(counts))


def _left_out(one: Print, seen: set[str]) -> str | None:
    if one.filename in seen:
        return "repeated"
    if not one.caption.strip():
        return "no_caption"
    return None if one.regions else "no_regions"


def _lines(root: Path, names: Iterable[str]) -> Iterator[Print]:
    for name in names:
        path = root / name
        if not path.is_file():
            raise BadPrintsError(f"there is no {name} among the raw files")
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if line.strip():
                yield _parse(line, place=f"{name}, line {number}")


def _parse(line: bytes, *, place: str) -> Print:
    try:
        found = json.loads(line)
        grounding = found["grounding"]
        size = float(found["width"]), float(found["height"])
        name = Path(found["filename"])
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"{name} is not a name below images/")
        return Print(
            filename=found["filename"],
            caption=grounding.get("caption") or "",
            regions=tuple(_regions(grounding.get("regions") or (), size)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadPrintsError(f"{place}: {type(error).__name__}: {error}") from error


def _regions(raw: Iterable[dict[str, Any]], size: tuple[float, float]) -> Iterator[Region]:
    """Yield the regions that have a phrase and an area inside the print."""
    for one in raw:
        phrase, box = str(one["phrase"]).strip(), _shares(one["bbox"], size)
        if phrase and box[0] < box[2] and box[1] < box[3]:
            yield Region(phrase=phrase, box=box)


def _shares(bbox: Iterable[float], size: tuple[float, float]) -> Box:
    x0, y0, x1, y1 = (float(edge) for edge in bbox)
    width, height = size
    if not (width > 0 and height > 0 and all(map(math.isfinite, (x0, y0, x1, y1)))):
        raise ValueError(f"the box {x0, y0, x1, y1} in a print of {width} x {height}")
    return tuple(  # type: ignore[return-value]  # four edges stay four
        min(max(edge / whole, 0.0), 1.0)
        for edge, whole in ((x0, width), (y0, height), (x1, width), (y1, height))
    )
