"""A program that proposes ends with the supervisor, even where that can end nothing any more."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from processes import ended

SUPERVISOR = """
import sys, threading
from pathlib import Path
from runner.agents import client

PROGRAM = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

def say(data):
    print(data.decode(), end="", flush=True)

program = client.Client(
    argv=[sys.executable, "-c", PROGRAM], folder=Path(sys.argv[1]),
    environment=client.environment(), stdin=b"", seconds=600, output_bytes=1000,
)
watch = {"hear": say, "end": lambda: None}
working = threading.Thread(target=client.run, args=(program,), kwargs=watch)
working.start()
working.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_a_program_ends_with_a_supervisor_that_is_killed(tmp_path):
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        program = int(supervisor.stdout.readline())
        supervisor.send_signal(signal.SIGKILL)
        assert ended(program)
