"""How each program is started in a box. Pure.

It runs without asking: an ordinary user in a container that reaches nothing but its model. What it
thinks is a key is none; the gateway has the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.agents import programs
from runner.agents.programs import CLAUDE_CODE, CLAUDE_SWITCHES

AGENTS = "/box/agents"
ADDRESS = "http://127.0.0.1:8080"
"""Where the forwarder listens."""
NO_KEY = "the-gateway-has-it"
MOST_TURNS = 200
FILE_TOOLS = ("Read", "Edit", "Write", "Glob", "Grep")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A program, and what it finds in its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def claude_code(model: str, *, shell: bool) -> Recipe:
    """Return how Claude Code is started; its tools for files are all that it has without a shell."""
    tools = (*FILE_TOOLS, "Bash") if shell else FILE_TOOLS
    return Recipe(
        command=(
            *(f"{AGENTS}/{programs.below(CLAUDE_CODE)}", "--print", "--output-format", "text"),
            *("--model", model, "--max-turns", str(MOST_TURNS)),
            *("--permission-mode", "bypassPermissions", "--tools", ",".join(tools)),
            *("--setting-sources", "", "--strict-mcp-config"),
            *("--no-session-persistence", "--disable-slash-commands"),
        ),
        environment={
            **CLAUDE_SWITCHES,
            "ANTHROPIC_BASE_URL": ADDRESS,
            "ANTHROPIC_API_KEY": NO_KEY,
            # What it does on the side goes to the model that may be asked.
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
            "ANTHROPIC_SMALL_FAST_MODEL": model,
        },
    )
