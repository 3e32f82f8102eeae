"""The contract of an engine: one container's walls, caps and end, and nothing left of it.

Every engine passes it; today that is Docker, with runc and with runsc (gVisor).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from single import NEVER, PLENTY_SECONDS, RESOURCES, lines, wait_until

from runner import engines, paths
from runner.engines import Docker
from runner.engines.container import SHOWN_BYTES, Deadline, Ended, started
from runner.engines.options import container_config
from runner.engines.protocol import AGENT_USER, MIB, SCORER_USER, Mount, Volume
from runner.errors import SandboxError, StoppedError
from runner.sandbox import staging

pytestmark = pytest.mark.docker

DEADLINE_ERROR_SECONDS = 5.0  # beside other tests; `bench/deadline.py` measures it


@pytest.fixture(params=[None, "runsc"], ids=["runc", "runsc"])
def runtime(request) -> str | None:
    return request.param


at_work = partial(started, seconds=PLENTY_SECONDS)


# -- ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_an_exit_code_is_told(run, code):
    result = run(f"raise SystemExit({code})")
    assert (result.ended, result.exit_code, result.oom_killed) == (Ended.EXITED, code, False)


def test_both_streams_are_read_whole_and_told_apart(run):
    result = run("import sys; print('o' * 50_000); print('e' * 50_000, file=sys.stderr)")
    assert result.stdout == b"o" * 50_000 + b"\n"
    assert sorted(result.output) == sorted(b"o" * 50_000 + b"e" * 50_000 + b"\n\n")


def test_what_is_printed_is_shown_while_it_runs_and_only_its_end(client, spec):
    shown: list[bytes] = []
    code = "import time; print('x' * 20_000 + 'first', flush=True); time.sleep(2); print('last')"
    wanted = spec("python", "-c", code)
    with at_work(client, wanted, show=shown.append) as running:
        running.finish(Deadline.after(PLENTY_SECONDS), NEVER)
    assert shown[0].endswith(b"first\n"), "before it had ended"
    assert shown[-1].endswith(b"first\nlast\n")
    assert {len(each) for each in shown} == {SHOWN_BYTES}


def test_the_engine_s_own_figures_are_told(run):
    burn = "import time; b = b'x' * (60 << 20); t = time.time()\nwhile time.time() < t + 1: pass"
    usage = run(burn).usage
    assert usage.peak_memory_bytes is not None
    assert usage.peak_memory_bytes > 60 * MIB
    assert usage.cpu_seconds is not None
    assert 0.1 < usage.cpu_seconds < 3  # of one second, on a machine that others share


def test_a_killed_process_is_not_taken_for_an_engine_that_stopped(run):
    result = run("import os; os.kill(os.getpid(), 9)")
    assert (result.ended, result.exit_code, result.oom_killed) == (Ended.EXITED, 137, False)


STUBBORN = """
import os, signal, sys, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
"""
DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(64):
            try: os.close(fd)
            except OSError: pass
        while True: time.sleep(0.01)
    os._exit(0)
"""
ENDLESS = {
    "sleep": "import time; time.sleep(600)",
    "ignores every signal": STUBBORN + "while True: time.sleep(0.01)",
    "burns": "while True: pass",
    "prints now and then": "import time\nwhile True: print('x'); time.sleep(0.01)",
    "closes its output": STUBBORN + "os.close(1); os.close(2)\nwhile True: time.sleep(0.01)",
    "daemon that outlives its parent": STUBBORN + DAEMON + "while True: time.sleep(0.01)",
    "stops itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "stops its init": "import os, signal, time; os.kill(1, signal.SIGSTOP); time.sleep(600)",
}


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_whatever_runs_on_is_killed_at_the_deadline(client, spec, code):
    with at_work(client, spec("python", "-c", code)) as running:
        deadline = Deadline.after(2.0)
        result = running.finish(deadline, NEVER)
        late = time.monotonic() - deadline.monotonic
    assert result.ended is Ended.DEADLINE
    assert 0 <= late < DEADLINE_ERROR_SECONDS
    assert client.api.containers(all=True, filters={"name": running.name}) == []


SPREAD = """
import os
for _ in range(2):
    if os.fork() == 0:
        if os.fork() == 0:
            while True: pass
        os._exit(0)
os.wait(), os.wait()
import time; time.sleep(600)
"""


def test_processor_time_ends_a_container_whoever_in_it_took_it(client, spec):
    many = replace(RESOURCES, pids=256)  # gVisor's own threads count, too
    with at_work(client, spec("python", "-c", SPREAD, resources=many)) as running:
        result = running.finish(Deadline.after(60, cpu_seconds=1.5), NEVER)
    assert result.ended is Ended.CPU_TIME
    assert 1.5 <= (result.usage.cpu_seconds or 0) < 3
    assert result.ran_seconds < 30


def test_what_the_kit_reads_inside_is_the_engine_s_account(client, spec, runtime):
    source = paths.PROJECT / "harness" / "kit" / "processors.py"
    kit = Mount(source=str(source), target="/account.py")
    code = "exec(open('/account.py').read()); import time\n"
    code += "if os.fork() == 0:\n  while time.process_time() < 1: pass\n  os._exit(0)\n"
    code += "seconds, last = account(), -1.0\n"
    code += "while seconds is not _own and seconds() > last + 0.05:\n"
    code += "  last = seconds(); time.sleep(0.5)\n"
    code += "print(seconds(), seconds is _own, flush=True); time.sleep(600)"
    with at_work(client, spec("python", "-c", code, mounts=[kit])) as running:
        wait_until(lambda: running.stream.size > 0, seconds=PLENTY_SECONDS)
        running.look()  # now: the last look by itself may be old on a busy machine
        result = running.finish(Deadline.after(0), NEVER)
    said, is_own = result.stdout.decode().split()
    if runtime == "runsc":  # gVisor shows no control groups
        assert is_own == "True"
        return
    assert float(said) == pytest.approx(result.usage.cpu_seconds, abs=0.3)
    assert float(said) > 1, "of a child that nobody waited for, too"


def test_a_daemon_ends_with_the_process_that_left_it(run):
    begun = time.monotonic()
    result = run("import os, signal, time\n" + DAEMON, seconds=20)
    assert result.ended is Ended.EXITED
    assert time.monotonic() - begun < 10


def test_the_person_s_wish_to_stop_ends_a_container_at_once(client, spec):
    wish = threading.Event()
    threading.Timer(0.5, wish.set).start()
    with (
        pytest.raises(StoppedError),
        started(
            client, spec("python", "-c", ENDLESS["closes its output"]), seconds=PLENTY_SECONDS
        ) as running,
    ):
        running.finish(Deadline.after(PLENTY_SECONDS), wish)


# -- caps -------------------------------------------------------------------------------------


def ended_at_the_limit_of_processes(result, runtime) -> bool:
    """Say so; runsc itself dies of the limit, sooner than the host can look."""
    if runtime == "runsc" and result.ended is Ended.EXITED:
        return result.exit_code != 0
    return result.ended is Ended.PROCESSES and result.usage.most_processes >= RESOURCES.pids


@pytest.mark.parametrize("first", ["import os", "import os; os.close(1); os.close(2)"])
def test_a_fork_bomb_ends_at_the_limit_of_processes(run, runtime, first):
    bomb = f"{first}\nwhile True:\n  try: os.fork()\n  except OSError: pass"
    assert ended_at_the_limit_of_processes(run(bomb, seconds=20), runtime)


def test_a_memory_hog_is_said_to_be_one(run):
    result = run("b = []\nwhile True: b.append(b'x' * (8 << 20))", seconds=20)
    assert (result.ended, result.oom_killed) == (Ended.EXITED, True)


@pytest.mark.parametrize("place", ["/tmp", "/cache", "/dev/shm"])
def test_memory_that_is_written_to_a_file_counts_or_is_bounded(run, place):
    result = run(f"f = open('{place}/x', 'wb')\nwhile True: f.write(b'x' * (1 << 20))", seconds=20)
    assert result.ended is Ended.EXITED
    assert result.oom_killed or result.exit_code in (1, 153)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_output_flood_ends_at_the_cap_and_no_more_is_kept(run, stream):
    flood = f"import sys\nwhile True: sys.{stream}.write('x' * 65536)"
    result = run(flood, seconds=20)
    assert result.ended is Ended.OUTPUT
    assert len(result.output) == RESOURCES.output_log_bytes


def test_a_flood_does_not_make_the_supervisor_grow(run):
    """What comes after the cap is read, so that the engine can kill, and dropped."""
    result = run("import os\nwhile True: os.write(1, b'x' * (1 << 20))", seconds=20)
    assert len(result.stdout) <= RESOURCES.output_log_bytes


@contextmanager
def volume(client: Docker, labels: dict[str, str], megabytes: int) -> Iterator[str]:
    name = f"runner-test-{uuid.uuid4().hex[:12]}"
    memory = megabytes * MIB
    client.create_volume(Volume(name=name, labels=labels, memory_bytes=memory, uid=10001))
    try:
        yield name
    finally:
        client.remove_volume(name)


FULL = {
    "bytes": "f = open('/artifacts/x', 'wb', 0)\nfor _ in range(3): f.write(b'x' * (1 << 20))",
    "files": "for n in range(20_000): open(f'/artifacts/{n}', 'w').close()",
    "folders": "import os\nfor n in range(20_000): os.mkdir(f'/artifacts/{n}')",
}


@pytest.mark.parametrize("code", FULL.values(), ids=FULL)
def test_a_volume_s_quota_holds_for_bytes_and_for_names(client, run, labels, code):
    with volume(client, labels, 2) as name:
        mounts = [Mount(source=name, target="/artifacts", writable=True, volume=True)]
        result = run(code, mounts=mounts)
    assert result.exit_code == 1
    assert b"[Errno 28]" in result.output


def test_a_file_mounted_from_the_host_cannot_be_blown_up(run, tmp_path):
    path = tmp_path / "train.py"
    path.write_bytes(b"")
    path.chmod(0o666)
    blow = "f = open('/train.py', 'wb', 0)\nfor _ in range(9): f.write(b'x' * (1 << 20))"
    mounts = [Mount(source=str(path), target="/train.py", writable=True)]
    result = run(blow, mounts=mounts)
    assert result.exit_code != 0
    assert path.stat().st_size <= max(RESOURCES.artifacts_bytes, RESOURCES.outputs_bytes)


# -- walls ------------------------------------------------------------------------------------


def test_there_is_no_network(run):
    code = (
        "import os, socket\n"
        "print(*os.listdir('/sys/class/net'))\n"
        "for place in (('1.1.1.1', 53), ('172.17.0.1', 2375)):\n"
        "    try: socket.create_connection(place, 2); print('connected')\n"
        "    except OSError as error: print(error.strerror)"
    )
    interfaces, *refused = lines(run(code))
    assert interfaces == "lo"
    assert len(refused) == 2
    assert set(refused) <= {"Network is unreachable", "No route to host"}


@pytest.mark.parametrize("user", [AGENT_USER, SCORER_USER])
def test_the_process_has_no_privilege_and_can_gain_none(run, user, runtime):
    code = "print(open('/proc/self/status').read())"
    status = dict(line.split(":\t", 1) for line in lines(run(code, user=user)) if ":\t" in line)
    uid, gid = user.split(":")
    assert status["Uid"].split() == [uid] * 4
    assert status["Gid"].split() == [gid] * 4
    assert status["Groups"].split() in ([], [gid])
    capabilities = {name: value for name, value in status.items() if name.startswith("Cap")}
    assert len(capabilities) >= 4
    assert {int(value, 16) for value in capabilities.values()} == {0}
    if runtime is None:  # the calls of runsc end in runsc, and its /proc does not tell these
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_the_environment_holds_what_was_set_and_nothing_else(run, spec, monkeypatch):
    monkeypatch.setenv("SECRET_API_KEY", "s3cret")
    code = "import os; print(*(f'{k}={v}' for k, v in os.environ.items()), sep='\\n')"
    inside = {line for line in lines(run(code)) if not line.startswith("HOSTNAME=")}
    assert inside - {"LC_CTYPE=C.UTF-8"} == set(container_config(spec())["Env"])


def test_only_scratch_is_writable(run):
    code = (
        "import os\n"
        "for top, folders, files in os.walk('/'):\n"
        "    folders[:] = [f for f in folders if top != '/' or f not in ('proc', 'sys', 'dev')]\n"
        "    if os.access(top, os.W_OK): print(top); folders[:] = []"
    )
    assert sorted(lines(run(code))) == ["/cache", "/tmp"]


def test_the_mounts_are_those_that_were_asked_for(run, tmp_path, client, labels, runtime):
    tree = staging.write_tree(tmp_path / "tree", {})
    with volume(client, labels, 2) as name:
        mounts = [
            Mount(source=str(tree), target="/workspace"),
            Mount(source=name, target="/artifacts", volume=True),
        ]
        found = lines(run("print(open('/proc/self/mounts').read())", mounts=mounts))
    flags = {line.split()[1]: set(line.split()[3].split(",")) for line in found if line}
    ours = {path for path in flags if not path.startswith(("/proc", "/sys", "/dev"))}
    engine_s = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
    engine_s |= {path for path in ours if path.endswith("/docker-init")}
    assert ours - engine_s == {"/", "/tmp", "/cache", "/workspace", "/artifacts"}
    assert {path for path in ours if "rw" in flags[path]} - engine_s == {"/tmp", "/cache"}
    assert "noexec" not in flags["/cache"]
    if runtime is None:  # runsc's /proc tells no more than who may write
        assert "noexec" in flags["/tmp"]
        assert {"nosuid", "nodev"} <= flags["/tmp"] & flags["/cache"]


def test_no_program_runs_from_tmp_and_compilers_may_use_the_cache(run):
    code = (
        "import os, pathlib, subprocess\n"
        "for place in ('/tmp', '/cache'):\n"
        "    path = pathlib.Path(place, 'program')\n"
        "    path.write_text('#!/bin/sh\\necho ran\\n'); path.chmod(0o755)\n"
        "    try: print(subprocess.check_output([path], text=True).strip())\n"
        "    except PermissionError: print('refused')"
    )
    assert lines(run(code)) == ["refused", "ran"]


def test_what_the_engine_puts_into_etc_cannot_be_written(run):
    code = (
        "import os\n"
        "for path in ('/etc/hosts', '/etc/hostname', '/etc/resolv.conf', '/etc/passwd'):\n"
        "    print(os.access(path, os.W_OK))"
    )
    assert set(lines(run(code))) == {"False"}


def test_other_processes_of_the_machine_are_not_seen(run):
    code = "import os; print(*sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))"
    [pids] = lines(run(code))
    assert len(pids.split()) <= 2


# -- the way in, and our own end --------------------------------------------------------------


def test_a_waiting_container_goes_on_at_our_word(client, spec):
    code = "import sys; print('ready', file=sys.stderr, flush=True); print(sys.stdin.readline())"
    with started(
        client, spec("python", "-c", code, takes_input=True), seconds=PLENTY_SECONDS
    ) as running:
        wait_until(lambda: running.said(b"ready\n"))
        running.send(b"go\n")
        assert lines(running.finish(Deadline.after(20), NEVER)) == ["go", ""]


def test_only_a_whole_line_on_standard_error_counts_as_said(client, spec):
    code = "import sys; print('ready'); print('not ready', file=sys.stderr)"
    with at_work(client, spec("python", "-c", code)) as running:
        running.finish(Deadline.after(20), NEVER)
        assert not running.said(b"ready\n")
        assert running.said(b"not ready\n")


WAITING = """
import sys, time
from runner import engines
from runner.engines.container import started
from runner.engines.protocol import ContainerSpec
from runner.records import Resources
resources = Resources(cpus=1, memory_bytes=2**27, pids=64, shm_bytes=2**24, artifacts_bytes=2**22,
                      outputs_bytes=2**22, output_log_bytes=2**18, gpus=0)
name, image, home = sys.argv[1:]
spec = ContainerSpec(name=name, image_id=image, user="10002:10002", mounts=[], takes_input=True,
                     command=["python", "-c", "import sys; sys.stdin.readline()"],
                     resources=resources, labels={engines.HOME_LABEL: home})
with started(engines.connect(), spec, seconds=600) as running:
    print("started", flush=True)
    time.sleep(600)
"""


def test_a_waiting_container_ends_when_its_supervisor_is_killed(client, image, labels):
    name = f"runner-test-{uuid.uuid4().hex[:12]}"
    command = [sys.executable, "-c", WAITING, name, image, labels[engines.HOME_LABEL]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "started\n"
        os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not client.api.inspect_container(name)["State"]["Running"])
    assert client.leftovers(labels) == [f"container {name}"]
    client.sweep(labels)


# -- our failures -----------------------------------------------------------------------------


def test_an_image_that_is_not_there_is_our_failure_with_a_hint(client, spec):
    missing = spec("true", image_id=f"sha256:{'0' * 64}")
    with pytest.raises(SandboxError) as failed, at_work(client, missing):
        pass
    assert failed.value.hint


def test_a_command_that_is_not_there_is_a_crash_like_any_other(client, spec):
    with at_work(client, spec("/no/such/program")) as running:
        result = running.finish(Deadline.after(20), NEVER)
    assert (result.ended, result.exit_code) == (Ended.EXITED, 127)


def test_a_name_that_is_taken_is_our_failure_and_the_other_stays(client, spec):
    with at_work(client, spec("sleep", "60")) as running:
        with (
            pytest.raises(SandboxError),
            at_work(client, spec("true", name=running.name), seconds=PLENTY_SECONDS),
        ):
            pass
        assert client.api.inspect_container(running.identity)["State"]["Running"]


def test_a_container_that_is_not_what_was_asked_for_is_never_at_work(client, spec, monkeypatch):
    create = type(client.api).create_container_from_config

    def generous(self, config, name=None):
        config = {**config, "HostConfig": {**config["HostConfig"], "ReadonlyRootfs": False}}
        return create(self, config, name)

    monkeypatch.setattr(type(client.api), "create_container_from_config", generous)
    monkeypatch.setattr(type(client.api), "start", lambda *_: pytest.fail("started"))
    with (
        pytest.raises(SandboxError, match="ReadonlyRootfs"),
        at_work(client, spec("true"), seconds=PLENTY_SECONDS),
    ):
        pass


def test_a_sweep_takes_what_carries_its_labels_and_nothing_else(client, spec, labels):
    other = {engines.HOME_LABEL: f"{labels[engines.HOME_LABEL]}-other"}
    with (
        at_work(client, spec("sleep", "60")) as running,
        volume(client, labels, 2) as name,
    ):
        client.sweep(other)
        both = [f"container {running.name}", f"volume {name}"]
        assert client.leftovers(labels) == both
        client.sweep(labels)
        assert client.leftovers(labels) == []
