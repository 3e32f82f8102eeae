"""Both channels through the kernel's caches, played inside by code without any right.

    python cache_channel.py send names|pages BITS
    python cache_channel.py read names|pages COUNT     (in a later container)

It prints its seconds and, as the reader, what it read. Names that are not there are remembered by
the image's layers, pages by its files; what is remembered is answered faster.
"""

import os
import sys
import time
from pathlib import Path

KNOWN = 256
"""Bits before the others that alternate, as both know; the reader finds its threshold by them."""
TRIES = 4
"""Names for a bit: asking for one leaves it in the cache, so each can be asked for only once."""
FOLDER = "/usr/lib"
PAGE = os.sysconf("SC_PAGE_SIZE")


class Names:
    """A bit is whether somebody asked for some names that nothing has."""

    def __init__(self, count):
        self.names = [
            [f"{FOLDER}/no-{bit}-{number}" for number in range(TRIES)] for bit in range(count)
        ]

    def clear(self):
        """Every name is new."""

    def set(self, bit):
        for name in self.names[bit]:
            os.access(name, os.F_OK)

    def nanoseconds(self, bit):
        return sorted(timed(os.access, name, os.F_OK) for name in self.names[bit])[TRIES // 2]


class Pages:
    """A bit is whether a page of the image's largest file is in memory."""

    def __init__(self, count):
        self.file = os.open(largest_file("/opt/venv"), os.O_RDONLY)
        # As far from each other as there is room, and none brought along by its neighbour.
        self.stride = os.fstat(self.file).st_size // count // PAGE * PAGE
        os.posix_fadvise(self.file, 0, 0, os.POSIX_FADV_RANDOM)

    def clear(self):
        os.posix_fadvise(self.file, 0, 0, os.POSIX_FADV_DONTNEED)

    def set(self, bit):
        os.pread(self.file, 1, bit * self.stride)

    def nanoseconds(self, bit):
        return timed(os.pread, self.file, 1, bit * self.stride)


def largest_file(top):
    found = (path for path in Path(top).rglob("*.so*") if not path.is_symlink())
    return max(found, key=lambda path: path.stat().st_size)


def timed(ask, *arguments):
    begun = time.perf_counter_ns()
    ask(*arguments)
    return time.perf_counter_ns() - begun


def known(bit):
    return bit % 2 == 1


def threshold(times):
    """Return what tells the known bits apart best."""
    wrong = {
        limit: sum((seen <= limit) != known(bit) for bit, seen in enumerate(times))
        for limit in times
    }
    return min(wrong, key=wrong.get)


def send(channel, bits):
    channel.clear()
    for bit in (bit for bit, is_set in enumerate(bits) if is_set):
        channel.set(bit)


def read(channel, count):
    times = [channel.nanoseconds(bit) for bit in range(count)]
    limit = threshold(times[:KNOWN])
    return "".join("01"[seen <= limit] for seen in times[KNOWN:])


def main(verb, way, rest):
    if verb == "send":
        bits = [*map(known, range(KNOWN)), *(bit == "1" for bit in rest)]
        count = len(bits)
    else:
        count = KNOWN + int(rest)
    channel = {"names": Names, "pages": Pages}[way](count)
    begun = time.perf_counter()
    said = send(channel, bits) if verb == "send" else read(channel, count)
    print(f"{time.perf_counter() - begun:.4f}", said or "")


if __name__ == "__main__":
    main(*sys.argv[1:])
