"""Deadline error over 20 adversarial children: how long after the deadline they were gone.

python bench/deadline.py
"""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from runner import engines
from runner.data import RESOURCES
from runner.engines import images
from runner.engines.container import Deadline, started
from runner.engines.protocol import AGENT_USER, ContainerSpec

SECONDS = 2.0
IGNORE = """
import os, signal, sys, time, threading, multiprocessing
for number in range(1, signal.NSIG):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
"""
CHILDREN = {
    "sleeps": "time.sleep(600)",
    "spins": "while True: pass",
    "spins in threads": """
spin = lambda: [0 for _ in iter(int, 1)]
for _ in range(8): threading.Thread(target=spin).start()
""",
    "daemon in its own session": """
if os.fork() == 0:
    os.setsid(); os.fork()
time.sleep(600)
""",
    "closes its output": "os.close(1); os.close(2); time.sleep(600)",
    "parent waits for 100 children": """
for _ in range(100):
    if os.fork() == 0: time.sleep(600)
time.sleep(600)
""",
    "forks slowly for ever": """
while True:
    if os.fork() == 0: time.sleep(0.3); os._exit(0)
    time.sleep(0.02)
""",
    "writes without end to a full disk": """
while True:
    try: open("/cache/x", "ab").write(b"x" * 10**6)
    except OSError: pass
""",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP); time.sleep(600)",
    "prints slowly": "while True: print('x', flush=True); time.sleep(0.01)",
}
ROUNDS = 2


def late(client, image_id: str, code: str) -> float:
    """Return seconds from the deadline until the container was confirmed gone."""
    spec = ContainerSpec(
        name=f"runner-bench-deadline-{time.time_ns()}",
        image_id=image_id,
        user=AGENT_USER,
        command=["python", "-c", f"{IGNORE}\n{code}"],
        mounts=[],
        resources=replace(RESOURCES, pids=512),
        labels={"runner.bench": "deadline"},
    )
    deadline = Deadline.after(SECONDS)
    with started(client, spec, seconds=SECONDS) as running:
        running.finish(deadline, threading.Event())
    return time.monotonic() - deadline.monotonic


def main() -> None:
    client = engines.connect()
    image_id = images.require_image(client, "cpu")
    table = Table("child", *(f"run {number + 1}, s late" for number in range(ROUNDS)))
    everything = []
    for name, code in CHILDREN.items():
        found = [late(client, image_id, code) for _ in range(ROUNDS)]
        everything += found
        table.add_row(name, *(f"{value:.2f}" for value in found))
    table.add_section()
    table.add_row(
        "median, largest", f"{statistics.median(everything):.2f}", f"{max(everything):.2f}"
    )
    Console(width=120).print(table)
    Console().print(f"{len(everything)} children, deadline {SECONDS:g} s, target at most 1 s late")


if __name__ == "__main__":
    main()
