"""Facts of one Python source: read from standard input, written as JSON to standard output.

Run as a folder (`python -I -S parser`), it imports nothing of ours but the file beside it.
A source that harms a parser therefore harms only this process, which limits itself first.
"""

from __future__ import annotations

import json
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


if __name__ == "__main__":
    main()
