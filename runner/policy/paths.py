"""What a path of a proposal may look like, and which two paths a file system could confuse.

What this does not protect against: links inside a work tree.
The workspace writes trees from bytes and never follows a path that an agent made.
"""

from __future__ import annotations

import posixpath
import unicodedata

from runner.patterns import MAX_PATH_BYTES

WORKSPACE = "/workspace"
TAKEN_PLACES = (
    *(
        "/artifacts",
        "/bin",
        "/boot",
        "/box",
        "/cache",
        "/dev",
        "/etc",
        "/kit",
        "/lib",
        "/lib64",
        "/opt",
    ),
    *("/outputs", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var"),
)
"""Where a container has things of its own."""
HOME = "/tmp"  # noqa: S108 - a file system in memory inside the container
SHOWN_CHARACTERS = 200


def shown(path: str) -> str:
    """A path that is safe to print: escaped where it is not plain ASCII, and capped."""
    text = path if path.isascii() and path.isprintable() else ascii(path)[1:-1]
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def twin(path: str) -> str:
    """Equal for two paths that some file system, or some reader, takes for the same.

    Folding comes before and after normalising because each can undo the other's work.
    """
    folded = unicodedata.normalize("NFKC", path.casefold())
    folded = unicodedata.normalize("NFKC", folded.casefold())
    visible = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    return "/".join(part.rstrip(" .") or part for part in visible.split("/"))


def is_too_long(path: str) -> bool:
    return len(path) > MAX_PATH_BYTES or len(path.encode(errors="replace")) > MAX_PATH_BYTES


def mount_place(path: str) -> str:
    """Return where in a container a path leads that a project names from its own folder."""
    if path.startswith("~/"):
        return posixpath.normpath(f"{HOME}/{path[2:]}")
    return posixpath.normpath(posixpath.join(WORKSPACE, path))


def is_taken(place: str) -> bool:
    """Whether nothing of a project's can be mounted at a place of a container."""
    own = any(place == taken or place.startswith(f"{taken}/") for taken in TAKEN_PLACES)
    return own or place in ("/", WORKSPACE, HOME)


def unsafe(path: str) -> str | None:
    """Say why a path could leave the workspace or reach git's own files; `None` if it cannot."""
    if is_too_long(path):
        return f"is longer than {MAX_PATH_BYTES} bytes"
    if not path or path.startswith("/"):
        return "is empty or absolute"
    if "\\" in path or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path):
        return "holds a backslash or a control character"
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "has an empty, `.` or `..` part"
    if any(twin(part).startswith((".git", "git~")) for part in parts):
        return "names a file of git"
    return None
