"""Changes of nothing: what is kept of them is kept by noise (an A/A test)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from runner.errors import ConfigError
from runner.records import Change, Files, Proposal
from runner.seams import Context, Supervisor

COMMENTED = frozenset({".py", ".sh", ".toml", ".yaml", ".yml"})
"""Of files that take a comment after their last line."""
HYPOTHESIS = "nothing changes: planted to see how often noise is kept"


class Planter:
    """Proposes a comment, as often as it is asked."""

    name = "planted"
    isolation = "api"
    ahead = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        change = unchanged(context.files, context.editable, context.number)
        if change is None:
            kinds = ", ".join(sorted(COMMENTED))
            raise ConfigError(
                "no file that agents may change takes a comment, so nothing can be planted",
                hint=f"leave out --aa; files that do end with {kinds}",
            )
        return Proposal(
            hypothesis=HYPOTHESIS, category="planted", changes=(change,), by_person=True
        )


def unchanged(files: Files, paths: Iterable[str], number: int) -> Change | None:
    """Return a change of one of these files that changes nothing it does, if one takes a comment.

    Args:
        files: the workspace.
        paths: those that may be changed.
        number: tells the comment from others.
    """
    for path in sorted(paths):
        if path in files and PurePosixPath(path).suffix in COMMENTED:
            file = files[path]
            end = b"" if file.content.endswith(b"\n") or not file.content else b"\n"
            line = f"# planted {number}: nothing changes\n".encode()
            return Change(path=path, content=file.content + end + line, mode=file.mode)
    return None
