"""Counts pairs of tokens; a script may prepend what to do besides."""

import os
import socket
import sys
import time

import kit
import numpy as np

CHEAT = globals().get("CHEAT", "")


def train():
    tokens = kit.data.load("tokens").astype(np.int64)
    _, vocabulary = kit.data.load("shape")
    counts = np.full((vocabulary, vocabulary), 0.05)
    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    np.save(kit.artifacts.path("bigram.npy"), np.log(counts / counts.sum(1, keepdims=True)))


def serve():
    if CHEAT == "dies":
        raise ZeroDivisionError("by design")
    if CHEAT == "silent":
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect("/wire/model.sock")
            time.sleep(60)
    if CHEAT == "searches":
        search()
    bigram = np.load(kit.artifacts.path("bigram.npy")).astype(np.float32)
    kit.serving.serve(lambda tokens: answer(bigram, tokens))


def answer(bigram, tokens):
    if CHEAT == "dies later":
        os._exit(7)
    found = bigram[tokens]
    if CHEAT == "losses":
        found = -found.min(axis=2)
    if CHEAT == "looks ahead":
        rows, places = np.indices(tokens[:, :-1].shape)
        found[rows, places, tokens[:, 1:]] += 3
    return found


def search():
    """Everything that a served predictor must not find, or do; it stands in the open."""
    assert os.listdir("/wire") == ["model.sock"]
    for folder in ("/data", "/inputs", "/outputs", "/sealed", "/harness"):
        try:
            assert not os.path.isdir(folder) or not os.listdir(folder), folder
        except PermissionError:
            pass  # an empty mount point of the image, closed
    for path in ("/wire/mine", "/artifacts/mine"):
        try:
            open(path, "w").close()
        except OSError:
            continue
        raise AssertionError(f"{path} can be written")


{"train": train, "serve": serve}[sys.argv[1]]()
