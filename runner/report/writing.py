"""Writes a report and the pictures that go with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from runner.charts import Theme, raster
from runner.charts.progression import progression
from runner.errors import ConfigError, SandboxError
from runner.report import page
from runner.report.card import card as share_card
from runner.report.gather import Report


def written(
    found: Report, target: Path, *, png: Path | None, card: Path | None, theme: Theme
) -> Iterator[Path]:
    """Write the page and the pictures, and yield what is written.

    Raises:
        ConfigError: this machine has no fonts to draw with.
        SandboxError: a file cannot be written.
    """
    try:
        if png is not None:
            yield _write(png, raster.png(progression(found.progression), theme))
        if card is not None:
            yield _write(card, raster.png(share_card(found), theme, zoom=1))
    except raster.NoFontsError as error:
        hint = "install one: sudo apt-get install fonts-dejavu-core"
        raise ConfigError("this machine has no font to draw a picture with", hint=hint) from error
    if target.suffix == ".md":
        beside = None if png is None else quote(os.path.relpath(png, target.parent))
        yield _write(target, page.markdown(found, beside).encode())
    else:
        yield _write(target, page.html(found).encode())


def _write(path: Path, content: bytes) -> Path:
    try:
        path.write_bytes(content)
    except OSError as error:
        hint = "-o FILE writes it elsewhere"
        raise SandboxError(f"{path}: {error.strerror}", hint=hint) from error
    return path
