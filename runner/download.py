"""One official file from its address: resumed where it was cut off, checked, whole or not at all.

What this does not protect against: a digest in `raw.yaml` that was wrong when it was written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import requests
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from runner.errors import DataError

TIMEOUTS = (15.0, 30.0)
"""Seconds to connect, and of silence."""
TRIES = 3
"""Connections that break are taken up again where they broke."""
CHUNK = 64 * 1024
PARTIAL, OK, OUT_OF_RANGE = 206, 200, 416


class BrokenOffError(Exception):
    """The connection ended early; what came is kept, so another try goes on from there."""


def fetch(url: str, target: Path, *, sha256: str | None, size: int | None, hint: str) -> None:
    """Put the file at `url` at `target`, unless it is there already.

    Args:
        url: where it is; redirects are followed.
        target: it appears here whole and checked; until then `.part` beside it grows.
        sha256: what it must have; null where whoever unpacks it checks what is inside.
        size: its bytes where they are known, for the progress bar.
        hint: how a person gets it by hand, for every error.

    Raises:
        DataError: it cannot be reached, or is not what its digest says.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if target.is_file() and sha256 in (None, digest(target)):
            return
        part = target.with_name(f"{target.name}.part")
        resumed = part.exists()
        found = _downloaded(url, part, size, hint)
        sha256 = sha256 or found
        if found != sha256 and resumed:
            # What was there may have been of an older file, or damaged.
            part.unlink()
            found = _downloaded(url, part, size, hint)
        if found != sha256:
            part.unlink()
            raise DataError(f"{url} is not what it was: sha256 {found}, not {sha256}", hint=hint)
        part.replace(target)


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _downloaded(url: str, part: Path, size: int | None, hint: str) -> str:
    """Complete a partial file and return its digest."""
    for left in reversed(range(TRIES)):
        try:
            _go_on(url, part, size)
            break
        except BrokenOffError as error:
            if not left:
                raise DataError(
                    f"{url} broke off: {error}; try again to go on", hint=hint
                ) from error
        except requests.HTTPError as error:
            raise DataError(f"{url} answered {error.response.status_code}", hint=hint) from error
        except requests.RequestException as error:
            raise DataError(f"{url} cannot be reached: {_short(error)}", hint=hint) from error
    return digest(part)


def _go_on(url: str, part: Path, size: int | None) -> None:
    """Fetch what is missing of a partial file."""
    have = part.stat().st_size if part.exists() else 0
    # Ranges count the bytes as stored, so nothing may be compressed on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as answer:
        if answer.status_code == OUT_OF_RANGE and have:
            _after_the_end(url, part, answer, size)
            return
        answer.raise_for_status()
        start = _start(answer, have)
        total = _total(answer, start)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            _write(answer, file, url, start, total or size)
    if total is not None and part.stat().st_size < total:
        raise BrokenOffError(f"{part.stat().st_size} of {total} bytes came")


def _after_the_end(url: str, part: Path, answer: requests.Response, size: int | None) -> None:
    """A partial file as long as the whole one is complete; a longer one is of something else."""
    whole = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
    if whole and int(whole[1]) == part.stat().st_size:
        return
    part.unlink()
    _go_on(url, part, size)


def _start(answer: requests.Response, have: int) -> int:
    """Return where the answer's bytes belong; a server may ignore ranges and begin again."""
    if answer.status_code != PARTIAL:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if not found or int(found[1]) > have:
        raise BrokenOffError("it answered with another range than was asked for")
    return int(found[1])


def _total(answer: requests.Response, start: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _write(
    answer: requests.Response, file: IO[bytes], url: str, start: int, total: int | None
) -> None:
    with _bar(url, start, total) as progress:
        try:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                progress.advance(progress.task_ids[0], len(chunk))
        except requests.RequestException as error:  # an OSError too, so it comes first
            raise BrokenOffError(_short(error)) from error
        except OSError as error:
            raise DataError(f"writing the download of {url}: {error.strerror}") from error


@contextmanager
def _bar(url: str, start: int, total: int | None) -> Iterator[Progress]:
    """Show how far it is on a terminal, and one line elsewhere."""
    console = Console(stderr=True)
    name = url.rpartition("/")[2]
    if not console.is_terminal:
        console.print(f"downloading {url}", markup=False, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        progress.add_task(name, total=total, completed=start)
        yield progress


def _short(error: Exception) -> str:
    """Return the innermost reason; the libraries wrap it several times."""
    while (cause := error.__cause__ or error.__context__) and isinstance(cause, Exception):
        error = cause
    return str(error)[:200] or type(error).__name__
