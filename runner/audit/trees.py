"""Which files a change of tree may touch; pure.

What this does not protect against: what a mutable file says. That is the review's and the
sandbox's to hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from runner.audit.findings import Finding
from runner.audit.objects import GITLINK, Listing
from runner.records import EXECUTABLE, REGULAR, SYMLINK

PLAIN = (REGULAR, EXECUTABLE)
KINDS = {SYMLINK: "a symbolic link", GITLINK: "a submodule"}


def changed(before: Listing, after: Listing) -> list[str]:
    """Return the paths at which two trees differ."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )


def forbidden(
    before: Listing, after: Listing, mutable: Collection[str], *, commit: str | None = None
) -> Iterator[Finding]:
    """Find what a step from one tree to another does beyond editing mutable files."""
    allowed = f"allowed: plain changes of {', '.join(sorted(mutable)) or 'nothing'}"
    for path in changed(before, after):
        old, new, is_mutable = before.get(path), after.get(path), path in mutable
        if new is None:
            rule = "file-missing" if is_mutable else "frozen-file"
            yield Finding(rule, path, f"was deleted; {allowed}", commit)
        elif new.mode not in PLAIN:
            kind = KINDS.get(new.mode, f"of mode {new.mode:o}")
            yield Finding("file-kind", path, f"became {kind}; {allowed}", commit)
        elif old is None:
            if not is_mutable:
                yield Finding("path-not-mutable", path, f"was added; {allowed}", commit)
        else:
            if new.mode != old.mode:
                modes = f"from {old.mode:o} to {new.mode:o}"
                message = f"changed its mode {modes}; allowed: the one it had"
                yield Finding("file-mode", path, message, commit)
            if new.id != old.id and not is_mutable:
                yield Finding("frozen-file", path, f"was changed; {allowed}", commit)
