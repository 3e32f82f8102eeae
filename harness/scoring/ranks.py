"""Retrieval metrics from two aligned sets of embeddings, where every doubt counts against them.

What this does not protect against: embeddings that are good for another reason than a good model.
That nobody can know the pairing is the dealing's work, not this module's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.scoring import errors

Floats = NDArray[np.float64]

TIE = 1e-9
"""Similarities closer than this are equal: float64 products of equal vectors may differ by less
with their place in the matrix, and float32 embeddings cannot mean such a difference."""

CHUNK_ROWS = 256


def retrieval_metrics(
    images: NDArray[np.float32], captions: NDArray[np.float32]
) -> dict[str, float]:
    """Return the metrics of retrieving captions by image and images by caption, averaged.

    Args:
        images: [n, d] embeddings; row i belongs to row i of `captions`.
        captions: [n, d] embeddings.

    Returns:
        `mean_rank` with its standard error, the pairs being what varies, and `median_rank`
        (0-based, lower is better), `recall_at_1`, `_5`, `_10`.
    """
    left, right = _normalised(images), _normalised(captions)
    ranks = [true_ranks(left, right), true_ranks(right, left)]
    both = [_summary(one) for one in ranks]
    means = {name: float(np.mean([one[name] for one in both])) for name in both[0]}
    of_pairs = np.mean(ranks, axis=0)  # a pair's two ranks are not independent
    return means | errors.with_error("mean_rank", means["mean_rank"], errors.of_mean(of_pairs))


def true_ranks(queries: Floats, candidates: Floats) -> NDArray[np.int64]:
    """Return for each query how many *other* candidates are at least as similar as its own.

    Rows are unit vectors, or zero. A zero vector is as similar as can be where it is in the way,
    and has the worst rank where it is asked for.
    """
    void_query, void_candidate = _is_zero(queries), _is_zero(candidates)
    ranks = []
    for start in range(0, len(queries), CHUNK_ROWS):
        rows = np.arange(start, min(start + CHUNK_ROWS, len(queries)))
        similarity = queries[rows] @ candidates.T
        own = similarity[np.arange(len(rows)), rows]
        own[void_query[rows] | void_candidate[rows]] = -np.inf
        similarity[:, void_candidate] = np.inf
        at_least_as_similar = similarity >= own[:, None] - TIE
        at_least_as_similar[np.arange(len(rows)), rows] = False
        ranks.append(at_least_as_similar.sum(axis=1))
    return np.concatenate(ranks)


def _is_zero(rows: Floats) -> NDArray[np.bool_]:
    zero: NDArray[np.bool_] = (rows == 0).all(axis=1)
    return zero


def _normalised(embeddings: NDArray[np.float32]) -> Floats:
    rows: Floats = embeddings.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _summary(ranks: NDArray[np.int64]) -> dict[str, float]:
    recall = {f"recall_at_{k}": float(np.mean(ranks < k)) for k in (1, 5, 10)}
    return {"mean_rank": float(ranks.mean()), "median_rank": float(np.median(ranks)), **recall}
