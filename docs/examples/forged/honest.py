"""A square grid of equal circles, with one left over of no size: honest, and not good."""

import numpy as np


def pack():
    places = (np.arange(5) + 0.5) / 5
    centers = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    return np.vstack([centers, [[0.2, 0.2]]]), np.append(np.full(25, 0.0999), 0.0)


if __name__ == "__main__":
    centers, radii = pack()
    np.save("/outputs/centers.npy", centers)
    np.save("/outputs/radii.npy", radii)
