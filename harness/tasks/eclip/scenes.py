"""What is on a print, and how it is said: objects, phrases and captions, before any pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.tasks.eclip.draws import Draws

SIDE = 40
MAX_OBJECTS = 3
SIZES = {"small": 4, "medium": 6, "large": 8}
"""Word → pixels from the object's centre to its edge."""
TEXTURES = ("plain", "striped", "dotted", "checked")
COLOURS = {
    "red": (205, 50, 45),
    "orange": (235, 135, 40),
    "yellow": (240, 210, 70),
    "green": (65, 150, 65),
    "teal": (40, 165, 165),
    "blue": (50, 75, 190),
    "purple": (140, 60, 160),
    "black": (35, 35, 40),
}
SHAPES = ("disc", "square", "triangle", "diamond", "cross", "ring", "bar")
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")
FIRST_CELL, CELL = 8, 12
"""Pixels to the centre of the first place, and from one place to the next."""
WANDER = 2
OPTIONAL = ("size", "texture", "place")

VOCABULARY = (
    "<pad>", "a", "and", *SIZES, *TEXTURES, *COLOURS, *SHAPES, *ROWS, *COLUMNS,
)  # fmt: skip
TOKEN = {word: token for token, word in enumerate(VOCABULARY)}
PHRASE_TOKENS = 7
CAPTION_TOKENS = MAX_OBJECTS * (PHRASE_TOKENS + 1)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One object of a print; `unsaid` names the attribute that its phrase leaves out, if any."""

    size: str
    texture: str
    colour: str
    shape: str
    row: int
    column: int
    centre: tuple[int, int]
    unsaid: str | None

    @property
    def phrase(self) -> tuple[str, ...]:
        """The words that name it: `a large striped red disc upper left`."""
        said = {
            "size": (self.size,),
            "texture": (self.texture,),
            "noun": (self.colour, self.shape),
            "place": (ROWS[self.row], COLUMNS[self.column]),
        }
        kept = (words for part, words in said.items() if part != self.unsaid)
        return "a", *(word for words in kept for word in words)


def draw_scene(draws: Draws) -> tuple[Thing, ...]:
    """Return two or three things at different places, the first one lowest in the pile."""
    places = [(row, column) for row in range(len(ROWS)) for column in range(len(COLUMNS))]
    count = 2 + draws.below(MAX_OBJECTS - 1)
    return tuple(_draw_thing(draws, *place) for place in draws.sample(places, count))


def caption(scene: Sequence[Thing]) -> tuple[str, ...]:
    """Return the phrases in order, joined by `and`."""
    words = [word for thing in scene for word in ("and", *thing.phrase)]
    return tuple(words[1:])


def tokens(words: Sequence[str], length: int) -> list[int]:
    """Return the words' tokens, filled up with padding."""
    return [TOKEN[word] for word in words] + [0] * (length - len(words))


def _draw_thing(draws: Draws, row: int, column: int) -> Thing:
    return Thing(
        size=draws.one_of(tuple(SIZES)),
        texture=draws.one_of(TEXTURES),
        colour=draws.one_of(tuple(COLOURS)),
        shape=draws.one_of(SHAPES),
        row=row,
        column=column,
        centre=(
            draws.around(FIRST_CELL + CELL * column, WANDER),
            draws.around(FIRST_CELL + CELL * row, WANDER),
        ),
        unsaid=draws.one_of((None, *OPTIONAL)),
    )
