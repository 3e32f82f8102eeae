"""What a truthful model server counts: input tokens, and which of them its cache holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Body = Mapping[str, Any]

SMALLEST_PREFIX = 512
"""Tokens; a shorter prefix is not cached."""
LOOKBACK = 20
"""Blocks before a breakpoint at which an earlier entry is looked for."""


def tokens(value: Any) -> int:
    """Return a rough number of tokens: four bytes of JSON each."""
    return len(json.dumps(value, separators=(",", ":"))) // 4


def counted(body: Body) -> int:
    return sum(tokens(block) for block, _ in _blocks(body))


class PromptCache:
    """The API's prompt cache: exact prefixes of blocks, entered at breakpoints only.

    Entries never age by themselves; `forget_short` drops those of five minutes.
    """

    def __init__(self) -> None:
        self._entries: dict[int, str] = {}

    def forget_short(self) -> None:
        self._entries = {key: ttl for key, ttl in self._entries.items() if ttl == "1h"}

    def usage(self, body: Body) -> dict[str, Any]:
        """Return the input side of a request's usage, and enter its prefixes."""
        prefixes = list(_prefixes(body))
        sizes = [0, *(size for _, size, _ in prefixes)]
        marked = [(place, ttl) for place, (_, _, ttl) in enumerate(prefixes) if ttl]
        read = self._longest(prefixes, [place for place, _ in marked])
        written = {"5m": 0, "1h": 0}
        done = read
        for place, ttl in marked:
            if sizes[place + 1] >= SMALLEST_PREFIX:
                written[ttl] += max(0, sizes[place + 1] - done)
                done = max(done, sizes[place + 1])
                self._entries.setdefault(prefixes[place][0], ttl)
        return {
            "input_tokens": sizes[-1] - done,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": sum(written.values()),
            "cache_creation": {f"ephemeral_{ttl}_input_tokens": n for ttl, n in written.items()},
        }

    def _longest(self, prefixes: list[tuple[int, int, str]], marked: list[int]) -> int:
        reached = [
            prefixes[place][1]
            for last in marked
            for place in range(max(0, last - LOOKBACK), last + 1)
            if prefixes[place][0] in self._entries
        ]
        return max(reached, default=0)


def _prefixes(body: Body) -> Iterator[tuple[int, int, str]]:
    """Yield each prefix of blocks: its digest, size in tokens, and breakpoint's lifetime."""
    digest, size = hash(body.get("model")), 0
    for block, mark in _blocks(body):
        digest = hash((digest, json.dumps(block)))
        size += tokens(block)
        yield digest, size, mark


def _blocks(body: Body) -> Iterator[tuple[Any, str]]:
    """Yield all blocks in the cache's order, each with its breakpoint's lifetime or nothing."""
    parts = [("tools", tool) for tool in body.get("tools", ())]
    parts += [("system", block) for block in _as_blocks(body.get("system", ()))]
    for spoken in body.get("messages", ()):
        parts += [(spoken["role"], block) for block in _as_blocks(spoken["content"])]
    for number, (where, block) in enumerate(parts):
        mark = block.get("cache_control")
        if mark is None and number == len(parts) - 1:
            mark = body.get("cache_control")
        bare = {key: value for key, value in block.items() if key != "cache_control"}
        yield (where, bare), (mark or {}).get("ttl", "5m") if mark else ""


def _as_blocks(content: Any) -> Sequence[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
