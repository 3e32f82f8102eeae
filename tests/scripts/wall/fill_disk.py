"""Fills every place that can be written, with bytes and with files; each must refuse at a bound."""

import errno
import os

BOUNDS = {
    "/artifacts": 64 * 1024**2,
    "/tmp": 300 * 1024**2,
    "/dev/shm": 64 * 1024**2,
    "/cache": 1100 * 1024**2,
}
REFUSALS = (errno.ENOSPC, errno.EFBIG)
MOST_FILES = 100_000
CHUNK = b"x" * 1024**2


def fill_bytes(place, bound):
    """Write whole files until refused; one file alone may meet the file size limit first."""
    written, number, names = 0, 0, []
    while True:
        name = f"{place}/fill{number}"
        names.append(name)
        number += 1
        try:
            with open(name, "wb", buffering=0) as file:
                while file.tell() < 32 * 1024**2:
                    written += file.write(CHUNK)
                    if written > bound:
                        raise SystemExit(f"UNBOUNDED bytes in {place}")
        except OSError as error:
            assert error.errno in REFUSALS, error
            break
    for name in names:
        os.unlink(name)
    print(f"{place}: refused after {written} bytes")


def fill_inodes(place):
    names = []
    for number in range(MOST_FILES):
        try:
            os.close(os.open(f"{place}/i{number}", os.O_CREAT | os.O_WRONLY))
            names.append(f"{place}/i{number}")
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            break
    else:
        raise SystemExit(f"UNBOUNDED files in {place}")
    for name in names:
        os.unlink(name)
    print(f"{place}: refused after {len(names)} files")


def fill_own_file():
    """The one file that is mounted from the host's disk."""
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    written = 0
    try:
        with open("/workspace/train.py", "ab", buffering=0) as file:
            while True:
                written += file.write(CHUNK)
                if written > 128 * 1024**2:
                    raise SystemExit("UNBOUNDED own file")
    except OSError as error:
        assert error.errno == errno.EFBIG, error
    print(f"own file: refused after {written} bytes")
    take_blocks()


def take_blocks():
    """Blocks beyond the file's end, which no size limit of a file on a disk would count."""
    import ctypes

    libc, keep_size, step = ctypes.CDLL(None, use_errno=True), 1, 16 * 1024**2
    own = os.open("/workspace/train.py", os.O_RDWR)
    for number in range(1024**3 // step):
        place = ctypes.c_long(number * step)
        if libc.fallocate(own, keep_size, place, ctypes.c_long(step)):
            assert ctypes.get_errno() in REFUSALS, os.strerror(ctypes.get_errno())
            break
    else:
        raise SystemExit("UNBOUNDED blocks")
    print(f"own file: no more blocks after {number * step} bytes")


for place, bound in BOUNDS.items():
    fill_bytes(place, bound)
for place in ("/artifacts", "/tmp", "/cache"):
    fill_inodes(place)
fill_own_file()
for place in ("/workspace/new", "/kit/new", "/data/new", "/new", "/opt/venv/new", "/etc/new"):
    try:
        open(place, "w")
        raise SystemExit(f"WRITABLE {place}")
    except OSError as error:
        print(f"{place}: {error.strerror}")
raise OSError(errno.ENOSPC, "No space left on device, everywhere")
