"""Which files a change of tree may touch; pure.

What this does not protect against: what a mutable file says. That is the review's and the
sandbox's to hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from runner.audit.findings import Finding
from runner.audit.objects import GITLINK, Leaf, Listing
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
    for path in changed(before, after):
        for finding in _at(path, before.get(path), after.get(path), mutable=mutable):
            yield replace(finding, commit=commit)


def _at(
    path: str, old: Leaf | None, new: Leaf | None, *, mutable: Collection[str]
) -> Iterator[Finding]:
    allowed = f"allowed: plain changes of {', '.join(sorted(mutable)) or 'nothing'}"
    if new is not None and new.mode not in PLAIN:
        kind = KINDS.get(new.mode, f"of mode {new.mode:o}")
        yield Finding(rule="file-kind", file=path, message=f"became {kind}; {allowed}")
    elif old is None and path not in mutable:
        yield Finding(rule="path-not-mutable", file=path, message=f"was added; {allowed}")
    elif new is None:
        rule = "file-missing" if path in mutable else "frozen-file"
        yield Finding(rule=rule, file=path, message=f"was deleted; {allowed}")
    elif old is not None:
        yield from _edited(path, old, new, refusal=allowed if path not in mutable else None)


def _edited(path: str, old: Leaf, new: Leaf, *, refusal: str | None) -> Iterator[Finding]:
    if new.mode != old.mode:
        message = f"changed its mode from {old.mode:o} to {new.mode:o}; allowed: the one it had"
        yield Finding(rule="file-mode", file=path, message=message)
    if new.id != old.id and refusal:
        yield Finding(rule="frozen-file", file=path, message=f"was changed; {refusal}")
