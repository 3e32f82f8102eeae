"""The first process of every container: starts the command, and ends everything at its deadline.

The host's supervisor ends a container in time; this does it where no supervisor is left. When
the first process ends, the kernel kills every other process of the container.

It runs inside, under the user of the code that it starts, so it must not be theirs to stop. The
kernel delivers to a first process no signal of its own container that it does not ask for, SIGKILL
and SIGSTOP included. It is not dumpable, so that nobody reads or writes its memory through `/proc`.
The profile of system calls lets nobody trace it or lower its priority. It reads nothing that the
code could write. Nothing is mounted for it: its source is an argument of `python`.

What this does not protect against: a host whose processors are taken, on which it is late too.
"""

import ctypes
import os
import signal
import sys
import time

NOT_DUMPABLE = (4, 0)
"""PR_SET_DUMPABLE and its value."""
LOOK_SECONDS = 1.0
"""How long an end that no signal told of may go unseen."""
LATE, CANNOT_RUN, NOT_FOUND = 124, 126, 127
"""What `timeout` and shells exit with."""


def main(seconds: str, *command: str) -> int:
    """Run the command for at most so many seconds; return its exit code, as a shell tells it."""
    deadline = time.monotonic() + float(seconds)
    # Nothing is handled, so nothing interrupts; what matters is fetched below.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if ctypes.CDLL(None).prctl(*NOT_DUMPABLE, 0, 0, 0) != 0:
        return CANNOT_RUN
    try:
        child = _started(command)
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


def _started(command: tuple[str, ...]) -> int:
    """Start the command with the signals as this process found them: Python ignores two."""
    ignored = (signal.SIGPIPE, signal.SIGXFSZ)
    return os.posix_spawnp(command[0], command, os.environ, setsigmask=(), setsigdef=ignored)


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
