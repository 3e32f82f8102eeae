"""What is sent: tools and system text that stay, and messages that only ever grow.

Breakpoints of the prompt cache, four at most: the system text and the files to start from for an
hour, since experiments outlive five minutes; the last two user messages for five minutes.
A breakpoint looks twenty blocks back for what was cached, so two of them span our turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.prompt.brief import Brief

HOUR = {"type": "ephemeral", "ttl": "1h"}
MINUTES = {"type": "ephemeral", "ttl": "5m"}

Block = Mapping[str, Any]


class Conversation:
    """One proposal's talk with the model."""

    def __init__(self, told: Brief) -> None:
        self._system = [{"type": "text", "text": told.system, "cache_control": HOUR}]
        self._messages: list[tuple[str, tuple[Block, ...]]] = []
        start = {"type": "text", "text": told.start, "cache_control": HOUR}
        self.tell(start, {"type": "text", "text": told.news})

    def tell(self, *blocks: Block) -> None:
        self._messages.append(("user", blocks))

    def heard(self, blocks: Sequence[Block]) -> None:
        """Keep an answer as it came; one without a block cannot be sent back."""
        if blocks:
            self._messages.append(("assistant", tuple(blocks)))

    @property
    def is_fresh(self) -> bool:
        return len(self._messages) == 1

    def request(self, tools: Sequence[Block]) -> dict[str, Any]:
        users = [place for place, (role, _) in enumerate(self._messages) if role == "user"]
        marked = users[-2:]
        return {
            "system": self._system,
            "tools": list(tools),
            "tool_choice": {"type": "auto"},
            "messages": [
                {"role": role, "content": _marked(blocks) if place in marked else list(blocks)}
                for place, (role, blocks) in enumerate(self._messages)
            ],
        }


def _marked(blocks: Sequence[Block]) -> list[Block]:
    return [*blocks[:-1], {**blocks[-1], "cache_control": MINUTES}]
