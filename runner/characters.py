"""Which characters a reader sees, and how the others are shown: in text and in JSON; pure.

Everything that an agent, a container or a repository wrote is printed by way of this module.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

BLOCKS = ((0x180B, 0x1810), (0xFE00, 0xFE10), (0xFFF0, 0xFFF9), (0xE0000, 0xE1000))
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0") | {
    chr(code) for start, end in BLOCKS for code in range(start, end)
}
"""Letters, marks and places of none without a shape; variation selectors can carry bytes."""
HIDDEN_CATEGORIES = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
UNUSUAL = re.compile(r"[^\x20-\x7e\n\t]")
"""What has to be looked at at all."""


def is_hidden(letter: str) -> bool:
    """Say whether a reader would not see the character; tabs and line feeds count as hidden."""
    return unicodedata.category(letter) in HIDDEN_CATEGORIES or letter in INVISIBLE


def is_visible(letter: str) -> bool:
    """Say whether a reader sees the character as itself: letters of all scripts, and the space."""
    return letter.isprintable() and not is_hidden(letter)


def visible(text: str) -> str:
    """Escape what a terminal would obey or hide; lines and tabs stay."""
    return UNUSUAL.sub(
        lambda found: found[0] if is_visible(found[0]) else f"\\x{ord(found[0]):02x}", text
    )


def as_json(document: Any, indent: int | None = 2) -> str:
    """Return a document as JSON that reads back as it was; what is not seen is escaped in it.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    return UNUSUAL.sub(
        lambda found: found[0] if is_visible(found[0]) else json.dumps(found[0])[1:-1], text
    )
