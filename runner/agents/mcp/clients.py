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

    def within(self, seconds: float) -> dict[str, object]:
        """Return the entry of a client that gives a call so long."""
        arguments = [*self.arguments, "--answer-within", f"{seconds:g}"]
        return {"command": self.command, "args": arguments, "env": dict(self.environment)}


def claude(launch: Launch) -> str:
    limit = {"timeout": int((LONG_SECONDS + SPARE_SECONDS) * 1000)}
    server = {"type": "stdio", **launch.within(LONG_SECONDS), **limit}
    return as_json({"mcpServers": {NAME: server}})


def cursor(launch: Launch) -> str:
    return as_json({"mcpServers": {NAME: launch.within(SHORT_SECONDS)}})


def codex(launch: Launch) -> str:
    """Return TOML; the escapes of JSON's texts and lists are among its own."""
    server = launch.within(LONG_SECONDS)
    rows = [
        f"[mcp_servers.{NAME}]",
        f"command = {_toml(server['command'])}",
        f"args = {_toml(server['args'])}",
        f"startup_timeout_sec = {STARTUP_SECONDS}",
        f"tool_timeout_sec = {LONG_SECONDS + SPARE_SECONDS:g}",
    ]
    if launch.environment:
        rows += ["", f"[mcp_servers.{NAME}.env]"]
        rows += [f"{name} = {_toml(value)}" for name, value in launch.environment.items()]
    return "\n".join(rows)


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


CLIENTS: dict[str, Callable[[Launch], str]] = {"claude": claude, "cursor": cursor, "codex": codex}
