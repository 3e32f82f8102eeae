"""A supervisor in a process of its own, which other processes look at and ask something of."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fakes import TAG

from runner import paths, progress
from runner.errors import JournalError
from runner.journal.reader import open_reader
from runner.views.overview import Overview, overview_of

DRIVER = Path(__file__).with_name("asked_driver.py")
PATIENCE = 60.0


class AtWork:
    """A supervisor in a process of its own, below a folder."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder, self.process = folder, process
        self.state = paths.State(folder / "state")

    def let(self, *numbers: int) -> None:
        """Let the trials of these experiments end."""
        for number in numbers:
            (self.folder / f"let-{number}").touch()

    def look(self) -> Overview | None:
        """Return how the run is; nothing before its journal is there as a whole."""
        with suppress(JournalError), open_reader(self.state.journal) as journal:
            run = journal.run(TAG)
            found = progress.read(self.state.progress(TAG))
            return None if run is None else overview_of(journal, run, found)
        return None

    def wait_for(self, what: Callable[[Overview], object]) -> Overview:
        until = time.monotonic() + PATIENCE
        while True:
            found = self.look()
            if found is not None and what(found):
                return found
            assert time.monotonic() < until, found
            time.sleep(0.05)

    def measures(self, number: int) -> Overview:
        """Wait until a device is at this experiment."""
        return self.wait_for(lambda seen: [at.experiment for at in seen.devices if at] == [number])

    def ended(self) -> tuple[int, str]:
        """Return the exit code and what was printed."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output

    def notes(self, name: str) -> list[dict]:
        with open_reader(self.state.journal) as journal:
            return [each["detail"] for each in journal.events(TAG) if each["name"] == name]


@contextmanager
def at_work(folder: Path, how: str, *more: str) -> Iterator[AtWork]:
    """Start `asked_driver.py` below a folder; it is gone afterwards."""
    places = os.pathsep.join(map(str, (DRIVER.parent, DRIVER.parent.parent)))
    command = [sys.executable, str(DRIVER), str(folder), how, *more]
    environment = {**os.environ, "PYTHONPATH": places}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            yield AtWork(folder, process)
        finally:
            process.kill()
