"""Remove what is of no more use: what killed runs left and, on a person's word, prepared data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from runner import data, rooms
from runner.engines.protocol import HOME_LABEL, RUN_LABEL, Engine
from runner.errors import BusyError, ConfigError, DataError
from runner.journal.reader import Reader
from runner.locks import tag_lock
from runner.trial import Host, TrialRunner

Say = Callable[[str], None]


def leftovers(
    engine: Engine, state: rooms.State, ledger: Reader, *, dry_run: bool, say: Say
) -> None:
    """Remove containers, volumes and folders of every run and check that nobody works on."""
    runner = TrialRunner(engine=engine, host=Host(state=state))
    at_work = engine.values(RUN_LABEL, {HOME_LABEL: state.id})
    for tag in sorted({run.tag for run in ledger.runs()} | at_work):
        labels = {HOME_LABEL: state.id, RUN_LABEL: tag}
        try:
            with tag_lock(state.run(tag), tag):
                for name in engine.leftovers(labels):
                    say(f"{tag}: {name}")
                if not dry_run:
                    runner.sweep(tag)
        except BusyError as busy:
            say(f"{busy}: left alone")


def runs_on(state: rooms.State, ledger: Reader, task: str) -> tuple[str, ...]:
    """Name the runs that go on with the task's data as they are now, and with no others."""
    try:
        digest = data.load(state, task).digest
    except DataError:
        return ()
    return tuple(run.tag for run in ledger.runs() if (run.task, run.data_digest) == (task, digest))


def chosen(engine: Engine, state: rooms.State, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks whose data a person named; raise `ConfigError` where there are none."""
    stored = data.stored(engine, state)
    for task in tasks:
        if task not in stored:
            known = ", ".join(stored) or "none"
            raise ConfigError(f"there are no prepared data of {task}", hint=f"there are: {known}")
    return tuple(tasks)


def require_unneeded(state: rooms.State, ledger: Reader, tasks: Sequence[str]) -> None:
    """Raise `ConfigError` naming the runs that could not be resumed without these data."""
    for task in tasks:
        if needing := runs_on(state, ledger, task):
            raise ConfigError(
                f"without the data of {task} these runs cannot be resumed: {', '.join(needing)}",
                hint="--yes removes them all the same; what the runs found stays",
            )


def remove_data(
    engine: Engine, state: rooms.State, ledger: Reader, task: str, *, dry_run: bool, say: Say
) -> None:
    """Remove a task's public part and sealed volume, and say which runs that is the end of.

    Raises:
        BusyError: somebody works on such a run.
    """
    needing = runs_on(state, ledger, task)
    with _at_rest(state, needing):
        if not dry_run:
            data.remove(engine, state, task)
    ended = f"; no longer resumable: {', '.join(needing)}" if needing else ""
    say(f"{task}: {state.data(task)} and its sealed volume{ended}")


@contextmanager
def _at_rest(state: rooms.State, tags: Sequence[str]) -> Iterator[None]:
    with ExitStack() as stack:
        for tag in tags:
            stack.enter_context(tag_lock(state.run(tag), tag))
        yield
