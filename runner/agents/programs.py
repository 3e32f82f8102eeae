"""Other people's agents: which versions run here, where they lie, and how they are kept quiet.

`images/agents/package-lock.json` pins them by version and hash. `runner setup --agents` fetches
them once with npm; nothing of them runs then, and nothing is fetched when an agent runs. What is
started is the program itself, built for this machine; node is not needed for it.

What this does not protect against: a program that is malicious. Its lock pins it, and its box is
what keeps it from everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from runner.errors import ConfigError, SandboxError, last_lines
from runner.paths import PROJECT

RECIPE = PROJECT / "images" / "agents"
FILES = ("package.json", "package-lock.json")
ROOT = PROJECT / "build" / "agents"
MACHINES: Mapping[str, tuple[str, str]] = {
    "x86_64": ("x64", "x86_64"),
    "amd64": ("x64", "x86_64"),
    "aarch64": ("arm64", "aarch64"),
    "arm64": ("arm64", "aarch64"),
}
"""Machine → what npm, and what Rust, call it."""
CLAUDE_CODE, CODEX = "@anthropic-ai/claude-code", "@openai/codex"
CLAUDE_OUTPUT_TOKENS = 32_000
CLAUDE_SWITCHES = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",
    "CLAUDE_CODE_DISABLE_1M_CONTEXT": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_FILE_CHECKPOINTING": "1",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(CLAUDE_OUTPUT_TOKENS),
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "ENABLE_TOOL_SEARCH": "false",  # every tool is offered at once
}

Say = Callable[[str], None]


def version(package: str) -> str:
    """Return the version that is pinned."""
    document = json.loads((RECIPE / "package.json").read_text(encoding="utf-8"))
    return str(document["dependencies"][package])


def below(package: str) -> str:
    """Return where a package's program lies among the programs."""
    npm, rust = MACHINES.get(platform.machine(), MACHINES["x86_64"])
    within = {
        CLAUDE_CODE: "claude",
        CODEX: f"vendor/{rust}-unknown-linux-musl/bin/codex",
    }
    return f"{package}-linux-{npm}/{within[package]}"


def folder() -> Path:
    """Return the folder of the programs as they are pinned now, there or not."""
    content = b"".join((RECIPE / name).read_bytes() for name in FILES)
    return ROOT / hashlib.sha256(content).hexdigest()[:12] / "node_modules"


def here() -> tuple[str, ...]:
    """Name the packages whose programs are there."""
    return tuple(each for each in (CLAUDE_CODE, CODEX) if (folder() / below(each)).is_file())


def require(package: str) -> Path:
    """Return the folder of the programs; raise `ConfigError` where this one is not there."""
    if package not in here():
        raise ConfigError(
            f"{package} {version(package)} is not there", hint="run: runner setup --agents"
        )
    return folder()


def fetch(say: Say) -> Path:
    """Return the folder of the programs, fetched first where they are missing.

    Raises:
        ConfigError: there is no npm.
        SandboxError: npm failed.
    """
    place = folder().parent
    ROOT.mkdir(parents=True, exist_ok=True)
    with FileLock(ROOT / "lock"):
        if place.is_dir():
            return folder()
        if shutil.which("npm") is None:
            raise ConfigError(
                "there is no npm, which fetches the agents' programs",
                hint="type: sudo apt-get install npm",
            )
        say(f"fetching {CLAUDE_CODE} {version(CLAUDE_CODE)} and {CODEX} {version(CODEX)}")
        fresh = ROOT / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        for name in FILES:
            shutil.copy(RECIPE / name, fresh)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(
            command, cwd=fresh, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if done.returncode != 0:
            raise SandboxError(f"npm failed:\n{last_lines(done.stdout + done.stderr)}")
        for path in fresh.rglob("*"):  # whoever runs in a box is another user
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        fresh.rename(place)
    return folder()
