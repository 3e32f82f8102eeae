"""Remove what is of no more use: what killed runs left and, on a person's word, prepared data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

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


def remove_data(
    engine: Engine,
    state: rooms.State,
    ledger: Reader,
    tasks: Sequence[str],
    *,
    agreed: bool,
    dry_run: bool,
    say: Say,
) -> None:
    """Remove the public parts and sealed volumes of tasks; say which runs that is the end of.

    Raises:
        ConfigError: a task has none, or runs could not be resumed and the person did not agree.
        BusyError: somebody works on such a run.
    """
    stored = data.stored(engine, state)
    for task in tasks:
        if task not in stored:
            known = ", ".join(stored) or "none"
            raise ConfigError(f"there are no prepared data of {task}", hint=f"there are: {known}")
    needing = {task: _runs_on(state, ledger, task) for task in tasks}
    for task, tags in needing.items():
        if tags and not agreed and not dry_run:
            raise ConfigError(
                f"without the data of {task} these runs cannot be resumed: {', '.join(tags)}",
                hint="--yes removes them all the same; what the runs found stays",
            )
    for task, tags in needing.items():
        with ExitStack() as stack:
            for tag in tags:
                stack.enter_context(tag_lock(state.run(tag), tag))
            if not dry_run:
                data.remove(engine, state, task)
        ended = f"; no longer resumable: {', '.join(tags)}" if tags else ""
        say(f"{task}: {state.data(task)} and its sealed volume{ended}")


def _runs_on(state: rooms.State, ledger: Reader, task: str) -> tuple[str, ...]:
    """Name the runs that go on with the task's data as they are now, and with no others."""
    try:
        digest = data.load(state, task).digest
    except DataError:
        return ()
    return tuple(run.tag for run in ledger.runs() if (run.task, run.data_digest) == (task, digest))
