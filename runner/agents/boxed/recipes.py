"""How each program is started in a box. Pure.

It runs without asking: an ordinary user in a container that reaches nothing but its model. What it
thinks is a key is none; the gateway has the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.agents import programs
from runner.agents.programs import CLAUDE_CODE, CLAUDE_SWITCHES, CODEX

AGENTS = "/box/agents"
ADDRESS = "http://127.0.0.1:8080"
"""Where the forwarder listens."""
OPENAI_ADDRESS = f"{ADDRESS}/v1"
NO_KEY = "the-gateway-has-it"
KEYS = {"ANTHROPIC_API_KEY": NO_KEY, "OPENAI_API_KEY": NO_KEY}
"""Clients look for one before they ask."""
ADDRESSES = {"ANTHROPIC_BASE_URL": ADDRESS, "OPENAI_BASE_URL": OPENAI_ADDRESS}
MOST_TURNS = 200
FILE_TOOLS = ("Read", "Edit", "Write", "Glob", "Grep")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A program, and what it finds in its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def claude_code(model: str, *, shell: bool) -> Recipe:
    """Return how Claude Code is started; without a shell it has its tools for files alone."""
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
            **KEYS,
            **ADDRESSES,
            # What it does on the side goes to the model that may be asked.
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
            "ANTHROPIC_SMALL_FAST_MODEL": model,
        },
    )


CODEX_WITHOUT = (
    *("apps", "browser_use", "computer_use", "enable_request_compression", "image_generation"),
    *("multi_agent", "plugins", "remote_plugin"),
)
"""What reaches for more than a shell and files, and bodies that the gateway could not read."""


def codex(model: str) -> Recipe:
    """Return how Codex is started; its own sandbox needs what a container has not, and is off."""
    settings = {
        "model_provider": '"box"',
        "model_providers.box.name": '"box"',
        "model_providers.box.base_url": f'"{OPENAI_ADDRESS}"',
        "model_providers.box.env_key": '"OPENAI_API_KEY"',
        "model_providers.box.wire_api": '"responses"',
        "analytics.enabled": "false",
        "check_for_update_on_startup": "false",
        "web_search": '"disabled"',
    }
    said = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    without = (word for name in CODEX_WITHOUT for word in ("--disable", name))
    return Recipe(
        command=(
            *(f"{AGENTS}/{programs.below(CODEX)}", "exec", "--model", model, "--ephemeral"),
            *("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
            *(*said, *without, "-"),
        ),
        environment={**KEYS, **ADDRESSES, "CODEX_HOME": "/box/home"},
    )


def program(command: tuple[str, ...], model: str, protocol: str) -> Recipe:
    """Return how any other program is started; it is told what it may ask, and how."""
    asked = {"RUNNER_MODEL": model, "RUNNER_PROTOCOL": protocol}
    return Recipe(command=command, environment={**KEYS, **ADDRESSES, **asked})
