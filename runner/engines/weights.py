"""Pretrained weights that a person put into the clone, for images that are to hold them.

What this does not protect against: weights that are malicious. They lie in the image as files, and
only code in a container reads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

PAGE = "README.md"


def weights_in(folder: Path) -> Mapping[str, Path]:
    """Return every file below a folder by its name there; its page and hidden files are none."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*"))}
    return {
        name.as_posix(): path
        for name, path in files.items()
        if path.is_file() and name.as_posix() != PAGE and not _hidden(name)
    }


def _hidden(name: Path) -> bool:
    return any(part.startswith(".") for part in name.parts)


def weights_digest(recipe: str, files: Mapping[str, Path]) -> str:
    """Return one digest over what the image is built on, and the files' names and contents."""
    lines = [recipe, *(f"{_content(path)} {name}" for name, path in files.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
