"""A small convolutional network for CIFAR-10, trained until the deadline.

train.py train            learn from /data until the deadline, save weights to /artifacts
train.py predict images   score /inputs/images.npy into /outputs/scores.npy
"""

import math
import sys

import kit
import numpy as np
import torch
from torch import nn
from torch.nn import functional

LEARNING_RATE = 0.01  # tune: 1e-3..1e-1 log    at its highest
WEIGHT_DECAY = 0.02  # tune: 1e-4..0.5 log
BATCH_SIZE = 64  # tune: 16..1024 log
WARMUP_STEPS = 40  # tune: 1..400 log
LABEL_SMOOTHING = 0.1  # tune: 0..0.3
WIDTH = 32  # tune: 16..128 log                 channels at full size; doubled with each halving
SHIFT = 3  # tune: 0..6                         pixels that a photograph may move when trained on

SIDE, CLASSES = 32, 10
THREADS = 1  # two spend their time waiting for each other as soon as the cores are shared


def convolve(channels_in, channels_out):
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())


def network():
    """Photographs [n, 3, 32, 32] -> scores [n, 10]; about 240,000 parameters."""
    return nn.Sequential(
        convolve(3, WIDTH),
        nn.MaxPool2d(2),
        convolve(WIDTH, 2 * WIDTH),
        nn.MaxPool2d(2),
        convolve(2 * WIDTH, 4 * WIDTH),
        nn.MaxPool2d(2),
        convolve(4 * WIDTH, 4 * WIDTH),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * WIDTH, CLASSES),
    )


def to_floats(images):
    """Pixels uint8 [n, 32, 32, 3] -> float32 [n, 3, 32, 32] in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def vary(images):
    """Mirror half of a batch and shift all of it, by one random amount."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    down, across = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    padded = functional.pad(images, [SHIFT] * 4, mode="reflect")
    return padded[:, :, down : down + SIDE, across : across + SIDE]


def learning_rate(step, spent):
    """Rise over the first steps, fall over the time, of which the share `spent` is gone."""
    rising = min(1, (step + 1) / WARMUP_STEPS)
    return LEARNING_RATE * rising * (1 + math.cos(math.pi * spent)) / 2


def train(device):
    torch.manual_seed(kit.seed())
    deadline = kit.Deadline()
    images = torch.from_numpy(kit.data.load("images")).to(device)
    labels = torch.from_numpy(kit.data.load("labels")).to(device)
    model = network().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    step, order = 0, torch.empty(0, dtype=torch.long, device=device)
    while not deadline.expired():
        if len(order) < BATCH_SIZE:
            order = torch.randperm(len(images), device=device)
        rows, order = order[:BATCH_SIZE], order[BATCH_SIZE:]
        optimizer.param_groups[0]["lr"] = learning_rate(step, deadline.fraction())
        batch = vary(to_floats(images[rows])).contiguous(memory_format=torch.channels_last)
        loss = functional.cross_entropy(model(batch), labels[rows], label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        kit.curves.log("loss", step, loss.item())
        step += 1
    torch.save(model.state_dict(), kit.artifacts.path("cifar10.pt"))
    print(f"{step} steps, {sum(one.numel() for one in model.parameters())} parameters")


@torch.inference_mode()
def predict(device):
    """Score every photograph and its mirror image, and add the two."""
    model = network().to(device).eval()
    saved = torch.load(kit.artifacts.path("cifar10.pt"), map_location=device, weights_only=True)
    model.load_state_dict(saved)
    scores = []
    for part in torch.from_numpy(kit.inputs.load("images")).split(500):
        images = to_floats(part.to(device))
        scores.append((model(images) + model(images.flip(3))).cpu())
    kit.outputs.save("scores", torch.cat(scores).numpy().astype(np.float32))


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if sys.argv[1] == "train":
        train(device)
    else:
        predict(device)
