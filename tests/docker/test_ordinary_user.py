"""The main job as somebody who is not root, but in the engine's group."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Home, decides_on_one_trial

from runner.paths import PROJECT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

USER = "runner-test-user"
ENGINE = Path("/var/run/docker.sock")
PASSED_ON = ("PATH", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def engine_group() -> str:
    found = ENGINE.stat()
    assert found.st_mode & stat.S_IWGRP, "the engine's socket is for root alone"
    return grp.getgrgid(found.st_gid).gr_name


@pytest.fixture
def user() -> Iterator[str]:
    """Somebody ordinary: a new user where we may make one, or else whoever we are."""
    if os.getuid() != 0:
        yield pwd.getpwuid(os.getuid()).pw_name
        return
    subprocess.run(["userdel", USER], capture_output=True, check=False)
    subprocess.run(["useradd", "--no-create-home", "--groups", engine_group(), USER], check=True)
    try:
        yield USER
    finally:
        subprocess.run(["userdel", USER], check=True)


@pytest.fixture
def clone(user) -> Iterator[Path]:
    """A clone of what is committed, in a folder of the user's own."""
    folder = Path(tempfile.mkdtemp(prefix="runner-user-"))
    try:
        clone = folder / "runner"
        quiet = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks"]
        subprocess.run([*quiet, str(PROJECT), str(clone)], check=True)
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", user, str(folder)], check=True)
        yield clone
        Home(clone / "state").sweep()
    finally:
        shutil.rmtree(folder)


def as_user(user: str, clone: Path, command: list[str], **more: str) -> subprocess.CompletedProcess:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    prefix = ["runuser", "-u", user, "--"]
    return subprocess.run(
        [*(prefix if os.getuid() == 0 else []), *command],
        cwd=clone,
        env={**environment, "HOME": str(clone.parent), "NO_COLOR": "1", **more},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


def python_for(user: str, clone: Path) -> str:
    """Return a Python that this user can start and make environments with."""
    check = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    for name in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3", "python3.11"):
        try:
            if as_user(user, clone, [name, "-c", check]).returncode == 0:
                return name
        except OSError:
            continue
    raise AssertionError(f"no Python 3.11 that {user} can use")


def test_the_main_job_runs_as_an_ordinary_user(user, clone):
    python = python_for(user, clone)
    decides_on_one_trial(clone / "policies" / "eclip.yaml")
    command = [
        "make",
        "sandbox-run",
        "TASK=eclip",
        "EXPERIMENTS=1",
        "TRAIN_SECONDS=2",
        "TAG=ordinary",
    ]
    done = as_user(user, clone, [*command, f"PYTHON={python}"])
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "exp 0 | mean_rank " in done.stdout
    assert "exp 1 | mean_rank " in done.stdout
    audit = as_user(user, clone, [".venv/bin/runner", "audit", "ordinary"])
    assert audit.returncode == 0, audit.stdout + audit.stderr
    owners = {path.stat().st_uid for path in (clone / "state").rglob("*")}
    assert owners == {pwd.getpwnam(user).pw_uid}
