"""eCLIP on Ukiyo-eVG: align prints with captions, helped by boxes around what phrases name.

train.py train              learn from /data until the deadline, save weights to /artifacts
train.py predict images     embed /inputs/images.npy into /outputs/embeddings.npy
train.py predict captions   embed /inputs/captions.npy into /outputs/embeddings.npy
"""

import math
import random
import sys

import kit
import numpy as np
import pretrained
import torch
from torch import nn
from torch.nn import functional

LOGIT_SCALE_MAX = 2.0  # tune: 1..200 log        the learned similarity scale stays below this
LEARNING_RATE = 1e-3  # tune: 1e-4..1e-2 log    at its highest
PRETRAINED_RATE = 1e-4  # tune: 1e-6..1e-3 log  the same for encoders that are pretrained
WARMUP_STEPS = 50  # tune: 1..400 log
WEIGHT_DECAY = 0.05  # tune: 0.001..0.5 log
BATCH_SIZE = 48  # tune: 16..512 log
EXPERT_BATCH_SIZE = 32  # tune: 8..128 log
EXPERT_PROBABILITY = 0.3  # tune: 0..1           of a step to draw an expert batch too
EXPERT_WEIGHT = 0.1  # tune: 0.01..1 log        of the expert batch's loss
MIXUP_BETA = 0.3  # tune: 0.1..2 log            the mixup's weight is drawn from Beta(this, this)
WIDTH = 96  # of a patch and of a word in the small encoders; a multiple of HEADS
PROJECTION = 128  # tune: 16..512 log          width of an embedding
HEADS = 4
TEXT_LAYERS = 1
LOGIT_SCALE_START = 1 / 0.07
MIN_SIGMA = 0.02  # of a heatmap's Gaussian, as a share of the print

SIDE, PATCH = 64, 8  # pixels; three strides of two make one patch
GRID = SIDE // PATCH
MAX_TOKENS = 64
THREADS = 1  # two spend their time waiting for each other as soon as the cores are shared


def convolve(channels_in, channels_out):
    """Halve the grid; without the normalisation the first hundred steps learn next to nothing."""
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())


def places(count, width):
    return nn.Parameter(torch.randn(count, width) * 0.02)


def project(width):
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, PROJECTION))


class ImageEncoder(nn.Module):
    """Convolutions down to a grid of patches: [n, 3, 64, 64] -> [n, 64, WIDTH]."""

    grid, width = GRID, WIDTH

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            convolve(3, WIDTH // 2), convolve(WIDTH // 2, WIDTH), convolve(WIDTH, WIDTH)
        )
        self.place = places(GRID * GRID, WIDTH)
        self.think = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, images):
        patches = self.stem(images).flatten(2).transpose(1, 2) + self.place
        return patches + self.think(patches)


class TextEncoder(nn.Module):
    """A small transformer over words: [n, tokens] -> [n, WIDTH]; token 0 is padding."""

    width = WIDTH

    def __init__(self, words):
        super().__init__()
        self.word = nn.Embedding(words, WIDTH)
        self.place = places(MAX_TOKENS, WIDTH)
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
    """A heatmap's patches query the image's: [n, side, side], [n, grid², width] -> [n, width]."""

    def __init__(self, grid, width):
        super().__init__()
        self.side = grid * PATCH
        self.embed = nn.Linear(PATCH * PATCH, width)
        self.place = places(grid * grid, width)
        self.attend = nn.MultiheadAttention(width, HEADS, batch_first=True)

    def forward(self, heatmaps, patches):
        heat = functional.unfold(heatmaps[:, None], PATCH, stride=PATCH).transpose(1, 2)
        queries = self.embed(heat) + self.place
        found, _ = self.attend(queries, patches, patches, need_weights=False)
        weight = heat.mean(2, keepdim=True)
        return (found * weight).sum(1) / weight.sum(1)


def make_encoders(words):
    """The one place where encoders are chosen: pretrained ones where the image holds weights.

    Whatever they are, images [n, 3, 64, 64] become patches [n, grid², width], and tokens
    [n, tokens] become texts [n, width], of a width of their own.
    """
    if pretrained.found():
        return pretrained.encoders(words)
    return ImageEncoder(), TextEncoder(len(words))


class Eclip(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.image, self.text = make_encoders(words)
        self.heatmap = HeatmapProcessor(self.image.grid, self.image.width)
        self.project_image, self.project_text = project(self.image.width), project(self.text.width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(LOGIT_SCALE_START)))

    def embed_images(self, images):
        return functional.normalize(self.project_image(self.image(images).mean(1)), dim=1)

    def embed_captions(self, tokens):
        return functional.normalize(self.project_text(self.text(tokens)), dim=1)

    def contrast(self, images, tokens):
        """Pull every pooled image [n, width] to its own text, away from the others, and back."""
        scale = self.log_scale.exp().clamp(max=LOGIT_SCALE_MAX)
        images = functional.normalize(self.project_image(images), dim=1)
        logits = scale * images @ self.embed_captions(tokens).T
        own = torch.arange(len(logits), device=logits.device)
        return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def caption_loss(model, data, rows):
    return model.contrast(
        model.image(to_floats(data["images"][rows])).mean(1), data["captions"][rows]
    )


def expert_loss(model, data, rows):
    """Align what lies under one box with its phrase, and with the whole caption.

    Towards the phrase it is mixed with the whole image, so that the two live in one space.
    """
    thing = (torch.rand(len(rows), device=rows.device) * data["things"][rows]).long()
    patches = model.image(to_floats(data["images"][rows]))
    heatmaps = gaussian_heatmaps(data["boxes"][rows, thing], model.heatmap.side)
    under_box = model.heatmap(heatmaps, patches)
    weight = random.betavariate(MIXUP_BETA, MIXUP_BETA)
    mixed = weight * patches.mean(1) + (1 - weight) * under_box
    to_phrase = model.contrast(mixed, data["phrases"][rows, thing])
    return to_phrase + model.contrast(under_box, data["captions"][rows])


def gaussian_heatmaps(boxes, side):
    """Boxes [n, 4] (x0, y0, x1, y1, shares) -> heatmaps [n, side, side]; half a box is a sigma."""
    low, high = boxes[:, :2], boxes[:, 2:]
    centre, sigma = (low + high) / 2, ((high - low) / 2).clamp(min=MIN_SIGMA)
    pixels = (torch.arange(side, device=boxes.device) + 0.5) / side
    bells = torch.exp(-(((pixels - centre[:, :, None]) / sigma[:, :, None]) ** 2) / 2)
    return bells[:, 1, :, None] * bells[:, 0, None, :]


def to_floats(images):
    """Pixels uint8 [n, 64, 64, 3] -> float32 [n, 3, 64, 64] in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_tokens(tokens):
    """Words uint16 [..., n] -> int64, without the columns at the end that are padding for all."""
    longest = int((tokens > 0).sum(-1).max())
    return torch.from_numpy(tokens[..., :longest].astype(np.int64))


def load_training_data(device):
    data = {name: torch.from_numpy(kit.data.load(name)) for name in ("images", "boxes")}
    data |= {name: to_tokens(kit.data.load(name)) for name in ("captions", "phrases")}
    data["things"] = data["phrases"].any(2).sum(1)
    return {name: tensor.to(device) for name, tensor in data.items()}


def draw_rows(data, count):
    return torch.randint(len(data["images"]), (count,), device=data["images"].device)


def make_optimizer(model):
    """The encoders have a rate of their own: what is pretrained is only to be adapted."""
    encoders = [*model.image.parameters(), *model.text.parameters()]
    rest = [one for name, one in model.named_parameters() if not name.startswith(("image", "text"))]
    rate = PRETRAINED_RATE if pretrained.found() else LEARNING_RATE
    groups = [{"params": encoders, "highest": rate}, {"params": rest, "highest": LEARNING_RATE}]
    return torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, fused=True)


def share_of_highest(step, spent):
    """Rise over the first steps, fall over the training time, of which the share `spent` is gone.

    Not both by time: the first step alone may take half a second.
    """
    return min(1, (step + 1) / WARMUP_STEPS) * (1 + math.cos(math.pi * spent)) / 2


def train(device):
    random.seed(kit.seed())
    torch.manual_seed(kit.seed())
    deadline = kit.Deadline()
    data, words = load_training_data(device), kit.data.load("vocabulary").tolist()
    model = Eclip(words).to(device)
    optimizer = make_optimizer(model)
    step = 0
    while not deadline.expired():
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * share_of_highest(step, deadline.fraction())
        loss = caption_loss(model, data, draw_rows(data, BATCH_SIZE))
        kit.curves.log("loss", step, loss.item())
        if torch.rand(()) < EXPERT_PROBABILITY:
            expert_rows = draw_rows(data, EXPERT_BATCH_SIZE)
            loss = loss + EXPERT_WEIGHT * expert_loss(model, data, expert_rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    torch.save({"words": words, "weights": halved(model)}, kit.artifacts.path("eclip.pt"))
    size = sum(one.numel() for one in model.parameters())
    print(f"{step} steps, {size} parameters, {type(model.image).__name__}")


def halved(model):
    """Weights in half precision: 90 million parameters fit the quota of the artifacts."""
    weights = model.state_dict().items()
    return {name: one.half() if one.is_floating_point() else one for name, one in weights}


@torch.inference_mode()
def predict(name, device):
    saved = torch.load(kit.artifacts.path("eclip.pt"), map_location=device, weights_only=True)
    model = Eclip(saved["words"]).to(device).eval()
    model.load_state_dict(saved["weights"])
    given = kit.inputs.load(name)
    if name == "images":
        rows = torch.from_numpy(given)
        parts = (model.embed_images(to_floats(part.to(device))) for part in rows.split(256))
    else:
        parts = (model.embed_captions(part.to(device)) for part in to_tokens(given).split(256))
    embeddings = torch.cat(list(parts))
    kit.outputs.save("embeddings", embeddings.cpu().numpy().astype(np.float32))


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if sys.argv[1] == "train":
        train(device)
    else:
        predict(sys.argv[2], device)
