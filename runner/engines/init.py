"""The first process of every container: starts the command, and ends everything at its deadline.

A container is made before it is anybody's. So this process waits for one line on its standard
input, which says for how long the command may run and what is added to its environment. Without
it, as when the supervisor is gone, nothing is started.

The host's supervisor ends a container in time; this does it where no supervisor is left. When
the first process ends, the kernel kills every other process of the container.

It runs inside, under the user of the code that it starts, so it must not be theirs to stop. The
kernel delivers to a first process no signal of its own container that it does not ask for, SIGKILL
and SIGSTOP included. It is not dumpable, so that nobody reads or writes its memory through `/proc`.
The profile of system calls lets nobody trace it or lower its priority. It reads nothing that the
code could write: the line comes before the code does. Nothing is mounted for it: its source is an
argument of `python`.

What this does not protect against: a host whose processors are taken, on which it is late too.
"""

import ctypes
import os
import signal
import sys
import time

NOT_DUMPABLE = (4, 0)
"""PR_SET_DUMPABLE and its value."""
TAKES_INPUT = "input"
"""What the first argument is where the command gets what is sent after the order."""
LOOK_SECONDS = 1.0
"""How long an end that no signal told of may go unseen."""
LATE, CANNOT_RUN, NOT_FOUND = 124, 126, 127
"""What `timeout` and shells exit with."""


def main(takes_input: str, *command: str) -> int:
    """Wait for the order, run the command, and return its exit code as a shell tells it."""
    # Nothing is handled, so nothing interrupts; what matters is fetched below.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if ctypes.CDLL(None).prctl(*NOT_DUMPABLE, 0, 0, 0) != 0:
        return CANNOT_RUN
    if (order := _order()) is None:
        return CANNOT_RUN
    seconds, *variables = order.split("\0")
    deadline = time.monotonic() + float(seconds)
    if takes_input != TAKES_INPUT:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        child = _started(command, dict(each.split("=", 1) for each in variables))
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        return NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN
    while (left := deadline - time.monotonic()) > 0:
        told = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM}, min(left, LOOK_SECONDS))
        if told is not None and told.si_signo == signal.SIGTERM:
            os.kill(child, signal.SIGTERM)
        if (code := _reaped(child, deadline)) is not None:
            return code
    return LATE


def _order() -> str | None:
    """Read one line and not a byte more: what follows is the command's."""
    line = b""
    while byte := os.read(0, 1):
        if byte == b"\n":
            return line.decode()
        line += byte
    return None


def _started(command: tuple[str, ...], more: dict[str, str]) -> int:
    """Start the command with the signals as this process found them: Python ignores two."""
    ignored = (signal.SIGPIPE, signal.SIGXFSZ)
    environment = {**os.environ, **more}
    return os.posix_spawnp(command[0], command, environment, setsigmask=(), setsigdef=ignored)


def _reaped(child: int, deadline: float) -> int | None:
    """Take every process that has ended; return the exit code once the command is among them.

    Not beyond the deadline: there may be processes that come and end faster than they are taken.
    """
    while time.monotonic() < deadline:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if process == 0:
            return None
    return None


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))
