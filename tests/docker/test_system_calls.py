"""The profile of system calls in real containers: what it refuses, and what training needs."""

from __future__ import annotations

import platform
from dataclasses import replace

import pytest
from single import NEVER, RESOURCES, lines

from runner.engines import images
from runner.engines.container import Deadline, started
from runner.engines.protocol import MIB, SCORER_USER, Mount
from runner.records import File
from runner.sandbox import staging

pytestmark = pytest.mark.docker

NUMBERS: dict[str, tuple[int, int]] = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "seccomp": (317, 277),
    "landlock_create_ruleset": (444, 444),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "unshare": (272, 97),
    "setns": (308, 268),
    "kexec_load": (246, 104),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "vmsplice": (278, 75),
    "splice": (275, 76),
    "tee": (276, 77),
    "remap_file_pages": (216, 234),
    "memfd_secret": (447, 447),
    "mincore": (27, 232),
    "msgget": (68, 186),
    "semget": (64, 190),
    "shmget": (29, 194),
    "mq_open": (240, 180),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "syncfs": (306, 267),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "get_mempolicy": (239, 236),
}
"""Numbers on x86-64 and on arm64."""
EPERM, ENOSYS = 1, 38
CALLS = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
for number in {numbers}:
    done = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    print(ctypes.get_errno() if done == -1 else 0)
"""


@pytest.mark.parametrize("more", [{}, {"user": SCORER_USER}], ids=["agent", "scorer"])
def test_what_training_never_needs_is_refused(run, more):
    machine = 1 if platform.machine() in ("aarch64", "arm64") else 0
    numbers = [both[machine] for both in NUMBERS.values()]
    found = lines(run(CALLS.format(numbers=numbers), **more))
    assert dict(zip(NUMBERS, map(int, found), strict=True)) == dict.fromkeys(NUMBERS, EPERM)


def test_a_process_is_made_without_namespaces_or_not_at_all(run):
    code = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
CLONE = 56 if os.uname().machine == "x86_64" else 220
print(libc.syscall(435, 0, 0), ctypes.get_errno())
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    print(libc.syscall(CLONE, flag | signal.SIGCHLD, 0, 0, 0, 0), ctypes.get_errno())
child = libc.syscall(CLONE, signal.SIGCHLD, 0, 0, 0, 0)
if child == 0: os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert lines(run(code)) == [f"-1 {ENOSYS}", *[f"-1 {EPERM}"] * 7, "0"]


def test_sockets_are_those_of_this_machine_and_of_plain_addresses(run):
    code = """
import socket
def tried(*what):
    try: socket.socket(*what).close()
    except OSError as error: return error.errno
    return 0
print(*(tried(family) for family in range(46) if tried(family) != 1))
print(*(family for family in range(46) if tried(family) == 0))
S, D, X, R = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW
for family in (socket.AF_INET, socket.AF_INET6):
    print(*(tried(family, kind, protocol) for kind, protocol in (
        (S, 0), (S, 6), (D, 0), (D, 17), (S | 0o2000000, 0), (S | 0o4000, 6),
        (X, 0), (R, 0), (R, 1), (S, 132), (S, 262), (D, 1), (D, 136), (6, 33))))
print(*(tried(socket.AF_NETLINK, R, protocol) for protocol in (0, 4, 12, 15, 16)))
"""
    names = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
    *_, families, inet, inet6, netlink = lines(run(code))
    assert families.split() == [str(number) for number in names.values()]
    assert inet.split() == inet6.split() == ["0"] * 6 + [str(EPERM)] * 8
    assert netlink.split() == ["0"] + [str(EPERM)] * 4


def test_a_personality_may_be_asked_for_and_not_changed(run):
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.personality(ctypes.c_ulong(0xffffffff)))
for value in (0x40000, 0x400000, 8, 0x20000):
    print(libc.personality(value), ctypes.get_errno())
"""
    assert lines(run(code)) == ["0", *[f"-1 {EPERM}"] * 4]


TORCH = """
import asyncio, os, subprocess, sys, tempfile, threading
import numpy, torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.utils.data import DataLoader, TensorDataset

def summed(rank, shared, queue):
    shared += rank + 1
    queue.put(shared.sum().item())

def reduced(rank, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    value = torch.ones(4) * (rank + 1)
    dist.all_reduce(value)
    assert value.tolist() == [3.0] * 4
    dist.destroy_process_group()

def trained(context):
    rows = TensorDataset(torch.randn(256, 8), torch.randint(0, 2, (256,)))
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    for x, y in DataLoader(rows, 32, num_workers=2, multiprocessing_context=context):
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model

async def asked():
    process = await asyncio.create_subprocess_exec("echo", "asked", stdout=subprocess.PIPE)
    return (await process.communicate())[0]

if __name__ == "__main__":
    for method in ("fork", "spawn"):
        model = trained(method)
        context = mp.get_context(method)
        shared, queue = torch.zeros(4).share_memory_(), context.SimpleQueue()
        child = context.Process(target=summed, args=(1, shared, queue))
        child.start(); child.join()
        assert child.exitcode == 0 and queue.get() == 8.0 and shared.sum() == 8.0, method
    mp.set_sharing_strategy("file_system")
    trained("fork")
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(reduced, args=(folder + "/store",), nprocs=2)
    torch.save(model.state_dict(), "/tmp/model.pt")
    model.load_state_dict(torch.load("/tmp/model.pt", mmap=True))
    compiled = torch.compile(model)
    assert torch.allclose(compiled(torch.ones(4, 8)), model(torch.ones(4, 8)), atol=1e-5)
    threads = [threading.Thread(target=lambda: numpy.ones((300, 300)) @ numpy.ones((300, 300)))
               for _ in range(4)]
    [each.start() for each in threads]; [each.join() for each in threads]
    assert asyncio.run(asked()) == b"asked\\n"
    assert os.nice(1) == 1
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    print("all of it")
"""
TABULAR = """
import lightgbm, numpy, pandas, xgboost
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import cross_val_score

if __name__ == "__main__":
    rows = pandas.DataFrame(numpy.random.default_rng(1).normal(size=(400, 3)), columns=list("abc"))
    target = (rows["a"] > 0).to_numpy().astype(int)
    models = [
        lightgbm.LGBMClassifier(n_estimators=20, n_jobs=2, verbose=-1),
        xgboost.XGBClassifier(n_estimators=20, n_jobs=2),
        HistGradientBoostingClassifier(max_iter=20),
        RandomForestClassifier(20, n_jobs=2),
    ]
    for model in models:
        assert cross_val_score(model, rows, target, cv=3, n_jobs=2).mean() > 0.9, model
    for backend in ("loky", "multiprocessing", "threading"):
        assert Parallel(2, backend=backend)(delayed(abs)(-n) for n in range(4)) == [0, 1, 2, 3]
    print("all of it")
"""
PLENTY = replace(
    RESOURCES,
    cpus=2,
    memory_bytes=3072 * MIB,
    pids=512,
    shm_bytes=256 * MIB,
    artifacts_bytes=256 * MIB,
)


@pytest.mark.parametrize(("name", "script"), [("cpu", TORCH), ("tabular", TABULAR)])
def test_what_training_needs_is_there(client, spec, tmp_path, name, script):
    tree = staging.write_tree(tmp_path / "tree", {"work.py": File(content=script.encode())})
    wanted = spec(
        "python", "-u", "-W", "ignore", "/workspace/work.py",
        image_id=images.require_image(client, name), resources=PLENTY,
        mounts=[Mount(source=str(tree), target="/workspace")],
    )  # fmt: skip
    with started(client, wanted, seconds=240) as running:
        assert lines(running.finish(Deadline.after(240), NEVER))[-1] == "all of it"
