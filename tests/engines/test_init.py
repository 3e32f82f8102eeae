"""The first process of a container, here as an ordinary one: what it starts, tells and ends."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time

import pytest

from runner.engines import init
from runner.engines.container import GRACE_SECONDS, order
from runner.engines.options import INIT_SOURCE, first_process

SHOW_SIGNALS = "grep -E 'SigBlk|SigIgn' /proc/self/status"
THE_C_LIBRARY_S_OWN = 3 << 31
"""Two signals that its `posix_spawn` leaves ignored, and that its threads take back."""


def first(*command: str, takes_input: bool = True) -> list[str]:
    _, *arguments = first_process(takes_input=takes_input)
    return [sys.executable, *arguments, *command]


def ordered(seconds: float, **env: str) -> bytes:
    """Return an order whose deadline is this, the supervisor's grace included."""
    return order(seconds - GRACE_SECONDS, env)


def run(
    seconds: float, *command: str, takes_input: bool = True, then: bytes = b"", **env: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        first(*command, takes_input=takes_input),
        input=ordered(seconds, **env) + then,
        capture_output=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "exit 255"], 255),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill -25 $$"], 153),
        (["/no/such/program"], 127),
        (["/etc/passwd"], 126),
        (["/"], 126),
    ],
    ids=str,
)
def test_the_command_s_end_is_told_as_a_shell_tells_it(command, code):
    assert run(10, *command).returncode == code


def test_what_cannot_be_started_is_named():
    assert run(10, "/no/such/program").stderr == b"/no/such/program: No such file or directory\n"


def test_at_the_deadline_it_ends_itself():
    begun = time.monotonic()
    done = run(0.3, "sh", "-c", "exec >&- 2>&-; exec sleep 30")
    assert done.returncode == 124
    assert 0.3 <= time.monotonic() - begun < 15


def test_input_and_output_are_the_command_s():
    done = run(10, "sh", "-c", "cat; echo error >&2", then=b"one\ntwo\n")
    assert (done.stdout, done.stderr) == (b"one\ntwo\n", b"error\n")


def test_the_command_finds_its_signals_as_if_nothing_stood_before_it():
    _, blocked, _, ignored = run(10, "sh", "-c", SHOW_SIGNALS).stdout.split()
    assert (int(blocked, 16), int(ignored, 16) & ~THE_C_LIBRARY_S_OWN) == (0, 0)


def test_a_wish_to_end_reaches_the_command():
    script = "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.02; done"
    with subprocess.Popen(
        first("sh", "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(ordered(10))
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"asked\n"
    assert process.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM])
def test_other_signals_change_nothing(number):
    command = first("sh", "-c", "echo ready; read line; exit 5")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(ordered(10))
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        process.stdin.write(b"go on\n")
        process.stdin.close()
        assert process.wait() == 5


# -- the order ----------------------------------------------------------------------------------


def test_what_an_order_names_is_in_the_command_s_environment():
    done = run(10, "sh", "-c", 'echo "$SEED,$NOTHING,$TEXT"', SEED="7", TEXT="a=b c")
    assert done.stdout == b"7,,a=b c\n"


def test_without_an_order_nothing_is_started():
    done = subprocess.run(
        first("echo", "started"), input=b"60\0SEED=7", capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (126, b"")


def test_nothing_is_started_before_its_order():
    with subprocess.Popen(
        first("echo", "started"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 0.5)[0] == []
        process.stdin.write(ordered(10))
        process.stdin.flush()
        assert process.stdout.readline() == b"started\n"


def test_a_command_that_takes_no_input_finds_none():
    done = run(10, "sh", "-c", "cat; readlink /proc/self/fd/0", takes_input=False, then=b"more\n")
    assert done.stdout == b"/dev/null\n"


def test_an_order_is_one_line():
    with pytest.raises(ValueError, match="line breaks"):
        order(1, {"A": "b\nc"})


def test_it_needs_nothing_but_the_standard_library_and_no_file_of_its_own():
    source = INIT_SOURCE.read_text(encoding="utf-8")
    assert first_process(takes_input=True) == ["python", "-I", "-S", "-B", "-c", source, "input"]
    assert "runner" not in [line.split()[1] for line in source.splitlines() if "import" in line]


def test_ends_that_never_end_do_not_hold_it_beyond_its_deadline(monkeypatch):
    """Of processes that are made and die faster than they are taken there is always one more."""
    monkeypatch.setattr("os.waitpid", lambda *_: (2, 0))
    begun = time.monotonic()
    assert init._reaped(1, begun + 0.1) is None
    assert time.monotonic() - begun < 15
