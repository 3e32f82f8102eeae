"""Server-sent events: cut from a stream of bytes, and read."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

BORDER = re.compile(rb"\r\n\r\n|\n\n|\r\r")
MOST_BYTES = 32 * 1024 * 1024


class TooLongError(Exception):
    """An event has no end."""


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield each event as it came, with its border; the last may lack one.

    Events are passed on whole, so that nothing that is looked for in one can lie across a border.

    Raises:
        TooLongError: one is longer than `MOST_BYTES`.
    """
    rest, looked = b"", 0
    async for chunk in chunks:
        rest += chunk
        while found := BORDER.search(rest, max(0, looked - 3)):
            yield rest[: found.end()]
            rest, looked = rest[found.end() :], 0
        looked = len(rest)
        if looked > MOST_BYTES:
            raise TooLongError
    if rest:
        yield rest


def document(event: bytes) -> dict[str, Any] | None:
    """Return the JSON object that an event holds; `None` where it holds none."""
    lines = (line for line in event.splitlines() if line.startswith(b"data:"))
    return parsed(b"\n".join(line[5:] for line in lines))


def parsed(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
