"""Makes a machine ready: a container engine that answers, and the image that trials start from."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from runner.errors import SandboxError
from runner.rooms import PROJECT, State

if TYPE_CHECKING:
    from runner.engines import Docker

Say = Callable[[str], None]

ENGINE = PROJECT / "images" / "engine.sh"
BY_HAND = 2
"""Its exit status where a person must type what it says."""
START_SECONDS = 60.0
SETTLE_SECONDS = 3.0
TAIL_LINES = 8


def set_up(image: str, *, state: State, say: Say, base_image: str | None = None) -> str:
    """Return the id of the image, on an engine that answers; install and build what is missing."""
    from runner.engines.images import ensure_image

    with closing(reachable_engine(say)) as engine:
        return ensure_image(
            engine, image, wheelhouse_root=state.wheelhouse, say=say, base_image=base_image
        )


def reachable_engine(say: Say) -> Docker:
    """Return the engine; with nothing answering, install and start an engine where allowed."""
    from runner.engines import connect

    try:
        return connect()
    except SandboxError as error:
        status, wrong = _started(say)
        if status == BY_HAND:
            raise SandboxError(str(error), hint=wrong) from error
    # Installing the package may have started one, which no second one can be started beside.
    deadline = time.monotonic() + (SETTLE_SECONDS if status else START_SECONDS)
    while True:
        try:
            return connect()
        except SandboxError as error:
            if time.monotonic() > deadline:
                tail = "\n".join(f"  {line}" for line in wrong.splitlines()[-TAIL_LINES:])
                raise SandboxError(f"the engine did not start:\n{tail}") from error
            time.sleep(0.25)


def _started(say: Say) -> tuple[int, str]:
    """Run the script that installs and starts an engine; return its status and what was wrong."""
    with tempfile.TemporaryFile("w+") as wrong:
        with subprocess.Popen(
            ["sh", ENGINE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=wrong,
            text=True,
        ) as script:
            for line in script.stdout or ():
                say(line.rstrip())
        wrong.seek(0)
        return script.returncode, wrong.read().strip()
