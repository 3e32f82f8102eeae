"""A draft of a run's mutable files in a person's own editor."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from runner import given
from runner.agents.draft import changed
from runner.errors import ConfigError
from runner.records import Proposal, Violation
from runner.seams import Context
from runner.views.live import Live

MOST_BYTES = 4 * 1024 * 1024
"""Of each file: more than any policy allows."""
ASKED = "# Say on the first line what this experiment should show. Without it nothing is run."


@dataclass(kw_only=True)
class Editing:
    """Drafts in an editor; the files stay between edits, so that a refused draft can be mended."""

    folder: Path
    live: Live
    hypothesis: str
    begun: bool = False

    def __call__(self, context: Context, found: tuple[Violation, ...]) -> Proposal:
        """Let a person edit; raise `ConfigError` where they give up, or left other than files."""
        root = self.folder / "draft"
        places = {path: root / path for path in context.editable}
        message, comments = self.folder / "HYPOTHESIS", [ASKED]
        with self.live.paused():
            if found:
                comments += [f"# {line}" for line in refusal(found)]
                _ask_again("refused, and nothing was run:", *refusal(found))
            if not self.begun:
                for path, place in places.items():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(context.files[path].content)
                self.begun = True
            while True:
                text = "\n".join((_first_line(message), *comments, ""))
                message.write_text(text, encoding="utf-8")
                edit([*([] if self.hypothesis else [message]), *places.values()])
                if hypothesis := self.hypothesis or _first_line(message):
                    break
                _ask_again("no hypothesis, so nothing was run; say it in HYPOTHESIS, or with -m")
        left = {
            path: given.read(place, most=MOST_BYTES) if os.path.lexists(place) else None
            for path, place in (places | _added(root, context)).items()
        }
        changes = changed(context.files, left)
        return Proposal(hypothesis=hypothesis, changes=changes, by_person=True)


def _added(root: Path, context: Context) -> dict[str, Path]:
    """Return the new files that a person saved there, where the policy lets some be added."""
    found = {str(place.relative_to(root)): place for place in root.rglob("*") if place.is_file()}
    known = context.files
    return {
        path: place
        for path, place in found.items()
        if path not in known and context.patterns.may_write(path, known)
    }


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


def refusal(found: Sequence[Violation]) -> list[str]:
    """Return a line for each rule that a draft broke."""
    return [
        f"{one.rule}: {f'{ascii(one.path)[1:-1]}: ' if one.path else ''}{one.message}"
        for one in found
    ]


def _ask_again(*lines: str) -> None:
    """Say what is wrong with a draft; raise `ConfigError` where the person does not go on."""
    click.echo("\n".join(lines), err=True)
    try:
        again = click.confirm("edit again?", default=True, err=True)
    except click.Abort:  # nobody is there to answer
        again = False
    if not again:
        raise ConfigError("the draft was given up; nothing was run")


def _first_line(message: Path) -> str:
    """Return the first line that is no comment, as git reads a commit's message."""
    if not os.path.lexists(message):
        return ""
    text = given.read(message, most=MOST_BYTES).decode("utf-8", errors="replace")
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")
