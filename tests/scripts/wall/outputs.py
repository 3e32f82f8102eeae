"""Puts something else in place of one output: `BAD` and `WHERE` are set by the line before."""

import os
import sys

import numpy as np

NAME = "/outputs/embeddings.npy"


def honest():
    """Embeddings that are valid and worth nothing."""
    inputs = np.load(f"/inputs/{sys.argv[2]}.npy", mmap_mode="r")
    return np.random.default_rng(0).normal(size=(len(inputs), 8)).astype(np.float32)


def symlink():
    os.symlink("/proc/self/environ", NAME)


def fifo():
    os.mkfifo(NAME)


def pickle():
    np.save(NAME, np.array([{"a": 1}] * 4, dtype=object), allow_pickle=True)


def header_bomb():
    text = ("(" * 60_000 + ")" * 60_000).encode()
    with open(NAME, "wb") as file:
        file.write(b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text)


def sparse_giant():
    array = honest()
    np.save(NAME, array)
    os.truncate(NAME, 60 * 1024**2)


def ten_gigabytes():
    with open(NAME, "wb") as file:
        file.truncate(10 * 1024**3)


def not_a_number():
    array = honest()
    array[3, 3] = np.nan
    np.save(NAME, array)


def fewer_rows():
    np.save(NAME, honest()[:-1])


def doubles():
    np.save(NAME, honest().astype(np.float64))


def a_folder():
    os.mkdir(NAME)


if sys.argv[1] == "predict":
    if sys.argv[2] == WHERE:  # noqa: F821
        globals()[BAD]()  # noqa: F821
    else:
        np.save(NAME, honest())
