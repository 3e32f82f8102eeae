"""One box from its turn to confirmed gone.

A box is one proposal's. It lives while no trial is at work on this machine, and starts and ends
with the kernel's caches dropped, so that neither learns of the other but through the supervisor.
It speaks through two sockets: that of the gateway to its model, and the door.

What this does not protect against: a trial of another user of this machine, or one whose
supervisor was killed, until that one's own deadline; what the model is told leaves the machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner import paths
from runner.analysis import shared_rows
from runner.box import door
from runner.box.specification import Places, environment, specification
from runner.engines.container import ContainerResult, Deadline, Ended, Running
from runner.engines.protocol import HOME_LABEL, RUN_LABEL, ContainerSpec
from runner.errors import ConfigError, StoppedError
from runner.locks import BOXES, TRIALS, turn
from runner.records import File
from runner.sandbox import staging
from runner.seams import BoxEnd, BoxWork, Reply
from runner.session import Session
from runner.trial import TrialRunner, stage_name

LOOK_SECONDS = 0.1
ACCEPTED = "accepted"
STOPPED = "the person asked to stop"
OUT_OF_MEMORY = "it needed more than agent.memory"
WORN_OUT = "it asked the supervisor too often"
WHY = {
    Ended.DEADLINE: "it took more than {minutes:g} minutes",
    Ended.OUTPUT: "it printed too much",
    Ended.PROCESSES: "it had too many processes",
}


@dataclass(frozen=True)
class _Until(Deadline):
    """A deadline that comes at once when somebody says so."""

    over: threading.Event = field(default_factory=threading.Event)

    @property
    def left(self) -> float:
        return 0.0 if self.over.is_set() else max(0.0, self.monotonic - time.monotonic())


def run_in_box(
    session: Session, sandbox: TrialRunner, work: BoxWork, stop: Callable[[], bool]
) -> BoxEnd:
    """Run a program in a box until it has ended, its proposal is accepted, or a limit is reached.

    Raises:
        SandboxError: the engine failed, or does not let the caches be dropped.
        StoppedError: `abort` of the sandbox was set.
    """
    minutes = session.policy.agent.minutes

    def stopped() -> bool:
        return sandbox.abort.is_set() or stop()

    with ExitStack() as ours:
        try:
            ours.enter_context(turn(BOXES, TRIALS, session.person.say, stopped))
        except StoppedError:
            if sandbox.abort.is_set():
                raise
            return BoxEnd(why=STOPPED, seconds=0.0, cpu_seconds=None)
        with _begun(session, sandbox, work) as (spec, running, opened):
            until = _Until(monotonic=time.monotonic() + 60 * minutes)
            with ThreadPoolExecutor(1, thread_name_prefix="box") as waiting:
                ended = waiting.submit(running.finish, until, sandbox.abort)
                try:
                    over = _conversation(opened, running, work, ended, stop)
                finally:
                    until.over.set()
            result = ended.result()
        sandbox.forget(spec)  # it is gone, and the next trial finds nothing of it either
    return BoxEnd(
        why={ACCEPTED: None, None: _limit(result, minutes)}.get(over, over),
        seconds=result.ran_seconds,
        cpu_seconds=result.usage.cpu_seconds,
    )


def _limit(result: ContainerResult, minutes: float) -> str | None:
    """Say which limit ended a box, if one did."""
    if result.ended in WHY:
        return WHY[result.ended].format(minutes=minutes)
    # Of what it tries, something may be ended for its memory without the box.
    return OUT_OF_MEMORY if result.oom_killed and result.exit_code != 0 else None


def _conversation(
    opened: door.Door, running: Running, work: BoxWork, ended: Future[ContainerResult],
    stop: Callable[[], bool],
) -> str | None:  # fmt: skip
    """Answer the box until it ends, or there is a reason to end it; return that."""

    def answer(request: Mapping[str, Any]) -> Reply:
        running.look()  # it is there while it waits, and may be gone once it is answered
        return work.answer(request)

    while not ended.done():
        reply = opened.answer_one(answer, seconds=LOOK_SECONDS)
        if reply and reply.accepted:
            return ACCEPTED
        if stop():
            return STOPPED
        if opened.is_worn_out:
            return WORN_OUT
    return None


@contextmanager
def _begun(
    session: Session, sandbox: TrialRunner, work: BoxWork
) -> Iterator[tuple[ContainerSpec, Running, door.Door]]:
    """Yield a box at work on fresh copies, and its door; both are gone afterwards."""
    name = stage_name(sandbox.host.id, session.run.tag)
    sockets = staging.memory_root(sandbox.host.stage) / name  # a socket's path must be short
    with (
        staging.folder(sandbox.host.stage / name) as folder,
        staging.folder(sockets) as sockets,
        door.opened(staging.empty_tree(sockets / "door") / "supervisor") as opened,
        work.gateway.listening(staging.empty_tree(sockets / "m")) as gateway,
    ):
        (sockets / "door" / "model").mkdir()  # to be mounted on
        harness = session.harness
        if not paths.below(harness, "box"):
            hint = "start a new run, or one with: --agent claude-code --on-host"
            raise ConfigError(f"{session.run.tag} is from before there were boxes", hint=hint)
        places = Places(
            given=staging.write_tree(folder / "given", work.files),
            about=staging.write_tree(
                folder / "about", {name: File(content=text) for name, text in work.about.items()}
            ),
            # The package below a root of its own, as `/kit` is what goes on the path.
            kit=staging.write_tree(
                folder / "kit",
                {path: file for path, file in harness.items() if path.startswith("kit/")},
            ),
            inside=staging.write_tree(folder / "inside", paths.below(harness, "box")),
            door=sockets / "door",
            model=sockets / "m",
            rows=rows_of(session),
        )
        spec = specification(
            session.policy,
            work,
            places,
            gateway.name,
            name=f"{name}-box",
            image_id=session.run.image_id,
            labels={HOME_LABEL: sandbox.host.id, RUN_LABEL: session.run.tag},
        )
        seconds = 60 * session.policy.agent.minutes
        env = environment(session.policy, work)
        with sandbox.started(spec, seconds=seconds, env=env) as running:
            yield spec, running, opened


def rows_of(session: Session) -> Path | None:
    """Return the rows that every split trains on, where there are such, and the box gets them."""
    if session.policy.agent.data == "none":
        return None
    try:
        return shared_rows(session.data.public, session.policy)
    except ConfigError:
        return None
