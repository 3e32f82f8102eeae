"""A small GPT over the bytes of Shakespeare.

train.py train    learn from /data until the deadline, save weights to /artifacts
train.py serve    answer the scorer: bytes in, logits of every next byte out
"""

import math
import sys

import kit
import numpy as np
import torch
from torch import nn
from torch.nn import functional

LEARNING_RATE = 3e-3  # tune: 1e-4..1e-2 log    at its highest
WARMUP_STEPS = 50  # tune: 1..200 log
WEIGHT_DECAY = 0.1  # tune: 0.001..0.5 log
BATCH_SIZE = 16  # tune: 4..64 log              windows a step
BLOCK = 64  # tune: 16..128 log                 bytes of a training window
LAYERS = 4  # tune: 1..8
WIDTH = 64  # tune: 32..192 log                 rounded down to a multiple of HEADS
HEADS = 4
DROPOUT = 0.0
BETA_2 = 0.99

POSITIONS = 128  # what the scorer asks for at most
BYTES = 256
THREADS = 1  # two spend their time waiting for each other as soon as the cores are shared


class Block(nn.Module):
    """Attention to what came before, then a step on one's own: [n, t, width] -> the same."""

    def __init__(self, width):
        super().__init__()
        self.norm_attend, self.norm_think = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(DROPOUT)
        )

    def forward(self, x):
        rows, places, width = x.shape
        mixed = self.mix(self.norm_attend(x)).view(rows, places, 3, HEADS, width // HEADS)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(rows, places, width))
        return x + self.think(self.norm_think(x))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        width = WIDTH // HEADS * HEADS
        self.byte, self.place = nn.Embedding(BYTES, width), nn.Embedding(POSITIONS, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(width)
        for table in (self.byte, self.place):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens):
        """Bytes [n, t] -> logits [n, t, 256]; the table of bytes is used both ways."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.blocks(self.byte(tokens) + self.place(places))
        return self.norm(x) @ self.byte.weight.T


def draw_windows(text, count):
    """Return windows [count, BLOCK] and the bytes that follow, at random places.

    Each starts at position 0, so positions beyond BLOCK stay untrained: `serve` cuts there.
    """
    starts = torch.randint(len(text) - BLOCK, (count, 1), device=text.device)
    windows = text[starts + torch.arange(BLOCK + 1, device=text.device)].long()
    return windows[:, :-1], windows[:, 1:]


def learning_rate(step, spent):
    """Rise over the first steps, fall over the training time, of which `spent` is gone."""
    rising = min(1, (step + 1) / WARMUP_STEPS)
    return LEARNING_RATE * rising * (0.1 + 0.9 * (1 + math.cos(math.pi * spent)) / 2)


def train(device):
    torch.manual_seed(kit.seed())
    deadline = kit.Deadline()
    text = torch.from_numpy(kit.data.load("text")).to(device)
    model = Gpt().to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=(0.9, BETA_2), weight_decay=WEIGHT_DECAY, fused=True
    )
    step = 0
    while not deadline.expired():
        optimizer.param_groups[0]["lr"] = learning_rate(step, deadline.fraction())
        windows, targets = draw_windows(text, BATCH_SIZE)
        loss = functional.cross_entropy(model(windows).flatten(0, 1), targets.flatten())
        kit.curves.log("train_bpb", step, loss.item() / math.log(2))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
    torch.save(model.state_dict(), kit.artifacts.path("gpt.pt"))
    print(f"{step} steps, {sum(one.numel() for one in model.parameters())} parameters")


@torch.inference_mode()
def serve(device):
    model = Gpt().to(device).eval()
    saved = torch.load(kit.artifacts.path("gpt.pt"), map_location=device, weights_only=True)
    model.load_state_dict(saved)
    kit.serving.serve(lambda tokens: answer(model, torch.from_numpy(tokens).to(device)))


def answer(model, tokens):
    """Bytes [n, t] -> logits float32 [n, t, 256], from at most BLOCK bytes before each.

    Overlapping stretches: each but the first answers only for what lies beyond its first half.
    """
    half = BLOCK // 2
    starts = range(BLOCK - half, tokens.shape[1] - half, BLOCK - half)
    later = [model(tokens[:, start : start + BLOCK])[:, half:] for start in starts]
    logits = torch.cat([model(tokens[:, :BLOCK]), *later], dim=1)
    return logits.float().cpu().numpy().astype(np.float32)


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    {"train": train, "serve": serve}[sys.argv[1]](device)
