"""Which files of a workspace an agent may change: what the policy's patterns match.

| in a pattern | matches |
|---|---|
| `*` | any characters of one name, none too; never a slash |
| `**`, as a whole part | any number of folders, none too; at the end, every file below |
| anything else | itself; upper and lower case differ |

This is Python's `glob` with `recursive=True`, without `?` and `[]`. No wildcard matches a name that
begins with a dot or has other characters than letters, digits, `_`, `.` and `-`.

What this does not protect against: a new file that is imported in place of another one.
`runner.policy.additions` looks for that.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

PATH = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
_PART = (
    r"(\*\*|[A-Za-z0-9_](\*?[A-Za-z0-9_.-])*\*?|\*([A-Za-z0-9_.-]\*?)*)"  # no `**` inside a name
)
PATTERN = rf"^{_PART}(/{_PART})*$"
MAX_PATH_BYTES = 200
"""The longest path that the review lets through, and that the repository holds as it is."""
MOST_FILES = 300
"""Of a workspace that may be changed: each is mounted by itself into every container."""
READ_BY_ITSELF = frozenset(
    (
        *("conftest.py", "sitecustomize.py", "usercustomize.py", "setup.py", "noxfile.py"),
        *("pyproject.toml", "setup.cfg", "tox.ini", "pytest.ini", "pytest.toml", "mypy.ini"),
        *("ruff.toml", "uv.toml", "pipfile", "pyvenv.cfg", "makefile", "gnumakefile", "justfile"),
        *("cmakelists.txt", "dockerfile", "environment.yml", "package.json", "__pycache__"),
    )
)
"""Names, in lower case, of what Python, pytest, make and the like read without being asked."""
LOADED = (
    *(".pth", "._pth", ".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib"),
    *(".egg", ".egg-link", ".egg-info", ".dist-info"),
)
"""Endings of what Python loads in place of a source, or before any."""
OURS = ("run.sh", "program.md", "proposal.json", "LOG.md")
"""What the supervisor, or an agent's program, has a use for; a policy can name it in full only."""


@dataclass(frozen=True, kw_only=True)
class FilePatterns:
    """What a policy says of files: plain paths, or patterns."""

    mutable: tuple[str, ...]
    frozen: tuple[str, ...] = ()
    """Wins over `mutable`."""
    may_add: bool = False
    """Whether files that a wildcard matches may be added, and removed."""
    notes: tuple[str, ...] = ()
    """Plain paths; they are not mutable, whatever matches them."""

    @cached_property
    def plain(self) -> tuple[str, ...]:
        """Those of the mutable that are paths without a wildcard."""
        return tuple(pattern for pattern in self.mutable if "*" not in pattern)

    def names(self, path: str) -> bool:
        """Say whether a file of this path is mutable where there is one."""
        if path in self.notes or any(matches(path, pattern) for pattern in self.frozen):
            return False
        return path in self.plain or (
            path not in OURS
            and not is_read_by_itself(path)
            and re.fullmatch(PATH, path) is not None
            and any(matches(path, pattern) for pattern in self.mutable)
        )

    def may_add_file(self, path: str) -> bool:
        """Say whether a new file may have this path; one that the policy names in full may."""
        return self.names(path) and (self.may_add or path in self.plain)

    def may_remove(self, path: str) -> bool:
        """Say whether a file of this path may go; one that the policy names in full stays."""
        return self.may_add and self.names(path) and path not in self.plain

    def may_write(self, path: str, files: Container[str]) -> bool:
        """Say whether an agent may write this path, in a workspace of these files."""
        if path in self.notes:
            return True
        return self.names(path) if path in files else self.may_add_file(path)

    def among(self, files: Iterable[str]) -> tuple[str, ...]:
        """Return the mutable ones of a tree's paths: as the policy lists them, then by name."""
        found = sorted(path for path in files if self.names(path))
        listed = (path for pattern in self.mutable for path in found if matches(path, pattern))
        return tuple(dict.fromkeys(listed))

    def absent(self, files: Iterable[str]) -> tuple[str, ...]:
        """Return what the policy speaks of and the tree does not have; new files may come later.

        A frozen path that is a folder's freezes nothing; of no file, it is a wrong name, or keeps
        new files from having it.
        """
        tree = set(files)
        found = (*self.among(tree), *(path for path in self.notes if path in tree))
        asked = (*(self.plain if self.may_add else self.mutable), *self.notes)
        missing = [each for each in asked if not any(matches(path, each) for path in found)]
        for each in self.frozen:
            below = f"{each}/**"  # stands beside the place of data, which no template holds
            if "*" not in each and each not in tree and below not in self.frozen:
                is_folder = any(path.startswith(f"{each}/") for path in tree)
                if is_folder:
                    missing.append(f"{each} (a folder: write {below})")
                elif not self.may_add:
                    missing.append(each)
        return tuple(missing)

    def said(self, folder: str = "") -> str:
        """Say in words what may be changed, below a folder."""
        mutable, frozen = (
            ", ".join(f"{folder}{pattern}" for pattern in patterns)
            for patterns in (self.mutable, self.frozen)
        )
        but = f" (but for {frozen})" if frozen else ""
        return f"{mutable or 'nothing'}{but}{', new ones too' if self.may_add else ''}"


@lru_cache(maxsize=65_536)
def matches(path: str, pattern: str) -> bool:
    """Say whether a path is one that a pattern describes; an agent may have chosen the path."""
    # Remembered, so that several `**` take no longer than parts of the path times parts of both.
    name, slash, below = path.partition("/")
    part, more, rest = pattern.partition("/")
    if part == "**":
        deeper = bool(slash) and _is_visible(name) and matches(below, pattern)
        return deeper or matches(path, rest or "*")
    fits = fnmatchcase(name, part) and (_is_visible(name) or "*" not in part)
    return fits and (matches(below, rest) if slash and more else slash == more)


def is_read_by_itself(path: str) -> bool:
    """Say whether a path, or a pattern, is of what Python or a tool reads without being asked."""
    parts = path.lower().split("/")
    return any(part in READ_BY_ITSELF or part.endswith(LOADED) for part in parts)


def _is_visible(name: str) -> bool:
    return bool(name) and not name.startswith(".")
