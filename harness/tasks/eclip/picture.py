"""A picture of a dozen training samples, for people: print, heatmap, caption."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from harness.tasks.eclip.scenes import SIDE, VOCABULARY

GRID_COLUMNS, GRID_ROWS = 3, 4
SCALE = 5
TILE = SIDE * SCALE
GAP, MARGIN, LINE, TITLE = 8, 28, 22, 52
CELL_WIDTH, CELL_HEIGHT = 2 * TILE + GAP + MARGIN, TILE + 3 * LINE + MARGIN
PAPER, INK = (250, 247, 240), (40, 38, 36)
PHRASE_COLOURS = ((214, 62, 40), (30, 110, 190), (20, 140, 80))
HOT = np.array((255, 70, 20), dtype=np.float64)

Array = NDArray[np.uint8]
Floats = NDArray[np.float64]


def draw_samples(train: Mapping[str, Array]) -> bytes:
    """Return a PNG of the first samples; every phrase has the colour of its box."""
    size = (MARGIN + GRID_COLUMNS * CELL_WIDTH, TITLE + MARGIN + GRID_ROWS * CELL_HEIGHT)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    title = "eclip: training samples. Left the print, right what its phrases point at."
    draw.text((MARGIN, MARGIN - 4), title, fill=INK, font=ImageFont.load_default(18))
    for number in range(min(GRID_COLUMNS * GRID_ROWS, len(train["images"]))):
        row, column = divmod(number, GRID_COLUMNS)
        corner = MARGIN + column * CELL_WIDTH, TITLE + MARGIN + row * CELL_HEIGHT
        _draw_sample(sheet, corner, {name: array[number] for name, array in train.items()})
    stream = io.BytesIO()
    sheet.save(stream, format="PNG")
    return stream.getvalue()


def _draw_sample(sheet: Image.Image, corner: tuple[int, int], sample: Mapping[str, Array]) -> None:
    (left, top), draw = corner, ImageDraw.Draw(sheet)
    heated_left = left + TILE + GAP
    sheet.paste(_enlarged(sample["images"]), (left, top))
    sheet.paste(_enlarged(_heated(sample["images"], sample["boxes"])), (heated_left, top))
    for number, (box, phrase) in enumerate(zip(sample["boxes"], sample["phrases"], strict=True)):
        if not phrase.any():
            continue
        colour = PHRASE_COLOURS[number]
        x0, y0, x1, y1 = (int(edge) * SCALE for edge in box)
        outline = (heated_left + x0, top + y0, heated_left + x1 - 1, top + y1 - 1)
        draw.rectangle(outline, outline=colour, width=2)
        words = " ".join(VOCABULARY[token] for token in phrase if token)
        y = top + TILE + 8 + number * LINE
        draw.rectangle((left, y + 4, left + 10, y + 14), fill=colour)
        draw.text((left + 18, y), words, fill=INK, font=ImageFont.load_default(15))


def _enlarged(image: Array) -> Image.Image:
    return Image.fromarray(image).resize((TILE, TILE), Image.Resampling.NEAREST)


def _heated(image: Array, boxes: Array) -> Array:
    """Return the print, grey where the heatmap is cold and glowing where it is hot."""
    heat = np.max([_heat(box) for box in boxes if box.any()], axis=0)[:, :, None]
    grey = image.mean(axis=2, keepdims=True) * 0.45 + 70
    mixed: Floats = grey * (1 - heat) + (0.45 * image + 0.55 * HOT) * heat
    return mixed.clip(0, 255).astype(np.uint8)


def _heat(box: Array) -> Floats:
    """Return a Gaussian [40, 40] over a box, one at its centre, with half the box as sigma."""
    x0, y0, x1, y1 = box.astype(float)
    pixels = np.arange(SIDE) + 0.5
    across = (pixels - (x0 + x1) / 2) / ((x1 - x0) / 2)
    down = (pixels - (y0 + y1) / 2) / ((y1 - y0) / 2)
    heat: Floats = np.exp(-(across[None, :] ** 2 + down[:, None] ** 2) / 2)
    return heat
