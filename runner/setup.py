"""Makes a machine ready: a container engine that answers, and the image that trials start from."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from runner.errors import SandboxError, last_lines
from runner.paths import PROJECT, State
from runner.records import Image

if TYPE_CHECKING:
    from runner.engines import Docker

Say = Callable[[str], None]

ENGINE = PROJECT / "images" / "engine.sh"
BY_HAND = 2
"""Its exit status where a person must type what it says."""
START_SECONDS = 60.0
SETTLE_SECONDS = 3.0


def set_up(
    image: Image | str, *, state: State, say: Say, base_image: str | None = None
) -> dict[str, str]:
    """Return the ids of an image and of the scorers', on an engine that answers, by their names.

    What is missing is installed and built.
    """
    from runner.engines.images import SCORER, ensure_image

    ready = {}
    with closing(reachable_engine(say)) as engine:
        for each in (image, SCORER):
            name = each if isinstance(each, str) else each.base
            ready[name] = ensure_image(
                engine, each, wheelhouse_root=state.wheelhouse, say=say, base_image=base_image
            )
    return ready


def reachable_engine(say: Say) -> Docker:
    """Return the engine; with nothing answering, install and start an engine where allowed."""
    from runner.engines import connect
    from runner.engines.docker import NamedEngineError

    try:
        return connect()
    except NamedEngineError:
        raise  # installing one would not help
    except SandboxError as error:
        unreachable = error
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as file:
        with subprocess.Popen(
            ["sh", ENGINE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            encoding="utf-8",
            errors="backslashreplace",
        ) as script:
            for line in script.stdout or ():
                say(line.rstrip())
        file.seek(0)
        wrong = file.read().strip()
    if script.returncode == BY_HAND:
        raise SandboxError(str(unreachable), hint=wrong) from unreachable
    # Installing the package may have started one, which no second one can be started beside.
    deadline = time.monotonic() + (SETTLE_SECONDS if script.returncode else START_SECONDS)
    while True:
        try:
            return connect()
        except SandboxError as error:
            if time.monotonic() > deadline:
                message = f"the engine did not start:\n{last_lines(wrong)}"
                raise SandboxError(message) from error
            time.sleep(0.25)
