"""Write a folder of Ukiyo-eVG as it is published, with prints that eclip's generator painted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.tasks.eclip import scenes
from harness.tasks.eclip.draws import Draws
from harness.tasks.eclip.prints import box, paint
from harness.tasks.eclip_ukiyo import odvg

WIDTH, HEIGHT = 120, 160
"""Of a JPEG; the painted print is stretched to it, and so are its boxes."""

Line = dict[str, Any]


def write(raw: Path, sizes: Mapping[str, int] | None = None) -> dict[str, list[Line]]:
    """Write annotations and images, and return the lines of `train`, `val` and `test`."""
    sizes = sizes or {"train": 18, "val": 6, "test": 8}
    (raw / "images").mkdir(parents=True, exist_ok=True)
    written = {}
    for part, name in zip(sizes, (*odvg.POOL, *odvg.LOCKED), strict=True):
        lines = [_print(raw, f"{part}{number:04d}") for number in range(sizes[part])]
        write_lines(raw / name, lines)
        written[part] = lines
    return written


def write_lines(path: Path, lines: list[Line]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _print(raw: Path, name: str) -> Line:
    draws = Draws(f"prints/{name}")
    scene = scenes.draw_scene(draws)
    small = Image.fromarray(paint(scene, draws).astype(np.uint8))
    small.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST).save(raw / "images" / f"{name}.jpg")
    across, down = WIDTH / scenes.SIDE, HEIGHT / scenes.SIDE
    regions = []
    for thing in scene:
        x0, y0, x1, y1 = box(thing)
        bbox = [x0 * across, y0 * down, x1 * across, y1 * down]
        regions.append({"bbox": bbox, "phrase": " ".join(thing.phrase)})
    caption = f"{' '.join(scenes.caption(scene)).capitalize()}."
    return {
        "filename": f"{name}.jpg",
        "width": WIDTH,
        "height": HEIGHT,
        "grounding": {"caption": caption, "regions": regions},
    }
