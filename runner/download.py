"""One official file from its address: resumed where it was cut off, checked, whole or not at all.

What this does not protect against: a digest in `raw.yaml` that was wrong when it was written.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests
from filelock import FileLock
from rich.console import Console
from rich.progress import DownloadColumn, Progress

from runner.errors import DataError

TIMEOUTS = (15.0, 30.0)
"""Seconds to connect, and of silence."""
TRIES = 3
"""Connections that break are taken up again where they broke."""
CHUNK = 64 * 1024
PARTIAL, OUT_OF_RANGE = 206, 416


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
        _complete(url, part, size, hint)
        if resumed and sha256 not in (None, digest(part)):
            part.unlink()  # what was there was of another file, or damaged
            _complete(url, part, size, hint)
        if sha256 not in (None, found := digest(part)):
            part.unlink()
            raise DataError(f"{url} is not what it was: sha256 {found}, not {sha256}", hint=hint)
        part.replace(target)


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _complete(url: str, part: Path, size: int | None, hint: str) -> None:
    broken: Exception | None = None
    for _ in range(TRIES):
        try:
            if (broken := _go_on(url, part, size)) is None:
                return
        except requests.HTTPError as error:
            raise DataError(f"{url} answered {error.response.status_code}", hint=hint) from error
        except requests.RequestException as error:  # an OSError too, so it comes first
            raise DataError(f"{url} cannot be reached: {_short(error)}", hint=hint) from error
        except OSError as error:
            raise DataError(f"writing the download of {url}: {error.strerror}") from error
    raise DataError(f"{url} broke off: {_short(broken)}; try again to go on", hint=hint)


def _go_on(url: str, part: Path, size: int | None) -> Exception | None:
    """Fetch what is missing of a partial file; return why it is not whole, if it broke off.

    A server that knows no ranges begins again.
    """
    have = part.stat().st_size if part.exists() else 0
    # Ranges count the bytes as stored, so nothing may be compressed on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as answer:
        goes_on = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and answer.status_code in (PARTIAL, OUT_OF_RANGE) and not goes_on:
            part.unlink()
            return EOFError("the server has no more of it")
        answer.raise_for_status()
        start = have if answer.status_code == PARTIAL else 0
        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else size
        with part.open("ab" if start else "wb") as file, _bar(url) as bar:
            task = bar.add_task(url.rpartition("/")[2], total=total, completed=start)
            try:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    bar.advance(task, len(chunk))
            except requests.RequestException as error:
                return error
    return None


def _bar(url: str) -> Progress:
    """Show how far it is on a terminal, and one line elsewhere."""
    console = Console(stderr=True, emoji=False)
    if not console.is_terminal:
        console.print(f"downloading {url}", markup=False, highlight=False, soft_wrap=True)
    columns = Progress.get_default_columns()
    terminal = console.is_terminal
    return Progress(*columns, DownloadColumn(), console=console, disable=not terminal)


def _short(error: BaseException | None) -> str:
    """Return the innermost reason; the libraries wrap it several times."""
    while error and (cause := error.__cause__ or error.__context__):
        error = cause
    return str(error)[:200] or type(error).__name__
