"""A policy and a workspace that the tests of review change bit by bit."""

from __future__ import annotations

from runner.records import EXECUTABLE, REGULAR, Change, File, Files

POLICY = """\
task: prints
metric: {name: mean_rank, direction: minimize, round_to: 0.5}
files:
  mutable: [train.py, model.py, config.json]
  notes: [scratchpad.md]
edits:
  max_files: 2
  max_added_lines: 20
  max_file_bytes: 4_000
  max_line_bytes: 200
  max_new_information: 400
  max_information: 1_000
  imports: {allow: [math, torch, numpy, concurrent.futures, os, sys, time, argparse]}
  forbid: [dynamic-code, process, network, seed-only-change]
image: cpu
resources: {cpus: 2, memory: 1g, pids: 64, shm: 64m, artifacts: 64m, outputs: 8m, log: 1m, gpus: 0}
budget: {startup: 6s, train: 8s, predict: 10s, score: 2m}
evaluation: {shape: two-step, predict: [images, captions], splits: [train]}
decision: {rule: strict, most_trials: 2, min_gain: 0.5}
limits: {experiments: null, hours: 8, consecutive_failures: 10}
"""
TRAIN = b'''\
"""Train."""

import math
import torch

SEED = 1
SCALE = 2.0  # the clamp


def train(steps: int = 10) -> float:
    torch.manual_seed(SEED)
    return math.exp(SCALE) * steps
'''
WORKSPACE: Files = {
    "train.py": File(content=TRAIN),
    "model.py": File(content=b"WIDTH = 64\n"),
    "config.json": File(content=b"{}\n"),
    "run.sh": File(content=b"exec python train.py\n", mode=EXECUTABLE),
    "scratchpad.md": File(content=b"notes\n"),
}


def changed(path: str, content: bytes | None, mode: int = REGULAR) -> Change:
    return Change(path=path, content=content, mode=mode)


def nothing(_fingerprint: str) -> None:
    """Say that nothing was tried before."""
