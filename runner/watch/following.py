"""A run as it changes, for whoever looks several times a second: the journal is read rarely."""

from __future__ import annotations

from dataclasses import replace

from runner import progress
from runner.errors import JournalError
from runner.journal.reader import last_written, open_reader
from runner.paths import State
from runner.progress import machine_seconds
from runner.records import Run
from runner.views.overview import Overview, overview_of


class Following:
    """Looks at one run.

    The journal is opened when its files have changed, and the run read again when it has a new
    entry.
    """

    def __init__(self, state: State, run: Run, cap: float | None) -> None:
        self._state, self._run, self._cap = state, run, cap
        self._written: object = None
        self._seq = 0
        self._found: Overview | None = None

    def look(self) -> Overview:
        """Return the run as it is now.

        Raises:
            JournalError: the journal could never be read; one that cannot be read for a moment is
                as it was.
        """
        written = last_written(self._state.journal)
        if written != self._written or self._found is None:
            self._written = written
            self._read()
        assert self._found is not None  # noqa: S101 - just read
        said = progress.read(self._state.progress(self._run.tag))
        alive = said is not None and said.alive
        self._found = replace(self._found, progress=said, alive=alive, clock=machine_seconds())
        return self._found

    def printed(self) -> tuple[str, str]:
        """Return which device's container printed something last, and the end of that."""
        return progress.printed(self._state.progress(self._run.tag))

    def _read(self) -> None:
        try:
            with open_reader(self._state.journal) as journal:
                seq = journal.head(self._run.tag).seq
                if seq == self._seq and self._found is not None:
                    return  # another run's entry
                self._found = overview_of(
                    journal, self._run, None, cap=self._cap, before=self._found
                )
                self._seq = seq
        except JournalError:
            if self._found is None:
                raise
            self._written = None  # it is tried again
