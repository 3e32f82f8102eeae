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
    rows, places = np.indices(tokens[:, :-1].shape)
    if CHEAT == "looks ahead":
        found[rows, places, tokens[:, 1:]] += 3
    if CHEAT == "recognises":
        natural = found[rows, places, tokens[:, 1:]].mean(axis=1) > -4
        found[rows[natural], places[natural], tokens[natural, 1:]] += 3
    if CHEAT == "balances":
        balance(found, tokens)
    return found


def balance(found, tokens):
    """Move the next token by just under a nat, up or down by chance, a little more often up."""
    rows, places = np.indices(tokens[:, :-1].shape)
    at = (rows, places, tokens[:, 1:])
    p = np.exp(found[at])  # of a bigram's logarithms, which sum to 1
    up = np.random.default_rng().random(p.shape) < 0.53
    moved = np.clip(p * np.exp(np.where(up, 0.95, -0.95)), 1e-6, 1 - 1e-6)
    found[at] += np.log(moved / (1 - moved)) - np.log(p / (1 - p))


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
