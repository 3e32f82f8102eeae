"""How each client is told to start this server.

| client | file | form |
|---|---|---|
| claude | `.mcp.json` of a project | JSON, `mcpServers`; `timeout` in milliseconds, per call |
| cursor | `.cursor/mcp.json` | JSON, `mcpServers`; no limit can be set, so calls stay short |
| codex | `.codex/config.toml` or `~/.codex/config.toml` | TOML; `tool_timeout_sec`, per call |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.agents.mcp.server import NAME
from runner.characters import as_json

SHORT_SECONDS = 50.0
"""Within the 60 s that a client gives a call where nobody told it otherwise."""
LONG_SECONDS = 600.0
SPARE_SECONDS = 60.0
STARTUP_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The command that starts the server, without how long a call may take."""

    command: str
    arguments: Sequence[str]
    environment: Mapping[str, str]

    def within(self, seconds: float) -> list[str]:
        return [*self.arguments, "--answer-within", f"{seconds:g}"]


def claude(launch: Launch) -> str:
    server = {
        "type": "stdio",
        **_entry(launch, LONG_SECONDS),
        "timeout": int((LONG_SECONDS + SPARE_SECONDS) * 1000),
    }
    return _json(server)


def cursor(launch: Launch) -> str:
    return _json(_entry(launch, SHORT_SECONDS))


def codex(launch: Launch) -> str:
    rows = [
        f"[mcp_servers.{NAME}]",
        f"command = {_toml(launch.command)}",
        f"args = [{', '.join(map(_toml, launch.within(LONG_SECONDS)))}]",
        f"startup_timeout_sec = {STARTUP_SECONDS}",
        f"tool_timeout_sec = {LONG_SECONDS + SPARE_SECONDS:g}",
    ]
    if launch.environment:
        rows += ["", f"[mcp_servers.{NAME}.env]"]
        rows += [f"{name} = {_toml(value)}" for name, value in launch.environment.items()]
    return "\n".join(rows)


def _entry(launch: Launch, seconds: float) -> dict[str, object]:
    return {
        "command": launch.command,
        "args": launch.within(seconds),
        "env": dict(launch.environment),
    }


def _json(server: Mapping[str, object]) -> str:
    return as_json({"mcpServers": {NAME: server}})


def _toml(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


CLIENTS: dict[str, Callable[[Launch], str]] = {"claude": claude, "cursor": cursor, "codex": codex}
