"""Tell two half-moons apart by a polynomial."""

import numpy as np

DEGREE = 1
LEARNING_RATE = 0.1


def features(points):
    x, y = points.T
    powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    return np.stack([x**i * y**j for i, j in powers], axis=1)


def train(points, labels):
    rows = features(points)
    weights = np.random.default_rng(1).normal(0, 0.01, rows.shape[1])
    for _ in range(10_000):
        chance = 1 / (1 + np.exp(-rows @ weights))
        weights += LEARNING_RATE * rows.T @ (labels - chance) / len(rows)
    return weights


def predict(points, weights):
    return features(points) @ weights


if __name__ == "__main__":
    table = np.loadtxt("points.csv", delimiter=",", dtype=np.float32)
    points, labels = table[:, :2], table[:, 2]
    weights = train(points[:450], labels[:450])
    said = predict(points[450:], weights)
    print("accuracy", np.mean((said > 0) == (labels[450:] > 0)))  # noqa: T201
