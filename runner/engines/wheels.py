"""The wheels that an image is made of, downloaded by this machine's pip under locked hashes.

The host downloads and the build installs without a network, so a mirror, a proxy or a private
certificate authority works as soon as the host's own pip is configured for it.

What this does not protect against: a package that was malicious when the lock was written.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.errors import SandboxError

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PYTHON_VERSION = "3.11"
NEWEST_GLIBC = 36
OLDEST_GLIBC = 17
TAIL_LINES = 12
RETRY = re.compile(r"Retry\(total=[1-9]")


def wheelhouse(
    locks: Sequence[Path], *, root: Path, machine: str, say: Callable[[str], None]
) -> Path:
    """Return a folder with every wheel that the locks name for this kind of machine."""
    folder = root / f"{digest(locks)[:12]}-{machine}"
    if not folder.is_dir():
        say("downloading the wheels of the image")
        with _staged(folder) as partial:
            for lock in locks:
                _download(lock, partial, machine)
    return folder


def digest(files: Sequence[Path]) -> str:
    """Return one digest over names and contents."""
    parts = (f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes its name only when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    try:
        yield partial
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _download(lock: Path, folder: Path, machine: str) -> None:
    # The host's own indexes first; PyTorch's is asked only for what they do not have.
    command = pip_command(lock, folder, machine)
    if _pip(command) is None:
        return
    if output := _pip([*command, "--extra-index-url", TORCH_INDEX]):
        raise _failure(lock, output)


def _pip(command: Sequence[str]) -> str | None:
    """Run pip; return its output if it failed."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode else None


def pip_command(lock: Path, folder: Path, machine: str) -> list[str]:
    """Return the call that downloads one lock for the image's Python, whatever the host's is."""
    platforms = [f"manylinux_2_{minor}" for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)]
    options = [
        "--disable-pip-version-check",
        "--quiet",
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        f"--python-version={PYTHON_VERSION}",
        "--implementation=cp",
        *(f"--platform={name}_{machine}" for name in [*platforms, "manylinux2014"]),
    ]
    return [
        *(sys.executable, "-m", "pip", "download", *options),
        *(f"--dest={folder}", f"--requirement={lock}"),
    ]


def _failure(lock: Path, output: str) -> SandboxError:
    # Of a connection that was tried again and again, the last try says it all.
    lines = [line for line in output.splitlines() if not RETRY.search(line)]
    tail = "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])
    return SandboxError(
        f"downloading the wheels of {lock.name} failed:\n{tail}",
        hint="pip must reach a package index from this machine: see `pip config list`; "
        f"{lock.name} says which machines its hashes are for",
    )
