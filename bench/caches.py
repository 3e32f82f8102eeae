"""What two containers can tell each other through the kernel's caches, and what closing them costs.

    python bench/caches.py [ROUNDS [RUNTIME]]

One container of a trial sends random bits, a later one reads them. Both are started as guards are,
so with the options of every agent container. bits is what arrives: n (1 - H(errors)). A remedy is
applied before each container, and its cost is the time of that alone; what it makes of the import
of torch is compared with one without it, just before. On a busy machine all seconds are its own;
of the imports the fastest of each kind are shown.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from runner import data, engines
from runner.engines import caches, images
from runner.engines.container import Running, started
from runner.engines.protocol import AGENT_USER, ContainerSpec
from runner.paths import PROJECT, State, policy_path
from runner.policy.load import load_policy
from runner.records import Budget, File, Guard, Purpose, TrialSpec
from runner.trial import Host, TrialRunner
from runner.trial import specification as trial_specification
from runner.workspace import tree_digest

PROGRAM = PROJECT / "bench" / "cache_channel.py"
BITS = {"names": 4096, "pages": 2048}
PAIRS = 3
UNDER_A_RUNTIME = ("open", "both: resources.flush")
"""The remedies that another runtime is tried with; its imports are slow."""
SECONDS = 60.0
IMPORT = "import time; t = time.perf_counter(); import torch; print(time.perf_counter() - t)"
NEIGHBOUR = "import torch, sys, time; print('up', file=sys.stderr); time.sleep(600)"


@dataclass(frozen=True, kw_only=True)
class Carried:
    """One message: what was wrong of it, and how long each side took."""

    bits: int
    errors: float
    send_seconds: float
    read_seconds: float

    @property
    def arrived(self) -> float:
        """Bits of information, by the errors alone."""
        wrong = min(self.errors, 0.5)
        if wrong in (0, 0.5):
            return self.bits * (1 - 2 * wrong)
        doubt = -wrong * math.log2(wrong) - (1 - wrong) * math.log2(1 - wrong)
        return self.bits * (1 - doubt)


@dataclass
class Measured:
    """A remedy's figures over all rounds."""

    carried: dict[str, list[Carried]] = field(default_factory=lambda: {way: [] for way in BITS})
    cost_seconds: list[float] = field(default_factory=list)
    imports: list[tuple[float, ...]] = field(default_factory=list)
    """Seconds without the remedy and, right afterwards, with it."""


def specification(image_id: str, folder: Path, runtime: str | None) -> tuple[Host, TrialSpec]:
    """Return a trial of which only guards are run, and a host that has its data."""
    host = Host(state=State(folder), harness={})
    policy = load_policy(policy_path("eclip")).policy
    rows = host.state.data(policy.task) / "train"
    rows.mkdir(parents=True)
    (rows.parent / data.MANIFEST).write_text("{}")
    given = trial_specification(
        policy,
        run="caches",
        experiment=0,
        purpose=Purpose.DECISION,
        split="train",
        index=0,
        seed=1,
        image_id=image_id,
        scorer_image_id=image_id,  # only guards are run
        data_digest=data.load(host.state, policy.task).digest,
        harness_digest=tree_digest({}),
        workspace={PROGRAM.name: File(content=PROGRAM.read_bytes())},
    )
    return host, replace(
        given,
        mutable=(),
        notes=(),
        resources=replace(given.resources, runtime=runtime),
        budget=Budget(startup=SECONDS, train=1, predict=1, score=1),
    )


def inside(sandbox: TrialRunner, spec: TrialSpec, *command: str) -> str:
    """Return what a command printed in a container like a trainer's."""
    result = sandbox.guard(spec, Guard(name="guard", command=command, seconds=SECONDS))
    if result.failed:
        raise RuntimeError(f"{result.failed}: {result.log.decode(errors='replace')}")
    return result.log.decode()


def carry(sandbox: TrialRunner, spec: TrialSpec, way: str) -> Carried:
    """Send random bits from one container to the next."""
    program, count = f"/workspace/{PROGRAM.name}", BITS[way]
    bits = f"{random.getrandbits(count):0{count}b}"
    sent = inside(sandbox, spec, "python", program, "send", way, bits)
    seconds, read = inside(sandbox, spec, "python", program, "read", way, str(count)).split()
    wrong = sum(one != other for one, other in zip(bits, read, strict=True))
    return Carried(
        bits=count,
        errors=wrong / count,
        send_seconds=float(sent),
        read_seconds=float(seconds),
    )


# -- remedies -----------------------------------------------------------------------------------


@contextmanager
def dropping(client: Any, level: int) -> Iterator[caches.Drop]:
    """Yield the product's helper, told to drop 2 (names and inodes) or 3 (pages too)."""
    with caches.dropper(client) as drop:
        script = caches.SCRIPT
        caches.SCRIPT = script.replace("echo 3", f"echo {level}")
        try:
            drop(holder(client, "true"))  # which starts the helper
        finally:
            caches.SCRIPT = script
        yield drop


def holder(client: Any, *command: str) -> ContainerSpec:
    """Return a container of agent code that nothing but itself is needed for."""
    return ContainerSpec(
        name=f"runner-bench-{uuid.uuid4().hex[:12]}",
        image_id=images.require_image(client, "cpu"),
        user=AGENT_USER,
        command=command,
        mounts=[],
        resources=load_policy(policy_path("eclip")).policy.resources_record(),
        labels={engines.HOME_LABEL: "bench-caches"},
    )


@contextmanager
def neighbour(client: Any) -> Iterator[None]:
    """Keep a container alive that holds torch's files mapped, as another trial would."""
    mapped = holder(client, "python", "-c", NEIGHBOUR)
    with started(client, mapped, seconds=600.0) as running:
        wait_for(running, lambda: running.said(b"up\n"))
        yield


def wait_for(running: Running, done: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > until:
            raise TimeoutError(running.identity)
        time.sleep(0.05)


@contextmanager
def remedies(client: Any) -> Iterator[dict[str, tuple[caches.Drop | None, bool]]]:
    """Yield each remedy, and whether a neighbour lives beside it."""
    with ExitStack() as stack:
        # Each has a helper of its own, so that one's level is not another's.
        names = stack.enter_context(dropping(client, 2))
        both = stack.enter_context(dropping(client, 3))
        yield {
            "open": (None, False),
            "names dropped": (names, False),
            "both, a helper each time": (lambda spec: caches.drop_once(client, spec), False),
            "both: resources.flush": (both, False),
            "the same, beside torch": (both, True),
        }


def measure(client: Any, host: Host, spec: TrialSpec, remedy: caches.Drop | None) -> Measured:
    """Play both channels once, and time the remedy and the import after it."""
    found = Measured()

    def timed(container: ContainerSpec) -> None:
        if remedy is not None:
            begun = time.monotonic()
            remedy(container)
            found.cost_seconds.append(time.monotonic() - begun)

    sandbox = TrialRunner(engine=client, host=host, drop_caches=timed)
    spec = replace(spec, resources=replace(spec.resources, flush=True))
    for way in BITS:
        found.carried[way].append(carry(sandbox, spec, way))
    if spec.resources.runtime:
        return found
    bare = replace(spec, resources=replace(spec.resources, flush=False))
    inside(sandbox, bare, "python", "-c", IMPORT)  # makes up for what the channel threw out
    for _ in range(PAIRS):
        found.imports.append(
            tuple(float(inside(sandbox, one, "python", "-c", IMPORT)) for one in (bare, spec))
        )
    return found


def main(rounds: int, runtime: str | None) -> None:
    results: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as place, closing(engines.connect()) as client:
        host, spec = specification(images.require_image(client, "cpu"), Path(place), runtime)
        with remedies(client) as each:
            for _ in range(rounds):
                for name, (remedy, beside) in each.items():
                    if runtime and name not in UNDER_A_RUNTIME:
                        continue
                    with neighbour(client) if beside else ExitStack():
                        once = measure(client, host, spec, remedy)
                    total = results.setdefault(name, Measured())
                    total.imports += once.imports
                    total.cost_seconds += once.cost_seconds
                    for way in BITS:
                        total.carried[way] += once.carried[way]
                    print(f"{name}: torch {once.imports}", file=sys.stderr)
    show(results, rounds)


def show(results: dict[str, Measured], rounds: int) -> None:
    table = Table(
        "remedy", "channel", "n", "errors", "bits", "send s", "read s", "bits/s",
        "cost s", "most", "torch s", "times",
    )  # fmt: skip
    middle = statistics.median
    for name, found in results.items():
        pairs = found.imports or [(math.nan, math.nan)]
        warm, cold = (min(seconds) for seconds in zip(*pairs, strict=True))
        for way, messages in found.carried.items():
            arrived = statistics.fmean(one.arrived for one in messages)
            sending = middle(one.send_seconds for one in messages)
            reading = middle(one.read_seconds for one in messages)
            first = way == next(iter(BITS))
            costs = found.cost_seconds or [0.0]
            table.add_row(
                name if first else "",
                way,
                f"{rounds} x {BITS[way]}",
                f"{statistics.fmean(one.errors for one in messages):.1%}",
                f"{arrived:.0f}",
                f"{sending:.2f}",
                f"{reading:.2f}",
                f"{arrived / (sending + reading):.0f}",
                f"{middle(costs):.2f}" if first else "",
                f"{max(costs):.2f}" if first else "",
                f"{cold:.2f}" if first else "",
                f"{cold / warm:.2f}" if first else "",
            )
    Console(width=130).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2] if len(sys.argv) > 2 else None)
