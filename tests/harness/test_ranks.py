"""Ranks by hand, and every doubt counts against the model."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.ranks import retrieval_metrics

N = 300
WORST = N - 1
CHANCE = (N - 1) / 2


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def random_embeddings(generator: np.random.Generator) -> np.ndarray:
    return generator.normal(size=(N, 16)).astype(np.float32)


def mean_rank(images: np.ndarray, captions: np.ndarray) -> float:
    return retrieval_metrics(images, captions)["mean_rank"]


def test_three_pairs_by_hand():
    images = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    captions = np.array([[1, 0], [1, 0.1], [1, 1]], dtype=np.float32)
    # images ask for captions: ranks 0, 1, 0; captions ask for images: ranks 0, 2, 0
    metrics = retrieval_metrics(images, captions)
    assert metrics == pytest.approx(
        {
            "mean_rank": 0.5,
            "mean_rank_se": 0.5,  # of the pairs' own means, 0, 1.5 and 0
            "median_rank": 0,
            "recall_at_1": 2 / 3,
            "recall_at_5": 1,
            "recall_at_10": 1,
        }
    )


def test_perfect_pairs_have_rank_zero_whatever_their_lengths(generator):
    images = random_embeddings(generator)
    lengths = generator.uniform(1e-20, 1e15, size=(N, 1)).astype(np.float32)
    assert mean_rank(images, images * lengths) == 0


def test_unrelated_embeddings_are_at_chance(generator):
    images, captions = random_embeddings(generator), random_embeddings(generator)
    assert mean_rank(images, captions) == pytest.approx(CHANCE, rel=0.1)


@pytest.mark.parametrize("vector", [[0.0, 0.0], [1.0, 0.0], [0.1, 0.7], [-3e38, 3e38], [1e-45, 0]])
def test_equal_embeddings_are_worst_not_best(vector):
    same = np.tile(np.array(vector, dtype=np.float32), (N, 1))
    metrics = retrieval_metrics(same, same)
    assert metrics["mean_rank"] == WORST
    assert metrics["recall_at_10"] == 0


def test_equal_up_to_rounding_is_equal(generator):
    """A product of equal vectors may differ in its last bits with its place in the matrix."""
    same = np.tile(generator.normal(size=(1, 777)).astype(np.float32), (N, 1))
    assert mean_rank(same, same) == WORST


def test_a_zero_vector_helps_nobody(generator):
    images = random_embeddings(generator)
    captions = images.copy()
    captions[:30] = 0
    # 30 captions are never found and never find; they lie before the right one for all others
    expected = ((30 * WORST + 270 * 30) / N + 30 * WORST / N) / 2
    assert mean_rank(images, captions) == pytest.approx(expected)


def test_a_hub_in_the_way_of_all_costs_everybody_one(generator):
    images = random_embeddings(generator) * 0.01 + np.eye(1, 16, dtype=np.float32)
    captions = images.copy()
    assert mean_rank(images, captions) == 0
    captions[0] = captions[1]
    assert mean_rank(images, captions) > 0


def test_the_two_directions_are_averaged(generator):
    images, captions = random_embeddings(generator), random_embeddings(generator)
    assert retrieval_metrics(images, captions) == pytest.approx(retrieval_metrics(captions, images))


def test_a_thousand_pairs_agree_with_plain_counting(generator):
    images, captions = (generator.normal(size=(1000, 4)).astype(np.float32) for _ in range(2))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (images, captions)]
    similarity = unit[0].astype(float) @ unit[1].astype(float).T
    ranks = [(one >= one.diagonal()[:, None]).sum(axis=1) - 1 for one in (similarity, similarity.T)]
    assert mean_rank(images, captions) == pytest.approx(np.mean(ranks), abs=0.05)
