"""eCLIP on small prints: align images with captions, helped by boxes around what phrases name.

train.py train              learn from /data until the deadline, save weights to /artifacts
train.py predict images     embed /inputs/images.npy into /outputs/embeddings.npy
train.py predict captions   embed /inputs/captions.npy into /outputs/embeddings.npy
"""

import math
import random
import sys

import kit
import numpy as np
import torch
from torch import nn
from torch.nn import functional

LOGIT_SCALE_MAX = 2.0  # tune: 1..200 log        the learned similarity scale stays below this
LEARNING_RATE = 3e-3  # tune: 1e-4..1e-2 log    at its highest
WARMUP_STEPS = 10  # tune: 1..200 log
WEIGHT_DECAY = 0.05  # tune: 0.001..0.5 log
BATCH_SIZE = 64  # tune: 16..256 log
EXPERT_BATCH_SIZE = 32  # tune: 8..128 log
EXPERT_PROBABILITY = 0.3  # tune: 0..1           of a step to draw an expert batch too
EXPERT_WEIGHT = 0.1  # tune: 0.01..1 log        of the expert batch's loss
MIXUP_BETA = 0.3  # tune: 0.1..2 log            the mixup's weight is drawn from Beta(this, this)
WIDTH = 64  # of a patch and of a word; a multiple of HEADS
PROJECTION = 64  # tune: 16..256 log            width of an embedding
HEADS = 4
TEXT_LAYERS = 1
LOGIT_SCALE_START = 1 / 0.07
MIN_SIGMA = 0.02  # of a heatmap's Gaussian, as a share of the print

SIDE, PATCH = 40, 8  # pixels; three strides of two make one patch
GRID = SIDE // PATCH
MAX_TOKENS = 24
THREADS = 1  # two spend their time waiting for each other as soon as the cores are shared


def convolve(channels_in, channels_out):
    """Halve the grid; without the normalisation the first hundred steps learn next to nothing."""
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())


def places(count):
    return nn.Parameter(torch.randn(count, WIDTH) * 0.02)


def project():
    return nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, PROJECTION))


class ImageEncoder(nn.Module):
    """Convolutions down to a grid of patches: [n, 3, 40, 40] -> [n, 25, WIDTH]."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            convolve(3, WIDTH // 2), convolve(WIDTH // 2, WIDTH), convolve(WIDTH, WIDTH)
        )
        self.place = places(GRID * GRID)
        self.think = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, images):
        patches = self.stem(images).flatten(2).transpose(1, 2) + self.place
        return patches + self.think(patches)


class TextEncoder(nn.Module):
    """A small transformer over words: [n, tokens] -> [n, WIDTH]; token 0 is padding."""

    def __init__(self, words):
        super().__init__()
        self.word = nn.Embedding(words, WIDTH)
        self.place = places(MAX_TOKENS)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, TEXT_LAYERS, enable_nested_tensor=False)

    def forward(self, tokens):
        padding = tokens == 0
        words = self.word(tokens) + self.place[: tokens.shape[1]]
        words = self.layers(words, src_key_padding_mask=padding)
        return words.masked_fill(padding[:, :, None], 0).sum(1) / (~padding).sum(1, keepdim=True)


class HeatmapProcessor(nn.Module):
    """A heatmap's patches query the image's: [n, 40, 40], [n, 25, WIDTH] -> [n, WIDTH]."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(PATCH * PATCH, WIDTH)
        self.place = places(GRID * GRID)
        self.attend = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, heatmaps, patches):
        heat = functional.unfold(heatmaps[:, None], PATCH, stride=PATCH).transpose(1, 2)
        queries = self.embed(heat) + self.place
        found, _ = self.attend(queries, patches, patches, need_weights=False)
        weight = heat.mean(2, keepdim=True)
        return (found * weight).sum(1) / weight.sum(1)


class Eclip(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.image, self.text = ImageEncoder(), TextEncoder(words)
        self.heatmap = HeatmapProcessor()
        self.project_image, self.project_text = project(), project()
        self.log_scale = nn.Parameter(torch.tensor(math.log(LOGIT_SCALE_START)))

    def embed_images(self, images):
        return functional.normalize(self.project_image(self.image(images).mean(1)), dim=1)

    def embed_captions(self, tokens):
        return functional.normalize(self.project_text(self.text(tokens)), dim=1)

    def contrast(self, images, tokens):
        """Pull every pooled image [n, WIDTH] to its own text, away from the others, and back."""
        scale = self.log_scale.exp().clamp(max=LOGIT_SCALE_MAX)
        images = functional.normalize(self.project_image(images), dim=1)
        logits = scale * images @ self.embed_captions(tokens).T
        own = torch.arange(len(logits), device=logits.device)
        return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def caption_loss(model, data, rows):
    return model.contrast(model.image(data["images"][rows]).mean(1), data["captions"][rows])


def expert_loss(model, data, rows):
    """Align what lies under one box with its phrase, and with the whole caption.

    Towards the phrase it is mixed with the whole image, so that the two live in one space.
    """
    thing = (torch.rand(len(rows), device=rows.device) * data["things"][rows]).long()
    patches = model.image(data["images"][rows])
    under_box = model.heatmap(gaussian_heatmaps(data["boxes"][rows, thing]), patches)
    weight = random.betavariate(MIXUP_BETA, MIXUP_BETA)
    mixed = weight * patches.mean(1) + (1 - weight) * under_box
    to_phrase = model.contrast(mixed, data["phrases"][rows, thing])
    return to_phrase + model.contrast(under_box, data["captions"][rows])


def gaussian_heatmaps(boxes):
    """Boxes [n, 4] (x0, y0, x1, y1 in pixels) -> heatmaps [n, 40, 40]; half a box is one sigma."""
    low, high = boxes[:, :2] / SIDE, boxes[:, 2:] / SIDE
    centre, sigma = (low + high) / 2, ((high - low) / 2).clamp(min=MIN_SIGMA)
    pixels = (torch.arange(SIDE, device=boxes.device) + 0.5) / SIDE
    bells = torch.exp(-(((pixels - centre[:, :, None]) / sigma[:, :, None]) ** 2) / 2)
    return bells[:, 1, :, None] * bells[:, 0, None, :]


def to_floats(images):
    """Pixels uint8 [n, 40, 40, 3] -> float32 [n, 3, 40, 40] in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def load_training_data(device):
    names = ("captions", "phrases", "boxes")
    data = {name: torch.from_numpy(kit.data.load(name)).long() for name in names}
    data["images"] = to_floats(kit.data.load("images"))
    data["things"] = data["phrases"].any(2).sum(1)
    return {name: tensor.to(device) for name, tensor in data.items()}


def draw_rows(data, count):
    return torch.randint(len(data["images"]), (count,), device=data["images"].device)


def learning_rate(step, spent):
    """Rise over the first steps, fall over the training time, of which the share `spent` is gone.

    Not both by time: the first step alone may take half a second.
    """
    rising = min(1, (step + 1) / WARMUP_STEPS)
    return LEARNING_RATE * rising * (1 + math.cos(math.pi * spent)) / 2


def train(device):
    random.seed(kit.seed())
    torch.manual_seed(kit.seed())
    deadline = kit.Deadline()
    data, words = load_training_data(device), len(kit.data.load("vocabulary"))
    model = Eclip(words).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    step = 0
    while not deadline.expired():
        optimizer.param_groups[0]["lr"] = learning_rate(step, deadline.fraction())
        loss = caption_loss(model, data, draw_rows(data, BATCH_SIZE))
        kit.curves.log("loss", step, loss.item())
        if torch.rand(()) < EXPERT_PROBABILITY:
            expert_rows = draw_rows(data, EXPERT_BATCH_SIZE)
            loss = loss + EXPERT_WEIGHT * expert_loss(model, data, expert_rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    torch.save({"words": words, "weights": model.state_dict()}, kit.artifacts.path("eclip.pt"))
    print(f"{step} steps, {sum(one.numel() for one in model.parameters())} parameters")


@torch.inference_mode()
def predict(name, device):
    saved = torch.load(kit.artifacts.path("eclip.pt"), map_location=device, weights_only=True)
    model = Eclip(saved["words"]).to(device).eval()
    model.load_state_dict(saved["weights"])
    given = kit.inputs.load(name)
    if name == "images":
        embed, rows = model.embed_images, to_floats(given)
    else:
        embed, rows = model.embed_captions, torch.from_numpy(given).long()
    embeddings = torch.cat([embed(part.to(device)) for part in rows.split(256)])
    kit.outputs.save("embeddings", embeddings.cpu().numpy().astype(np.float32))


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if sys.argv[1] == "train":
        train(device)
    else:
        predict(sys.argv[2], device)
