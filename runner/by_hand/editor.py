"""A draft of a run's mutable files in a person's own editor."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runner import given
from runner.agents.draft import changed
from runner.errors import ConfigError
from runner.records import Change, Files, Violation

MOST_BYTES = 4 * 1024 * 1024
"""Of each file: more than any policy allows."""
MESSAGE = "HYPOTHESIS"
COMMENT = "#"


def edited(before: Files, folder: Path, paths: Sequence[str]) -> tuple[Change, ...]:
    """Return what an editor left in a folder that differs from the workspace.

    Raises:
        ConfigError: it left something else than a file.
    """
    found = {path: folder / path for path in paths}
    left = {path: _left(at) if os.path.lexists(at) else None for path, at in found.items()}
    return changed(before, left)


def said(place: Path) -> str:
    """Return the hypothesis that an editor left; nothing where there is no text."""
    if not os.path.lexists(place):
        return ""
    return message(_left(place).decode("utf-8", errors="replace"))


def _left(place: Path) -> bytes:
    return given.read(place, most=MOST_BYTES)


def write_drafts(folder: Path, files: Files, paths: Sequence[str]) -> None:
    """Write the files to edit below a folder."""
    for path in paths:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(files[path].content)


def edit(paths: Sequence[Path]) -> None:
    """Open the files in `$VISUAL`, `$EDITOR` or vi and wait until it ends.

    Raises:
        ConfigError: there is no such editor, or it failed.
    """
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    hint = "set EDITOR to one that waits until its files are closed"
    try:
        editor = subprocess.Popen([*command, *map(str, paths)])
    except OSError as error:
        raise ConfigError(f"the editor {command[0]}: {error.strerror}", hint=hint) from error
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the editor's for now
    try:
        code = editor.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise ConfigError(f"the editor {command[0]} ended with {code}; nothing was run", hint=hint)


def template(hypothesis: str, about: Sequence[str]) -> str:
    """Return what to write the hypothesis into, as git does it for a commit's message."""
    asked = "Say on the first line what this experiment is to show. No line: no experiment."
    comments = "".join(f"{COMMENT} {line}\n" for line in (asked, *about))
    return f"{hypothesis}\n{comments}"


def message(text: str) -> str:
    """Return the first line that is no comment."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith(COMMENT)), "")


def refusal(found: Sequence[Violation]) -> list[str]:
    """Return a line for each rule that a draft broke."""
    return [
        f"{one.rule}: {f'{ascii(one.path)[1:-1]}: ' if one.path else ''}{one.message}"
        for one in found
    ]
