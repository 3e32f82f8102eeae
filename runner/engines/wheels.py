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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runner.errors import SandboxError, last_lines
from runner.requirements import PYTHON

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
NEWEST_GLIBC = 36
OLDEST_GLIBC = 17
RETRY = re.compile(r"Retry\(total=[1-9]")
"""Of a connection that was tried again and again, the last try says it all."""


def wheelhouse(
    locks: Sequence[Path], *, root: Path, machine: str, say: Callable[[str], None]
) -> Path:
    """Return a folder with every wheel that the locks name for this kind of machine.

    Raises:
        SandboxError: one cannot be had; then there is no folder.
    """
    folder = root / f"{digest({lock.name: lock for lock in locks})[:12]}-{machine}"
    if folder.is_dir():
        return folder
    say("downloading the wheels of the image")
    root.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=root, prefix=".partial-"))
    try:
        for lock in locks:
            # The host's own indexes first; PyTorch's is asked only for what they do not have.
            command = pip_command(lock, partial, machine)
            output = pip(command) and pip([*command, "--extra-index-url", TORCH_INDEX])
            if output is not None:
                lines = [line for line in output.splitlines() if not RETRY.search(line)]
                raise SandboxError(
                    f"downloading the wheels of {lock.name} failed:\n{last_lines(lines)}",
                    hint="pip must reach a package index from this machine: see `pip config list`; "
                    f"{lock.name} says which machines its hashes are for",
                )
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def digest(files: Mapping[str, Path]) -> str:
    """Return one digest over names and contents."""
    found = hashlib.sha256()
    for name, path in files.items():
        with path.open("rb") as file:
            found.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()


def pip(command: Sequence[str]) -> str | None:
    """Call this machine's pip; return what it printed if it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    return (done.stdout or "no output") if done.returncode else None


def pip_command(lock: Path, folder: Path, machine: str) -> list[str]:
    """Return the call that downloads one lock for the image's Python, whatever the host's is."""
    return [
        *("download", "--require-hashes", "--no-deps", *platform_options(machine)),
        f"--dest={folder}",
        f"--requirement={lock}",
    ]


def platform_options(machine: str) -> list[str]:
    """Return pip's options for the image's Python: wheels alone, so that nothing is built here."""
    platforms = [f"manylinux_2_{minor}" for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)]
    return [
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"),
        *(f"--platform={name}_{machine}" for name in [*platforms, "manylinux2014"]),
    ]
