"""Facts of one Python source: read from standard input, written as JSON to standard output.

Run as a folder (`python -I -S parser`), it imports nothing of ours but the file beside it.
With `--serve` it stays, and forks for every source.
A source that harms a parser therefore harms only this process, which limits itself first.
"""

from __future__ import annotations

import json
import os
import resource
import sys

from facts import answer  # type: ignore[import-not-found] # no package, where this runs

MEMORY_BYTES = 768 << 20
CPU_SECONDS = 5


def limit_this_process() -> None:
    """Bound what follows before a single untrusted byte is read."""
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    sys.setrecursionlimit(5_000)


def main() -> None:
    limit_this_process()
    sys.stdout.write(json.dumps(answer(sys.stdin.buffer.read())))


def serve() -> None:
    """Parse each source of standard input in a child, forked here; end at the first that fails.

    A source comes as its length in a line of its own, and its bytes, which only the child reads.
    Out come its answer and its exit status, each as a line.
    """
    answer(b"warm = 1\n")  # what is compiled on first use is so in every child
    while size := header():
        child = os.fork()
        if child == 0:
            parse_and_leave(int(size))
        _, status = os.waitpid(child, 0)
        os.write(1, b"\n%d\n" % status)
        if status:
            return


def header() -> bytes:
    """Read a line and not a byte more."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line


def parse_and_leave(size: int) -> None:
    status = 1
    try:
        limit_this_process()
        content = b""
        while len(content) < size and (chunk := os.read(0, size - len(content))):
            content += chunk
        with open(1, "wb", closefd=False) as out:
            out.write(json.dumps(answer(content)).encode())
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve() if "--serve" in sys.argv else main()
