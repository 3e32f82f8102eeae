"""Other people's agents: which versions run here, where they lie, and how they are kept quiet.

A recipe is a folder with a lock that pins programs by version and hash: npm's `package-lock.json`,
or a `requirements.lock` of wheels for pip. They are fetched once, and lie in a folder named by the
recipe's digest, with whatever else the recipe holds beside them, as a script that starts them.
Nothing of them runs when they are fetched, and nothing is fetched when an agent runs.

`images/agents` is the recipe of Claude Code and Codex, started without node; those below it are
for `boxed`, as is any folder of a person's own.

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

from runner.engines.wheels import pip, platform_options
from runner.errors import ConfigError, SandboxError, last_lines
from runner.paths import PROJECT

RECIPE = PROJECT / "images" / "agents"
OWN = "RUNNER_BOX_PROGRAMS"
"""Names a person's own folder, for `boxed`."""
NPM_LOCK, PIP_LOCK = "package-lock.json", "requirements.lock"
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
    return f"node_modules/{package}-linux-{npm}/{within[package]}"


def folder(recipe: Path = RECIPE) -> Path:
    """Return the folder of the programs as they are pinned now, there or not."""
    content = b"".join(file.read_bytes() for file in _files(recipe))
    return ROOT / hashlib.sha256(content).hexdigest()[:12]


def _files(recipe: Path) -> list[Path]:
    return sorted((path for path in recipe.iterdir() if path.is_file()), reverse=True)


def _is_recipe(folder: Path) -> bool:
    return (folder / NPM_LOCK).is_file() or (folder / PIP_LOCK).is_file()


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


def of(own: Path) -> Path:
    """Return the programs that a person's folder stands for: what its lock pins, or itself.

    Raises:
        ConfigError: there is no such folder, or what it pins was not fetched.
    """
    if not own.is_dir():
        raise ConfigError(f"{own} is no folder", hint="name one with programs for a container")
    if not _is_recipe(own):
        return own.resolve()
    if not folder(own).is_dir():
        hint = f"run: runner setup --programs {own}"
        raise ConfigError(f"what {own} pins is not there", hint=hint)
    return folder(own)


def fetch(say: Say, recipe: Path = RECIPE) -> Path:
    """Return the folder of a recipe's programs, fetched first where they are missing.

    Raises:
        ConfigError: the recipe has no lock, or there is no npm.
        SandboxError: npm or pip failed.
    """
    if not _is_recipe(recipe):
        hint = f"put a lock with hashes there: {NPM_LOCK} or {PIP_LOCK}"
        raise ConfigError(f"{recipe} pins no programs", hint=hint)
    place = folder(recipe)
    ROOT.mkdir(parents=True, exist_ok=True)
    with FileLock(ROOT / "lock"):
        if place.is_dir():
            return place
        say(f"fetching the programs that {recipe} pins")
        fresh = ROOT / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        for file in _files(recipe):
            shutil.copy(file, fresh)
        if (fresh / NPM_LOCK).is_file():
            _npm(fresh)
        if (fresh / PIP_LOCK).is_file():
            _pip(fresh)
        for path in fresh.rglob("*"):  # whoever runs in a box is another user
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        fresh.chmod(0o755)
        fresh.rename(place)
    return place


def _npm(fresh: Path) -> None:
    if shutil.which("npm") is None:
        raise ConfigError(
            "there is no npm, which fetches these programs",
            hint="type: sudo apt-get install npm",
        )
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(
        command, cwd=fresh, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode != 0:
        raise SandboxError(f"npm failed:\n{last_lines(done.stdout + done.stderr)}")


def _pip(fresh: Path) -> None:
    """Unpack wheels for the images' Python, which needs not be this one."""
    failed = pip([
        *("install", "--require-hashes", "--no-deps", *platform_options(platform.machine())),
        *(f"--target={fresh / 'python'}", f"--requirement={fresh / PIP_LOCK}"),
    ])  # fmt: skip
    if failed is not None:
        hint = "pip must reach a package index from this machine: see `pip config list`"
        raise SandboxError(f"pip failed:\n{last_lines(failed)}", hint=hint)
