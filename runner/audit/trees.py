"""Which files a change of tree may touch; pure.

What this does not protect against: what a mutable file says. That is the review's and the
sandbox's to hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from runner.audit.findings import Finding
from runner.audit.objects import GITLINK, Listing
from runner.patterns import FilePatterns
from runner.policy.additions import Around, taken_place
from runner.records import EXECUTABLE, REGULAR, SYMLINK

PLAIN = (REGULAR, EXECUTABLE)
KINDS = {SYMLINK: "a symbolic link", GITLINK: "a submodule"}


def changed(before: Listing, after: Listing) -> list[str]:
    """Return the paths at which two trees differ."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """Which files of a workspace may change, and what no new one may become."""

    patterns: FilePatterns
    folder: str = ""
    """Where the workspace lies in the tree, with a slash at the end."""
    around: Around = field(default_factory=Around)
    """What it runs with."""


NOTHING = Allowed(patterns=FilePatterns(mutable=()))


def forbidden(
    before: Listing, after: Listing, *allowed: Allowed, commit: str | None = None
) -> Iterator[Finding]:
    """Find what a step from one tree to another does beyond editing mutable files."""
    words = (each.patterns.said(each.folder) for each in allowed)
    but = f"allowed: plain changes of {', '.join(words) or 'nothing'}"
    for path in changed(before, after):
        old, new = before.get(path), after.get(path)
        mine = next((each for each in allowed if path.startswith(each.folder)), NOTHING)
        name, patterns = path.removeprefix(mine.folder), mine.patterns
        is_mutable, is_listed = patterns.names(name), name in patterns.plain
        if new is None:
            if not patterns.may_remove(name):
                rule = "file-missing" if is_mutable else "frozen-file"
                yield Finding(rule, path, f"was deleted; {but}", commit)
        elif new.mode not in (PLAIN if old or is_listed else (REGULAR,)):
            kind = KINDS.get(new.mode, f"of mode {new.mode:o}")
            yield Finding("file-kind", path, f"became {kind}; {but}", commit)
        elif old is None:
            # What went in this step has no place to take: the branch goes from line to line.
            others = {other for other in after if other.startswith(mine.folder)}
            inside = {other.removeprefix(mine.folder) for other in others - {path}}
            if not patterns.may_add_file(name):
                yield Finding("path-not-mutable", path, f"was added; {but}", commit)
            elif not is_listed and (taken := taken_place(name, inside, patterns, mine.around)):
                yield Finding("path-shadows", path, f"was added, and {taken}; {but}", commit)
        else:
            if new.mode != old.mode:
                modes = f"from {old.mode:o} to {new.mode:o}"
                message = f"changed its mode {modes}; allowed: the one it had"
                yield Finding("file-mode", path, message, commit)
            if new.id != old.id and not is_mutable:
                yield Finding("frozen-file", path, f"was changed; {but}", commit)
