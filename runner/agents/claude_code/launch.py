"""How Claude Code is started: its command line, settings, servers and environment. Pure.

What exists is named (`--tools`), what is allowed is listed by absolute path, and nobody is asked:
everything else is denied. Settings of a user or a project are not read.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.agents import client, handover
from runner.agents.claude_code import bridge
from runner.agents.claude_code.bridge import SERVER
from runner.agents.programs import CLAUDE_OUTPUT_TOKENS, CLAUDE_SWITCHES

BRIDGE = Path(bridge.__file__).resolve()
BUILT_IN = ("Read", "Edit", "Write")
RUN, ANALYZE = "run_experiment", "analyze"
DENIED = ("Bash", "WebFetch", "WebSearch", "Task", "Agent", "NotebookEdit", "Skill")
HOOK_SECONDS = 600
CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
CONNECTION = (
    *("ANTHROPIC_BASE_URL", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
)
OUTPUT_TOKENS = CLAUDE_OUTPUT_TOKENS
INPUT_TOKENS = 200_000
"""The most that one call can send, with the larger context switched off."""
SWITCHES = {
    **CLAUDE_SWITCHES,
    "MCP_TIMEOUT": "120000",  # the first call waits for them, on a busy machine too
}
SPECIAL = re.compile(r"([\\*?\[\]!#])")


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What one session is started with."""

    binary: str
    model: str
    usd: float
    turns: int
    draft: Path
    writable: Sequence[str]
    """Paths and patterns below the draft."""
    may_remove: bool
    """Whether there may be files to take away, for which the client has no tool."""
    private: Path
    """The client's own files are there, and it has no tool for them."""

    @property
    def socket(self) -> Path:
        return self.private / "socket"

    @property
    def system(self) -> Path:
        """A file with the system prompt."""
        return self.private / "system.md"


def argv(launch: Launch) -> list[str]:
    """Return the command line; it holds neither the prompt nor a key."""
    return [
        *(launch.binary, "--print", "--output-format", "stream-json", "--verbose"),
        *("--model", launch.model, "--max-turns", str(launch.turns)),
        *("--max-budget-usd", f"{launch.usd:.4f}"),
        *("--restricted", "--permission-mode", "dontAsk", "--tools", ",".join(BUILT_IN)),
        *("--disallowedTools", ",".join(DENIED)),
        *("--settings", json.dumps(settings(launch)), "--setting-sources", ""),
        *("--mcp-config", json.dumps(servers(launch)), "--strict-mcp-config"),
        *("--append-system-prompt-file", str(launch.system)),
        *("--no-session-persistence", "--disable-slash-commands"),
    ]


def environment(home: Path, model: str) -> dict[str, str]:
    return client.environment(
        (*CREDENTIALS, *CONNECTION),
        **SWITCHES,
        HOME=str(home),
        CLAUDE_CODE_TMPDIR=str(home),
        ANTHROPIC_DEFAULT_HAIKU_MODEL=model,  # what it does on the side has a price that we know
        ANTHROPIC_SMALL_FAST_MODEL=model,
    )


def settings(launch: Launch) -> Mapping[str, object]:
    """Return the settings: reading below the folder, writing these files, our tools."""
    command = shlex.join([sys.executable, "-I", str(BRIDGE), "hook", str(launch.socket)])
    hooks = [{"type": "command", "command": command, "timeout": HOOK_SECONDS}]

    def rule(path: Path) -> str:
        """Return an absolute path as a rule says it: a second slash, no wildcards."""
        return "/" + SPECIAL.sub(r"\\\1", str(path))

    return {
        "permissions": {
            "defaultMode": "dontAsk",
            "allow": [
                f"Read({rule(launch.draft)}/**)",
                *(f"Edit({rule(launch.draft)}/{path})" for path in launch.writable),
                *(f"mcp__{SERVER}__{name}" for name in (RUN, ANALYZE)),
            ],
            "deny": list(DENIED),
            "disableBypassPermissionsMode": "disable",
        },
        "hooks": {
            "PreToolUse": [{"matcher": "Edit|Write", "hooks": hooks}],
            "PostToolUse": [{"matcher": f"mcp__{SERVER}__{RUN}", "hooks": hooks}],
        },
    }


def servers(launch: Launch) -> Mapping[str, object]:
    offered = tools(may_remove=launch.may_remove)
    arguments = ["-I", str(BRIDGE), "serve", str(launch.socket), json.dumps(offered)]
    server = {"type": "stdio", "command": sys.executable, "args": arguments, "alwaysLoad": True}
    return {"mcpServers": {SERVER: server}}


def tools(*, may_remove: bool) -> list[dict[str, object]]:
    """Return the tools that the bridge offers."""
    hand_over = (
        "Hand your edits over as one experiment. It is reviewed at once: what must be mended is"
        " said, and once it is accepted the session is over."
    )
    analyze = "Run a script on training rows in a sealed container and get what it prints, capped."
    said = handover.WithRemoved if may_remove else handover.Words
    words = handover.schema(said, "hypothesis", "category")
    script = handover.schema(handover.Analysis)
    return [
        {"name": RUN, "description": hand_over, "inputSchema": words},
        {"name": ANALYZE, "description": analyze, "inputSchema": script},
    ]
