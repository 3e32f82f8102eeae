"""How long a function takes, by the scorer's clock; wrong answers have no time at all.

The function counts the pairs of a list that stand in the wrong order. The lists are drawn when a
trial begins, so nothing can be worked out before, and the scorer counts for itself.

The clock is this process's: it starts when the lists are dealt, and is read when the host says that
every agent container is gone. The agent can reach neither. It also holds the starts and ends of two
containers, about a second that no function can save, and whatever else the machine is doing.

What this does not protect against: a busy machine. Give the function seconds of work, and set
`min_gain` above what the same function scores twice.
"""

import io
import secrets
import time
from functools import partial
from pathlib import Path

import numpy as np

from harness.scoring.outputs import Code, InvalidOutputsError, Layout, read_array
from harness.scoring.protocol import Dealt
from harness.sealing import Built
from harness.tasks import Task

SPLIT, OUTPUT = "work", "lists/counts.npy"
LISTS, LENGTH = 16, 3000


def build(_seed: int, _raw: Path | None) -> Built:
    """Return the size of a trial's work, for who wants to know it; nothing is sealed."""
    stream = io.BytesIO()
    np.save(stream, np.array([LISTS, LENGTH]), allow_pickle=False)
    return Built(public={f"{SPLIT}/shape.npy": stream.getvalue()}, sealed={})


def deal(_sealed: Path, _part: str, _split: str) -> Dealt:
    draw = np.random.Generator(np.random.PCG64(secrets.randbits(128)))
    lists = draw.integers(0, 2**31, size=(LISTS, LENGTH))
    measured = partial(measure, lists=lists, started=time.monotonic())
    return Dealt(inputs={"lists/lists.npy": lists}, measure=measured)


def measure(outputs: Path, *, lists: np.ndarray, started: float) -> dict[str, float]:
    """Return the seconds until go, if every count is right."""
    seconds = time.monotonic() - started
    said = read_array(outputs, OUTPUT, Layout(dtype="<i8", shape=(len(lists),)))
    if said.tolist() != [count(one) for one in lists]:
        raise InvalidOutputsError(Code.WRONG_ANSWERS, OUTPUT)
    return {"seconds": seconds}


def count(values: np.ndarray) -> int:
    return sum(int((values[place] > values[place + 1 :]).sum()) for place in range(len(values)))


TASK = Task(build=build, deal=deal)
