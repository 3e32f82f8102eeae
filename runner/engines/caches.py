"""Dropping the kernel's caches, so that a container finds nothing of what earlier ones looked up.

Names that are not there and pages of files stay in the kernel after the container that asked for
them is gone, and the next one can time them: thousands of bits a second.
A helper of our own drops both. It is held like every container, without network or capability;
all that it has is the user 0 and the one file through which the kernel is told.

What this does not protect against: containers that run at the same time, of which each can signal
to the others; pages that a living process maps, which stay; what lies below the kernel, such as
the memory of a drive, or a virtual disk that fetches a block when it is first read.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from runner.engines.container import POLL_SECONDS, Running, started
from runner.engines.protocol import TRIAL_LABEL, ContainerSpec, Engine, Mount
from runner.errors import SandboxError

SWITCH = "/proc/sys/vm/drop_caches"
# 1 is pages, 2 is names and inodes, 3 is both. It ends with its input, so with the supervisor.
SCRIPT = 'while read -r line; do echo 3 > /switch || exit 1; echo "$line" >&2; done'
YEAR_SECONDS = 365 * 86_400.0
"""It ends with the supervisor, at the end of its input."""
DROP_SECONDS = 10.0
"""More is our failure: what it takes is taken from the next container's startup."""
MOST_DROPS = 500
"""Of one helper, whose answers count as output: together less than the least `resources.log`."""
HINT = (
    "resources.flush needs an engine whose root is the machine's: neither rootless nor with user"
    " namespaces; set it to false for a run that does without"
)

Drop = Callable[[ContainerSpec], None]
"""Drops the caches before this container starts."""


@contextmanager
def dropper(engine: Engine) -> Iterator[Drop]:
    """Yield what drops the caches. Its helper starts with the first call and is replaced seldom.

    Several threads may call it.

    Raises:
        SandboxError: the helper could not be started, or was not allowed to.
    """
    with ExitStack() as stack:
        yield _Dropper(engine, stack).drop


def drop_once(engine: Engine, spec: ContainerSpec) -> None:
    """Drop the caches with a helper that is started for it alone."""
    with dropper(engine) as drop:
        drop(spec)


class _Dropper:
    def __init__(self, engine: Engine, stack: ExitStack) -> None:
        self._engine, self._stack = engine, stack
        self._turn = threading.Lock()
        self._helper: Running | None = None
        self._count = 0

    def drop(self, spec: ContainerSpec) -> None:
        with self._turn:
            # It may have been removed by somebody.
            if self._helper is None or self._helper.has_ended() or self._count == MOST_DROPS:
                self._stack.close()
                self._count = 0
                at_work = started(self._engine, helper(spec), seconds=YEAR_SECONDS)
                self._helper = self._stack.enter_context(at_work)
            self._count += 1
            asked = b"%d\n" % self._count
            self._helper.send(asked)
            self._await(self._helper, asked)

    def _await(self, helper: Running, asked: bytes) -> None:
        until = time.monotonic() + DROP_SECONDS
        while not helper.said(asked):
            if helper.has_ended() or time.monotonic() > until:
                said = helper.stream.both().decode(errors="replace").strip()
                why = said.splitlines()[-1] if said else "the helper did not answer"
                raise SandboxError(f"the kernel's caches were not dropped: {why}", hint=HINT)
            time.sleep(POLL_SECONDS / 10)


def helper(spec: ContainerSpec) -> ContainerSpec:
    """Return the helper that serves a run whose next container this is; the sweep finds both."""
    return replace(
        spec,
        name=f"runner-caches-{secrets.token_hex(6)}",
        user="0:0",
        command=["sh", "-c", SCRIPT],
        mounts=[Mount(source=SWITCH, target="/switch", writable=True)],
        # The kernel that it speaks to is the machine's, whichever the next container has.
        resources=replace(spec.resources, runtime=None),
        labels={key: value for key, value in spec.labels.items() if key != TRIAL_LABEL},
        takes_input=True,
        gpu_ids=(),
        sampled=False,
    )
