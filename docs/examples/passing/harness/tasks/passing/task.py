"""The share of tests that pass: each test is a text and the number that must come back.

The function under test runs where the texts are and the numbers are not. The comparison is made
here, in another container: no test framework, exit code or report of the agent's side is believed.

What this does not protect against: a property of a program that is not in its answers. What it
prints, how long it takes or what it imports needs a guard, or a measure of another kind.
"""

import io
import secrets
from functools import partial
from pathlib import Path

import numpy as np

from harness.scoring.outputs import Layout, read_array
from harness.scoring.protocol import Dealt
from harness.sealing import Built, read_sealed
from harness.tasks import Task

SPLIT, OUTPUT = "examples", "texts/numbers.npy"
SIZES = {SPLIT: 40, f"holdout/{SPLIT}": 200, f"locked/{SPLIT}": 200}
NUMERALS = (
    *((1000, b"M"), (900, b"CM"), (500, b"D"), (400, b"CD"), (100, b"C"), (90, b"XC")),
    *((50, b"L"), (40, b"XL"), (10, b"X"), (9, b"IX"), (5, b"V"), (4, b"IV"), (1, b"I")),
)


def build(seed: int, _raw: Path | None) -> Built:
    """Draw different numbers for the examples, the tests, and the tests that stay locked."""
    drawn = np.random.Generator(np.random.PCG64(seed)).permutation(np.arange(1, 4000))
    public, sealed = {}, {}
    for folder, size in SIZES.items():
        numbers, drawn = drawn[:size], drawn[size:]
        files = public if folder == SPLIT else sealed
        files[f"{folder}/numbers.npy"] = _npy(numbers)
        files[f"{folder}/texts.npy"] = _npy(np.array([roman(int(one)) for one in numbers]))
    return Built(public=public, sealed=sealed)


def roman(number: int) -> bytes:
    text = b""
    for value, letters in NUMERALS:
        text += letters * (number // value)
        number %= value
    return text


def deal(sealed: Path, part: str, split: str) -> Dealt:
    texts, numbers = (_load(sealed, f"{part}/{split}/{name}.npy") for name in ("texts", "numbers"))
    order = list(range(len(texts)))
    secrets.SystemRandom().shuffle(order)
    measured = partial(measure, numbers=numbers[order])
    return Dealt(inputs={"texts/texts.npy": texts[order]}, measure=measured)


def measure(outputs: Path, *, numbers: np.ndarray) -> dict[str, float]:
    """Return the share of texts whose number is right."""
    said = read_array(outputs, OUTPUT, Layout(dtype="<i8", shape=numbers.shape))
    return {"passed": float(np.mean(said == numbers))}


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _load(sealed: Path, name: str) -> np.ndarray:
    return np.load(io.BytesIO(read_sealed(sealed, name)), allow_pickle=False)


TASK = Task(build=build, deal=deal)
