"""Pack circles into the unit square: many random starts at once, overlaps penalised ever harder.

train.py train    write /outputs/centers.npy [26, 2] and /outputs/radii.npy [26], float64
"""

import kit
import numpy as np

STARTS = 64  # tune: 8..512 log               packings that are improved side by side
STEPS = 1500  # tune: 300..10000 log          of each start
LEARNING_RATE = 0.01  # tune: 0.001..0.1 log  at first; falls to a thousandth of it
PENALTY_START = 3.0  # tune: 0.5..50 log      for a squared overlap, beside a sum of radii
PENALTY_END = 3e4  # tune: 1e3..1e6 log
MOMENTUM, SQUARES = 0.9, 0.99  # of Adam
MARGIN = 1e-12  # taken off every radius at the end: no wish to lean on the scorer's tolerance


def start(random, circles):
    """Random packings [STARTS, circles, 3]: x, y and radius."""
    radii = np.full((STARTS, circles, 1), 0.05)
    return np.concatenate([random.uniform(0.1, 0.9, (STARTS, circles, 2)), radii], axis=2)


def gradient(packings, penalty):
    """What `penalty` times squared overlaps minus the sum of radii rises along."""
    centers, radii = packings[:, :, :2], packings[:, :, 2]
    apart = centers[:, :, None] - centers[:, None]
    distance = np.sqrt((apart**2).sum(3)) + np.eye(centers.shape[1]) * 9
    overlap = np.maximum(radii[:, :, None] + radii[:, None] - distance, 0)
    low = np.maximum(radii[:, :, None] - centers, 0)
    high = np.maximum(radii[:, :, None] + centers - 1, 0)
    push = -(apart * (overlap / np.maximum(distance, 1e-12))[:, :, :, None]).sum(2)
    along_centers = 2 * penalty * (push - low + high)
    along_radii = 2 * penalty * (overlap.sum(2) + (low + high).sum(2)) - 1
    return np.concatenate([along_centers, along_radii[:, :, None]], axis=2)


def improve(packings, deadline):
    """Adam over the steps, or fewer when time runs out: what is left then is repaired anyway."""
    mean, square = np.zeros_like(packings), np.zeros_like(packings)
    for step in range(1, STEPS + 1):
        if deadline.expired():
            break
        done = step / STEPS
        slope = gradient(packings, PENALTY_START * (PENALTY_END / PENALTY_START) ** done)
        mean = MOMENTUM * mean + (1 - MOMENTUM) * slope
        square = SQUARES * square + (1 - SQUARES) * slope**2
        rate = LEARNING_RATE * 0.001**done / (1 - MOMENTUM**step)
        packings = packings - rate * mean / (np.sqrt(square / (1 - SQUARES**step)) + 1e-12)
    return packings


def repair(packing):
    """Move every centre inside and shrink radii until nothing overlaps: [circles, 3] again."""
    centers = np.clip(packing[:, :2], 0, 1)
    radii = np.minimum(packing[:, 2], np.minimum(centers, 1 - centers).min(axis=1)).clip(min=0)
    for one in range(len(radii)):
        for other in range(one):
            distance = np.hypot(*(centers[one] - centers[other]))
            excess = max(0.0, radii[one] + radii[other] - distance)
            share = min(max(excess / 2, excess - radii[other]), radii[one])
            radii[one] -= share
            radii[other] -= excess - share
    return centers, (radii - MARGIN).clip(min=0)


def main():
    random = np.random.default_rng(kit.seed())
    circles = int(kit.data.load("circles"))
    deadline = kit.Deadline()
    best, rounds = None, 0
    while best is None or not deadline.expired():
        for packing in improve(start(random, circles), deadline):
            centers, radii = repair(packing)
            if best is None or radii.sum() > best[1].sum():
                best = centers, radii
        rounds += 1
        kit.curves.log("sum_radii", rounds, best[1].sum())
    kit.outputs.save("centers", best[0])
    kit.outputs.save("radii", best[1])
    print(f"{rounds} rounds of {STARTS} starts")


if __name__ == "__main__":
    main()
