"""What a person sees while a run is at work: lines, and on a terminal a bar of the trial below."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from runner.characters import visible
from runner.records import Experiment, Stage
from runner.views import lines

MOST_WORDS = 120
"""Characters of why that is shown."""


class _Clock(ProgressColumn):
    """A bar that fills with the stage's own time, up to when it would be killed."""

    def render(self, task: Task) -> ProgressBar:
        return ProgressBar(
            total=task.total, completed=min(task.elapsed or 0, task.total or 0), width=30
        )


class _Left(ProgressColumn):
    """The stage's limit, or what is left of a wait."""

    def render(self, task: Task) -> Text:
        if not task.fields["waits"]:
            return Text(f"at most {task.total:g} s")
        return Text(remaining((task.total or 0) - (task.elapsed or 0)))


def remaining(seconds: float) -> str:
    """Say how long a wait still is; after it, the model is asked again."""
    return f"{math.ceil(seconds)} s left" if seconds > 0 else "asking again"


class Live:
    """Prints lines; draws the bar only where there is a terminal."""

    describe: Callable[[Experiment], str]

    def __init__(self, *, stderr: bool = False) -> None:
        self._console = Console(highlight=False, soft_wrap=True, emoji=False, stderr=stderr)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            _Clock(),
            _Left(),
        )
        self._progress = Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        )

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._progress.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to somebody else, such as an editor."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def say(self, text: str) -> None:
        self._console.print(visible(text), markup=False)

    def finished(self, experiment: Experiment) -> None:
        self._clear()
        self.say(self.describe(experiment))

    def stage(self, stage: Stage) -> None:
        """Show the stage that has just begun."""
        self._clear()
        self._progress.add_task(stage.name, total=stage.seconds, waits=False)

    def waiting(self, what: str, seconds: float) -> None:
        """Say that a model is waited for; on a terminal, count down until it is asked again.

        Several proposers may wait while a trial runs: this leaves the others' bars alone.
        """
        what = lines.plain(what, MOST_WORDS)
        self.say(f"waiting {seconds:.0f} s, not counted: {what}")
        self._clear(over_only=True)
        self._progress.add_task(f"waiting: {what}", total=seconds, waits=True)

    def _clear(self, *, over_only: bool = False) -> None:
        """Take the bars away that are over: the stage before, and waits whose time has passed."""
        for task in list(self._progress.tasks):
            over = (task.elapsed or 0) >= (task.total or 0)
            if over if task.fields["waits"] else not over_only:
                with suppress(KeyError):  # another thread was faster
                    self._progress.remove_task(task.id)
