"""A skeleton that runs as it is: two declared arrays of noise; `TODO` marks what is to be done."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from runner.declared import DECLARATION
from runner.new_task.layout import (
    NOTES,
    NewTask,
    executable,
    filled,
    notes,
    raw_yaml,
    script_file,
)

ROWS, WIDTH = 300, 3


def blank(name: str) -> NewTask:
    """Return the skeleton of a declared task."""
    policy = filled(
        "policy.yaml",
        task=name,
        leak="# TODO: say where one split's training targets are another's evaluation targets, if "
        "they are.",
        metric="rmse",
        direction="minimize",
        round_to="0.001",
        min_gain="0.003",
        mutable="train.py, predict.py",
        max_files="2",
        notes=", ".join(NOTES),
        imports="__future__, dataclasses, functools, itertools, kit, math, numpy, sys, typing",
        image="tabular",
        splits="train",
        audit="train",
        shared="false",
        train="60s",
    )
    program = filled(
        "program.md",
        task=name,
        about="TODO: what is optimised, on which data.",
        goal="TODO: which number, which way is better, and what the template has.",
        mutable="`train.py` and `predict.py`",
        min_gain="0.003",
        more="",
    )
    arrays = _arrays()
    return NewTask(
        name=name,
        policy=policy,
        harness={DECLARATION: filled("blank_task.yaml"), "raw.yaml": raw_yaml(arrays)},
        template={
            "program.md": script_file(program),
            "run.sh": executable(filled("blank_run.sh")),
            "train.py": script_file(filled("blank_train.py")),
            "predict.py": script_file(filled("blank_predict.py")),
            **notes(),
        },
        raw=arrays,
    )


def _arrays() -> dict[str, bytes]:
    draw = np.random.default_rng(1)
    inputs = draw.normal(size=(ROWS, WIDTH))
    targets = inputs.sum(axis=1) + draw.normal(size=ROWS)
    return {"inputs.npy": _npy(inputs), "targets.npy": _npy(targets)}


def _npy(array: NDArray[np.float64]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
