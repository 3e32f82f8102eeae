"""A container's own limit: it ends by itself where no supervisor is left, whatever runs in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from datetime import datetime

import pytest
from single import lines, wait_until

from runner import engines
from runner.engines.container import GRACE_SECONDS

pytestmark = pytest.mark.docker

SECONDS = 2.0
LATE_SECONDS = 5.0
"""How much later than it should a container may end, on a machine that it keeps busy."""

SUPERVISOR = f"""
import sys, time
from runner.records import Resources
from runner import engines
from runner.engines.container import started
from runner.engines.protocol import AGENT_USER, ContainerSpec
resources = Resources(cpus=2, memory_bytes=2**29, pids=256, shm_bytes=2**24, artifacts_bytes=2**22,
                      outputs_bytes=2**22, output_log_bytes=2**18, gpus=0)
name, image, home, code = sys.argv[1:]
spec = ContainerSpec(name=name, image_id=image, user=AGENT_USER, mounts=[], resources=resources,
                     command=["python", "-c", code], labels={{engines.HOME_LABEL: home}})
with started(engines.connect(), spec, seconds={SECONDS}) as running:
    while b"ready\\n" not in running.stream.stdout():
        assert not running.has_ended(), running.stream.both()
        time.sleep(0.01)
    print(running.stream.both().decode(), flush=True)
    time.sleep(600)
"""

PRELUDE = """
import ctypes, os, signal, time
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, call):
    try:
        done = call()
    except OSError as error:
        return print("refused", name, error.errno)
    print("refused" if done == -1 else "DONE", name, ctypes.get_errno())
"""
STUBBORN = """
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
"""
SPIN = "print('ready', flush=True)\nwhile True: pass\n"
SLEEP = "print('ready', flush=True)\nwhile True: time.sleep(0.01)\n"
SESSIONS = """
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True: pass
        os._exit(0)
"""
CROWD = """
attempt("lower its priority", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
attempt("lower everybody's", lambda: os.setpriority(os.PRIO_USER, 0, 19))
attempt("lower its group's", lambda: os.setpriority(os.PRIO_PGRP, 1, 19))
attempt("idle it", lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)))
attempt("batch it", lambda: os.sched_setscheduler(1, os.SCHED_BATCH, os.sched_param(0)))
os.nice(5)
os.sched_setaffinity(1, {0})
print('ready', flush=True)
for _ in range(200):
    if os.fork() == 0:
        while True: pass
while True: pass
"""
SIGNALS = """
for number in range(1, 65):
    os.kill(1, number)
for _ in range(2000):
    for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGKILL, signal.SIGSTOP, 40):
        try: os.kill(1, number)
        except OSError: pass
"""
MEMORY = """
for name in ("mem", "environ", "maps", "fd/0", "root", "cwd", "auxv", "clear_refs"):
    attempt(f"open {name}", lambda: os.open(f"/proc/1/{name}", os.O_RDONLY))
for name in ("mem", "clear_refs", "oom_score_adj", "timerslack_ns", "setgroups", "sched"):
    attempt(f"write {name}", lambda: os.write(os.open(f"/proc/1/{name}", os.O_WRONLY), b"9999999"))
for request in (16, 0x4206):
    attempt(f"trace {request:x}", lambda: libc.ptrace(request, 1, 0, 0))
class Range(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
mine = ctypes.create_string_buffer(64)
here, there = Range(ctypes.addressof(mine), 64), Range(0x400000, 64)
for call in (libc.process_vm_readv, libc.process_vm_writev):
    attempt(call.__name__, lambda: call(1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))
"""
LIMITS = """
import resource
for number in range(16):
    try: resource.prlimit(1, number, (0, 0))
    except (OSError, ValueError): pass
"""
ENDLESS = {
    "ignores every signal": STUBBORN + SLEEP,
    "spins": SPIN,
    "leaves children in sessions of their own": STUBBORN + SESSIONS + SPIN,
    "stops itself": "print('ready', flush=True); os.kill(os.getpid(), signal.SIGSTOP)",
    "floods a terminal nobody reads": SLEEP.replace("time.sleep(0.01)", "print('x' * 1000)"),
}
ATTACKS = {
    "memory": STUBBORN + MEMORY + SPIN,
    "priority, among two hundred that spin": STUBBORN + CROWD,
}


def ran_alone(client, image, labels, code: str) -> tuple[float, int, str]:
    """Kill the supervisor of a container; return how long it ran, its exit code, what it said."""
    name = f"runner-test-{uuid.uuid4().hex[:12]}"
    home = labels[engines.HOME_LABEL]
    command = [sys.executable, "-c", SUPERVISOR, name, image, home, PRELUDE + code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        said = []
        while (line := supervisor.stdout.readline()) != "ready\n":
            assert line, said
            said.append(line)
        os.kill(supervisor.pid, signal.SIGKILL)
    until = SECONDS + GRACE_SECONDS + LATE_SECONDS + 5
    wait_until(lambda: not client.api.inspect_container(name)["State"]["Running"], seconds=until)
    state = client.api.inspect_container(name)["State"]
    client.sweep(labels)
    return (
        moment(state["FinishedAt"]) - moment(state["StartedAt"]),
        state["ExitCode"],
        "".join(said),
    )


def moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp[:23].rstrip("Z") + "+00:00").timestamp()


@pytest.mark.parametrize("code", [*ENDLESS.values(), *ATTACKS.values()], ids=[*ENDLESS, *ATTACKS])
def test_without_a_supervisor_a_container_ends_itself(client, image, labels, code):
    seconds, exit_code, said = ran_alone(client, image, labels, code)
    assert "DONE" not in said
    assert exit_code == 124
    assert 0 <= seconds - SECONDS - GRACE_SECONDS + 0.1 < LATE_SECONDS


def test_no_signal_from_inside_ends_it_or_keeps_it_from_ending(client, image, labels):
    seconds, exit_code, _ = ran_alone(client, image, labels, STUBBORN + SIGNALS + SLEEP)
    assert exit_code == 124
    assert seconds < SECONDS + GRACE_SECONDS + LATE_SECONDS


def test_taking_its_means_away_ends_the_container_no_later(client, image, labels):
    seconds, _, _ = ran_alone(client, image, labels, STUBBORN + LIMITS + SLEEP)
    assert seconds < SECONDS + GRACE_SECONDS + LATE_SECONDS


def test_what_outlives_its_parent_is_taken_when_it_ends(run):
    code = (
        "import os, time\n"
        "for _ in range(300):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        if os.fork() == 0: os._exit(0)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "time.sleep(0.3)\n"
        "print(sum(name.isdigit() for name in os.listdir('/proc')))"
    )
    assert lines(run(code)) == ["2"]


def test_a_container_s_first_process_says_nothing_of_itself(run):
    code = (
        "import os\n"
        "print(os.stat('/proc/1/mem').st_uid, os.getuid(), os.getppid())\n"
        "print(open('/proc/1/cmdline').read().split('\\0')[:5])"
    )
    assert lines(run(code)) == ["0 10001 1", "['python', '-I', '-S', '-B', '-c']"]
