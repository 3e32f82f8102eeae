"""Raw files and the libraries that read them; what is wrong is told without a traceback."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


class BadRawDataError(Exception):
    """A raw file is missing or is not in its official format; the message names it."""


def required(raw: Path | None, name: str) -> Path:
    """Return where a raw file is; raise `BadRawDataError` if it is not there."""
    path = None if raw is None else raw / name
    if path is None or not path.is_file():
        raise BadRawDataError(f"there is no {name} among the raw files")
    return path


def library(name: str, otherwise: str) -> Any:
    """Return a library that not every image holds; raise `BadRawDataError` saying what to do."""
    try:
        return import_module(name)
    except ImportError:
        raise BadRawDataError(otherwise) from None
