"""Folders of one user's own in places that all users share; nobody else gets in, and no link leads.

A folder that is there is taken for ours only if it is a real folder, belongs to us, and is closed
to others. So what somebody plants under its name is refused or passed over, never followed.

What this does not protect against: a name that somebody took before us in the temporary folder,
where there is no better place: then there is an error that says so, and no run. And a session that
ends takes its folder along: a run that outlives it is not waited for, but for `RUNNER_LOCKS`.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from runner import given
from runner.errors import ConfigError

CHOICE = "RUNNER_LOCKS"
NAME = "autoresearch-runner"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def runtime_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what lasts as long as the machine is up: locks.

    `RUNNER_LOCKS` names one. Otherwise it lies below `/run` for root, and for others below the
    folder that their session has for such things. Only where there is none does it lie in the
    temporary folder, under the user's number.

    Raises:
        ConfigError: somebody else has it.
    """
    if chosen := environment.get(CHOICE):
        return private_folder(given.place(chosen).absolute())
    user = os.geteuid()
    session = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    above = Path(session if user else "/run")
    if is_private(above) if user else os.access(above, os.W_OK):
        return private_folder(above / NAME)
    return private_folder(Path(tempfile.gettempdir()) / f"{NAME}-{user}")


def is_private(path: Path) -> bool:
    """Say whether it is a real folder that is ours alone."""
    try:
        found = path.lstat()
    except OSError:
        return False
    ours = found.st_uid == os.geteuid() and not found.st_mode & OTHERS
    return stat.S_ISDIR(found.st_mode) and ours


def private_folder(path: Path) -> Path:
    """Return a folder that is ours alone, made if it is not there.

    Raises:
        ConfigError: something else has its name, or others can change what is above or in it.
    """
    hint = f"remove it, or name a folder of your own: {CHOICE}=FOLDER"
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is no folder", hint=hint)
    above = path.parent.stat()
    if above.st_mode & OTHERS_WRITE and not above.st_mode & stat.S_ISVTX:
        raise ConfigError(f"{path.parent}: everybody can rename what is in it", hint=hint)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, FOLDER)
    except OSError as error:
        raise ConfigError(f"{path} is no folder of ours: {error.strerror}", hint=hint) from error
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid():
            raise ConfigError(f"{path} belongs to another user ({found.st_uid})", hint=hint)
        if found.st_mode & OTHERS_WRITE:
            raise ConfigError(f"{path}: other users can write to it", hint=hint)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
    return path
