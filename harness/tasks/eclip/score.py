"""Deal shuffled images and captions to two predictors that never meet, and measure retrieval.

One predictor sees only the images and the other only the captions, each in an order drawn here
and kept in this process's memory. Nothing else in the system can pair a row with a row, so only
what the model understood of the content can.

What this does not protect against: pairs that give themselves away by their content, such as a
noise pattern tied to the caption. The generator draws the two from unrelated random streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.scoring.dealing import Order, draw_order, load_sealed, put_back
from harness.scoring.outputs import Code, Expected, InvalidOutputsError, read_embeddings
from harness.scoring.protocol import Dealt
from harness.scoring.ranks import retrieval_metrics

PREDICTORS = ("images", "captions")
MAX_WIDTH = 1024


def deal(sealed: Path, part: str, split: str) -> Dealt:
    """Draw an order for each predictor and return its inputs and the measure that undoes it.

    Raises:
        SealedDataDamagedError: the sealed part is not what its manifest says.
    """
    arrays = {name: load_sealed(sealed, f"{part}/{split}/{name}.npy") for name in PREDICTORS}
    orders = {name: draw_order(len(array)) for name, array in arrays.items()}
    inputs = {f"{name}/{name}.npy": arrays[name][orders[name]] for name in PREDICTORS}
    return Dealt(inputs=inputs, measure=partial(measure, orders=orders))


def measure(outputs: Path, *, orders: Mapping[str, Order]) -> dict[str, float]:
    """Return the retrieval metrics of both predictors' embeddings, put back into their pairs."""
    images, captions = (_embeddings(outputs, name, orders[name]) for name in PREDICTORS)
    if images.shape != captions.shape:
        raise InvalidOutputsError(Code.WRONG_SHAPE, _output(PREDICTORS[1]))
    return retrieval_metrics(images, captions)


def _embeddings(outputs: Path, name: str, order: Order) -> NDArray[np.float32]:
    expected = Expected(rows=len(order), max_width=MAX_WIDTH)
    return put_back(read_embeddings(outputs, _output(name), expected), order)


def _output(name: str) -> str:
    return f"{name}/embeddings.npy"
