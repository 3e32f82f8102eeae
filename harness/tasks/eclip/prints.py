"""Paint a scene: 40x40 pixels, integer arithmetic only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.tasks.eclip.draws import Draws
from harness.tasks.eclip.scenes import COLOURS, SIDE, SIZES, Thing

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

PAPERS = ((204, 184, 146), (184, 172, 160), (166, 178, 154), (196, 164, 148))
SKIES = ((128, 154, 170), (172, 140, 112), (146, 142, 168), (120, 150, 132))
BLOCK = 5
"""Side of the ground's coarse noise; it must divide the print's."""
COARSE, FINE, HUE, LIGHT = 18, 28, 24, 20
"""Noise spreads, in levels of 255: ground blocks, every pixel, a thing's colour, whole print."""
DARK_FIFTHS = 2
"""How much of its colour remains, in fifths, where a texture is dark."""

_DOWN, _ACROSS = (axis.astype(np.int64) for axis in np.indices((SIDE, SIDE)))


def paint(scene: Sequence[Thing], draws: Draws) -> NDArray[np.uint8]:
    """Return the print as uint8 [40, 40, 3]."""
    canvas = _ground(draws)
    for number, thing in enumerate(scene):
        _paint_thing(canvas, thing, draws.noise((3,), HUE, name=f"hue-{number}"))
    canvas += draws.noise(canvas.shape, FINE, name="fine") + draws.around(0, LIGHT)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def box(thing: Thing) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 in pixels, ends excluded, around what the print shows of a thing.

    What lies over it does not cut its box.
    """
    outline = _outline(thing)
    down, across = (np.flatnonzero(outline.any(axis=axis)) for axis in (1, 0))
    return int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1


def _ground(draws: Draws) -> Ints:
    """A sky that fades into paper from top to bottom, as printers wiped it, with coarse grain."""
    sky, paper = (np.array(draws.one_of(tones), dtype=np.int64) for tones in (SKIES, PAPERS))
    faded = (sky * (SIDE - 1 - _DOWN[:, :, None]) + paper * _DOWN[:, :, None]) // (SIDE - 1)
    coarse = draws.noise((SIDE // BLOCK, SIDE // BLOCK, 1), COARSE, name="coarse")
    return faded + coarse.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)


def _paint_thing(canvas: Ints, thing: Thing, hue: Ints) -> None:
    outline = _outline(thing)
    dark = outline & _TEXTURES[thing.texture](*_from_centre(thing))
    colour = np.array(COLOURS[thing.colour]) + hue
    canvas[outline] = colour
    canvas[dark] = colour * DARK_FIFTHS // 5


def _outline(thing: Thing) -> Mask:
    return _OUTLINES[thing.shape](*_from_centre(thing), SIZES[thing.size])


def _from_centre(thing: Thing) -> tuple[Ints, Ints]:
    x, y = thing.centre
    return _ACROSS - x, _DOWN - y


def _disc(x: Ints, y: Ints, r: int) -> Mask:
    return x * x + y * y <= r * r


_OUTLINES: Mapping[str, Callable[[Ints, Ints, int], Mask]] = {
    "disc": _disc,
    "square": lambda x, y, r: np.maximum(abs(x), abs(y)) <= r - 1,
    "triangle": lambda x, y, r: (abs(y) <= r) & (2 * abs(x) <= y + r),
    "diamond": lambda x, y, r: abs(x) + abs(y) <= r,
    "cross": lambda x, y, r: (
        (np.minimum(abs(x), abs(y)) <= r // 4) & (np.maximum(abs(x), abs(y)) <= r)
    ),
    "ring": lambda x, y, r: _disc(x, y, r) & (4 * (x * x + y * y) >= r * r),
    "bar": lambda x, y, r: (abs(x) <= r) & (abs(y) <= r // 3),
}

_TEXTURES: Mapping[str, Callable[[Ints, Ints], Mask]] = {
    "plain": lambda x, _: np.zeros_like(x, dtype=np.bool_),
    "striped": lambda x, y: (x + y) // 2 % 2 == 1,
    "dotted": lambda x, y: (x % 3 == 1) & (y % 3 == 1),
    "checked": lambda x, y: (x // 3 + y // 3) % 2 == 1,
}
