"""What a container can leave in the kernel for the next, and what `resources.flush` does to it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from trials import make_host, of_host, trial_spec

from runner import engines
from runner.engines import caches, images
from runner.engines.caches import dropper
from runner.engines.options import COUNTERS, ENGINES_OWN
from runner.engines.protocol import MIB
from runner.errors import SandboxError
from runner.paths import PROJECT
from runner.records import Budget, File, Guard, Resources, TrialSpec
from runner.trial import TrialRunner

# Alone: the caches that another test drops meanwhile are these tests' too.
pytestmark = [pytest.mark.docker, pytest.mark.alone]

CHANNEL = PROJECT / "bench" / "cache_channel.py"
BITS = 2048
CHANCE = 0.4
"""2,048 coins are wrong less often than this once in 10^19 times."""
LEGIBLE = 0.25
PATIENCE = 5
RESOURCES = Resources(
    cpus=1,
    memory_bytes=512 * MIB,
    pids=256,  # those of runsc itself count as well
    shm_bytes=16 * MIB,
    artifacts_bytes=4 * MIB,
    outputs_bytes=2 * MIB,
    output_log_bytes=256 * 1024,
    gpus=0,
)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[TrialRunner]:
    host = make_host(tmp_path, public={"train/x.npy": b"x" * 100_000})
    with closing(engines.connect()) as engine:
        with dropper(engine) as drop:
            yield TrialRunner(engine=engine, host=host, drop_caches=drop)
        assert engine.leftovers({engines.HOME_LABEL: host.id}) == []


@pytest.fixture
def spec(sandbox: TrialRunner) -> TrialSpec:
    given = trial_spec(
        run="caches",
        image_id=images.require_image(sandbox.engine, "cpu"),
        workspace={CHANNEL.name: File(content=CHANNEL.read_bytes())},
        resources=RESOURCES,
        budget=Budget(startup=60, train=1, predict=1, score=1),
    )
    return of_host(sandbox.host, given)


def inside(sandbox: TrialRunner, spec: TrialSpec, *command: str) -> str:
    """Return what agent code printed, run where a trainer runs."""
    result = sandbox.guard(spec, Guard(name="guard", command=command, seconds=60))
    assert result.failed is None, result.log
    return result.log.decode()


def flushed(spec: TrialSpec) -> TrialSpec:
    return replace(spec, resources=replace(spec.resources, flush=True))


READ_ALL = "for path in pathlib.Path('/opt/venv').rglob('*.so*'): path.read_bytes()"


@pytest.fixture
def read_before(sandbox: TrialRunner, spec: TrialSpec) -> None:
    """Have the disk deliver the image once: one that fetches blocks when they are first wanted has
    a memory of its own, below the kernel.
    """
    inside(sandbox, spec, "python", "-c", f"import pathlib\n{READ_ALL}")


def errors(sandbox: TrialRunner, spec: TrialSpec, way: str) -> float:
    """Send random bits from one container to the next; return the share that arrived wrong."""
    bits = f"{random.getrandbits(BITS):0{BITS}b}"
    program = f"/workspace/{CHANNEL.name}"
    inside(sandbox, spec, "python", program, "send", way, bits)
    _, read = inside(sandbox, spec, "python", program, "read", way, str(BITS)).split()
    return sum(one != other for one, other in zip(bits, read, strict=True)) / BITS


@pytest.mark.usefixtures("read_before")
@pytest.mark.parametrize("runtime", [None, "runsc"], ids=["runc", "runsc"])
@pytest.mark.parametrize("way", ["names", "pages"])
def test_what_a_container_looked_up_tells_the_next_nothing_once_it_was_dropped(
    sandbox, spec, way, runtime
):
    resources = replace(spec.resources, runtime=runtime)
    assert errors(sandbox, flushed(replace(spec, resources=resources)), way) > CHANCE


@pytest.mark.usefixtures("read_before")
@pytest.mark.parametrize("way", ["names", "pages"])
def test_without_it_the_next_container_reads_what_the_last_one_looked_up(sandbox, spec, way):
    # Another run on this machine may drop the caches meanwhile, or make the clock jump.
    for _ in range(PATIENCE):
        inside(sandbox, flushed(spec), "true")  # the reader before asked for every name, too
        if errors(sandbox, spec, way) < LEGIBLE:
            return
    pytest.fail("nothing arrived")


def test_reading_leaves_no_time_stamp_that_a_later_container_could_ask_for(sandbox, spec):
    """Layers are mounted without them, and a mount that is read-only writes none."""
    files = ["/data/x.npy", "/usr/lib/os-release", "/etc/passwd", f"/workspace/{CHANNEL.name}"]
    for path in (sandbox.host.rows_of(spec)).iterdir():
        os.utime(path, (0, path.stat().st_mtime))  # so old that the kernel would renew it
    stamps = f"import os; print([os.stat(path).st_atime_ns for path in {files[:3]}])"
    before = inside(sandbox, spec, "python", "-c", stamps)
    read = f"import os; [open(path, 'rb').read() for path in {files}]; os.listdir('/data')"
    inside(sandbox, spec, "python", "-c", read)
    assert inside(sandbox, spec, "python", "-c", stamps) == before


COUNTS = """
from pathlib import Path
found = []
for top in map(Path, paths):
    for path in [top, *top.rglob("*")] if top.is_dir() else [top]:
        if path.is_file() and path.read_bytes():
            found.append(str(path))
print(found)
"""


def test_no_count_of_the_whole_kernel_that_agents_could_raise_is_shown_to_them(sandbox, spec):
    """Huge pages that one container takes are counted in /proc/vmstat, exactly and for good."""
    assert Path("/proc/vmstat").read_bytes(), "there are such counts"
    code = f"paths = {[*ENGINES_OWN, *COUNTERS]}{COUNTS}"
    assert inside(sandbox, spec, "python", "-c", code) == "[]\n"


def test_no_disk_shows_a_container_what_was_read_of_it(sandbox, spec):
    """Reads add up, so that one container could leave a chosen count for the next."""
    disks = [disk.resolve() for disk in Path("/sys/block").iterdir()]
    assert all((disk / "stat").read_bytes() for disk in disks)
    places = [str(path) for disk in disks for path in (disk, Path("/sys/class/block", disk.name))]
    code = f"import os; print([path for path in {places} if os.path.exists(path + '/stat')])"
    assert inside(sandbox, spec, "python", "-c", code) == "[]\n"


# -- the helper ---------------------------------------------------------------------------------


def test_one_helper_serves_a_run_and_is_gone_with_it(sandbox, spec):
    labels = {engines.HOME_LABEL: sandbox.host.id, engines.RUN_LABEL: "caches"}
    with dropper(sandbox.engine) as drop:
        at_work = replace(sandbox, drop_caches=drop)
        for _ in range(2):
            inside(at_work, flushed(spec), "true")
            [left] = sandbox.engine.leftovers(labels)
            assert left.startswith("container runner-caches-")
    assert sandbox.engine.leftovers(labels) == []


def test_a_helper_that_somebody_removed_is_started_again(sandbox, spec):
    labels = {engines.HOME_LABEL: sandbox.host.id}
    inside(sandbox, flushed(spec), "true")
    sandbox.engine.sweep(labels)
    assert sandbox.engine.leftovers(labels) == []
    inside(sandbox, flushed(spec), "true")
    assert len(sandbox.engine.leftovers(labels)) == 1


def test_a_helper_is_replaced_before_its_answers_fill_the_log(sandbox, spec, monkeypatch):
    monkeypatch.setattr(caches, "MOST_DROPS", 3)
    small = replace(spec, resources=replace(RESOURCES, output_log_bytes=8))
    for _ in range(5):
        inside(sandbox, flushed(small), "true")
    labels = {engines.HOME_LABEL: sandbox.host.id}
    assert len(sandbox.engine.leftovers(labels)) == 1


def test_without_a_helper_at_hand_one_is_started_for_the_container(sandbox, spec):
    inside(replace(sandbox, drop_caches=None), flushed(spec), "true")
    assert sandbox.engine.leftovers({engines.HOME_LABEL: sandbox.host.id}) == []


def test_an_engine_that_may_not_drop_them_is_our_failure_with_a_remedy(sandbox, spec, monkeypatch):
    # A file of the kernel that nobody may write, as this one is to a rootless engine.
    monkeypatch.setattr(caches, "SWITCH", "/proc/sys/kernel/ostype")
    with pytest.raises(SandboxError, match=r"caches were not dropped: .*denied") as failure:
        inside(sandbox, flushed(spec), "true")
    assert "rootless" in failure.value.hint


WAITING = """
import sys, time
from runner.records import Resources
from runner import engines
from runner.engines import caches
from runner.engines.protocol import AGENT_USER, ContainerSpec
resources = Resources(cpus=1, memory_bytes=2**27, pids=64, shm_bytes=2**24, artifacts_bytes=2**22,
                      outputs_bytes=2**22, output_log_bytes=2**18, gpus=0)
image, home = sys.argv[1:]
client = engines.connect()
with caches.dropper(client) as drop:
    drop(ContainerSpec(name="x", image_id=image, user=AGENT_USER, command=["true"], mounts=[],
                       resources=resources, labels={engines.HOME_LABEL: home}))
    print("dropped", flush=True)
    time.sleep(600)
"""


def containers_at_work(sandbox: TrialRunner, labels: dict[str, str]) -> list[object]:
    filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
    return sandbox.engine.api.containers(filters=filters)


def test_the_helper_ends_when_its_supervisor_is_killed_and_the_sweep_finds_it(sandbox, spec):
    labels = {engines.HOME_LABEL: sandbox.host.id}
    command = [sys.executable, "-c", WAITING, spec.image_id, sandbox.host.id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "dropped\n"
        os.kill(supervisor.pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while containers_at_work(sandbox, labels):
        assert time.monotonic() < until, "the helper goes on"
        time.sleep(0.05)
    assert len(sandbox.engine.leftovers(labels)) == 1
    sandbox.engine.sweep(labels)
    assert sandbox.engine.leftovers(labels) == []
