"""A unified patch applied to a workspace's files, in a repository that lasts as long."""

from __future__ import annotations

import re
import tempfile
from email import policy
from email.parser import Parser
from pathlib import Path

from runner.errors import ConfigError, WorkspaceError
from runner.journal.entries import now
from runner.records import Change, Files
from runner.sandbox.evidence import escaped
from runner.workspace import Workspace

MOST_BYTES = 16 * 1024 * 1024
"""Of a patch: more than any policy lets be added."""
SERIES = re.compile(r"\[PATCH[^]]*\] ?")


def changes(files: Files, patch: bytes) -> tuple[Change, ...]:
    """Return what the patch changes. Git applies it to an index alone; no file and no hook runs.

    Raises:
        ConfigError: it does not apply, or speaks of paths outside.
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch = Workspace.create(
            Path(folder) / "scratch.git", "patch", template=files, harness={}, when=now()
        )
        try:
            after = scratch.patched(scratch.head(), patch)
        except WorkspaceError as error:
            said = "; ".join(line.removeprefix("error: ") for line in str(error).splitlines())
            why = escaped(said.removeprefix("git -: error: "))
            hint = "make it with `git diff` from the best so far: runner show N --diff"
            raise ConfigError(f"the patch does not apply: {why}", hint=hint) from error
    gone = [Change(path=path, content=None) for path in files if path not in after]
    new = [
        Change(path=path, content=file.content, mode=file.mode)
        for path, file in after.items()
        if files.get(path) != file
    ]
    return (*gone, *new)


def subject(patch: bytes) -> str:
    """Return what a patch made by `git format-patch` says of itself; empty otherwise."""
    head = patch.partition(b"\n---\n")[0].decode("utf-8", errors="replace")
    if not head.startswith("From "):
        return ""
    mail = Parser(policy=policy.default).parsestr(head, headersonly=True)
    return SERIES.sub("", mail.get("Subject", "")).strip()
