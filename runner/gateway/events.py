"""Server-sent events: cut from a stream of bytes, and read."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

BORDER = re.compile(rb"\r\n\r\n|\n\n|\r\r")
MOST_BYTES = 8 * 1024 * 1024


class TooLongError(Exception):
    """An event, or an answer, has no end."""


async def batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Yield the events that each chunk completes, as they came; the last may lack its border.

    Events are passed on whole, so that nothing that is looked for in one can lie across a border.

    Raises:
        TooLongError: one is longer than `MOST_BYTES`.
    """
    rest = b""
    async for chunk in chunks:
        looked = max(0, len(rest) - 3)
        rest += chunk
        found, begun = [], 0
        for border in BORDER.finditer(rest, looked):
            found.append(rest[begun : border.end()])
            begun = border.end()
        rest = rest[begun:]
        if len(rest) > MOST_BYTES:
            raise TooLongError
        if found:
            yield found
    if rest:
        yield [rest]


def document(event: bytes) -> dict[str, Any] | None:
    """Return the JSON object that an event holds; `None` where it holds none."""
    lines = (line for line in event.splitlines() if line.startswith(b"data:"))
    return parsed(b"\n".join(line[5:] for line in lines))


def parsed(content: bytes) -> dict[str, Any] | None:
    """Return the JSON object that bytes are; `None` where they are none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
