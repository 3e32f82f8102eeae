"""A GPT over tokens: rotary places, normalised queries and keys, squared ReLU, Muon and AdamW.

train.py train    learn from /data until the deadline, save weights to /artifacts
train.py serve    answer the scorer: tokens in, logits of every next token out

The constants are for two cores and a minute. For one GPU and five minutes begin at DEPTH 8,
HEAD_WIDTH 64, HEADS 8, BATCH_SIZE 128.
"""

import math
import sys
import time

import kit
import numpy as np
import torch
from torch import nn
from torch.nn import functional

DEPTH = 3  # tune: 1..12                    blocks
HEADS = 3  # tune: 1..12
HEAD_WIDTH = 32  # of one head; even
BATCH_SIZE = 8  # tune: 2..64 log           windows a step
MATRIX_RATE = 0.02  # tune: 0.002..0.1 log  Muon's, for the blocks' matrices
EMBEDDING_RATE = 0.01  # tune: 0.001..0.1 log
OUTPUT_RATE = 0.004  # tune: 0.0005..0.05 log
MOMENTUM = 0.95  # tune: 0.8..0.98
WARMUP_STEPS = 10  # tune: 1..100 log
COOLDOWN = 0.5  # tune: 0..1                share of the time in which the rates fall to nothing
SOFTCAP = 15.0  # logits stay between this and its negative

THREADS = 1  # two spend their time waiting for each other as soon as the cores are shared
FAILED_LOSS = 100.0


def normalised(x):
    return functional.rms_norm(x, (x.shape[-1],))


def rotated(x, angles):
    """Turn pairs of features [n, heads, t, width] by their place's angles [t, width / 2]."""
    left, right = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([left * cos + right * sin, right * cos - left * sin], dim=-1)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mix, self.out = nn.Linear(width, 3 * width, bias=False), zero_linear(width, width)
        self.widen, self.narrow = (
            nn.Linear(width, 4 * width, bias=False),
            zero_linear(4 * width, width),
        )

    def forward(self, x, angles):
        x = x + self.attend(normalised(x), angles)
        return x + self.narrow(self.widen(normalised(x)).relu().square())

    def attend(self, x, angles):
        rows, places, width = x.shape
        mixed = self.mix(x).view(rows, places, 3, HEADS, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
        query, key = (normalised(rotated(one, angles)) for one in mixed[:2])
        seen = functional.scaled_dot_product_attention(query, key, mixed[2], is_causal=True)
        return self.out(seen.transpose(1, 2).reshape(rows, places, width))


def zero_linear(width_in, width_out):
    """A block begins by adding nothing."""
    linear = nn.Linear(width_in, width_out, bias=False)
    nn.init.zeros_(linear.weight)
    return linear


class Gpt(nn.Module):
    def __init__(self, positions, vocabulary):
        super().__init__()
        width = HEADS * HEAD_WIDTH
        self.token = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(DEPTH))
        self.output = zero_linear(width, vocabulary)
        speeds = 10_000 ** -(torch.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH)
        self.register_buffer("angles", torch.arange(positions)[:, None] * speeds, persistent=False)

    def forward(self, tokens):
        """Tokens [n, t] -> logits [n, t, vocabulary]."""
        x, angles = normalised(self.token(tokens)), self.angles[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, angles)
        return SOFTCAP * torch.tanh(self.output(normalised(x)).float() / SOFTCAP)


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are brought near to orthogonal before each step."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": MATRIX_RATE})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for matrix in group["params"]:
                average = self.state[matrix].setdefault("average", torch.zeros_like(matrix))
                average.lerp_(matrix.grad, 1 - MOMENTUM)
                update = orthogonalised(matrix.grad.lerp(average, MOMENTUM))
                scale = max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
                matrix.add_(update, alpha=-group["lr"] * scale)


def orthogonalised(matrix):
    """Five steps of Newton and Schulz towards the nearest matrix of singular values near one."""
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        product = x @ x.T
        x = 3.4445 * x + (-4.7750 * product + 2.0315 * product @ product) @ x
    return x.T if tall else x


def optimizers(model):
    matrices = Muon(model.blocks.parameters())
    tables = torch.optim.AdamW(
        [
            {"params": model.token.parameters(), "lr": EMBEDDING_RATE},
            {"params": model.output.parameters(), "lr": OUTPUT_RATE},
        ],
        betas=(0.8, 0.95),
        weight_decay=0.0,
    )
    found = [matrices, tables]
    for group in [group for one in found for group in one.param_groups]:
        group["highest"] = group["lr"]
    return found


def rate(step, spent):
    """Return the share of the highest rate, up by steps and down by time."""
    falling = min(1, (1 - spent) / COOLDOWN) if COOLDOWN else 1
    return min(1, (step + 1) / WARMUP_STEPS) * falling


def draw_windows(tokens, positions):
    starts = torch.randint(len(tokens) - positions, (BATCH_SIZE, 1))
    windows = tokens[starts + torch.arange(positions + 1)].long()
    return windows[:, :-1], windows[:, 1:]


def train(device):
    begun = time.monotonic()
    torch.manual_seed(kit.seed())
    deadline = kit.Deadline()
    positions, vocabulary = kit.data.load("shape").tolist()
    tokens = torch.from_numpy(kit.data.load("tokens").astype(np.int32))
    bytes_per_token = kit.data.load("token_bytes")[tokens[:1_000_000].numpy()].mean()
    model = Gpt(positions, vocabulary).to(device)
    both = optimizers(model)
    step, ready = 0, time.monotonic()
    while not deadline.expired():
        windows, targets = (one.to(device) for one in draw_windows(tokens, positions))
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            logits = model(windows)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        value = loss.item()
        if not value < FAILED_LOSS:
            sys.exit("FAIL: the loss is not a number, or out of bounds")
        kit.curves.log("train_bpb", step, value / math.log(2) / bytes_per_token)
        loss.backward()
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = group["highest"] * rate(step, deadline.fraction())
            optimizer.step()
            optimizer.zero_grad()
        step += 1
    training = time.monotonic() - ready
    torch.save(model.state_dict(), kit.artifacts.path("gpt.pt"))
    summary(model, step, positions, training=training, total=time.monotonic() - begun)


def summary(model, steps, positions, *, training, total):
    """Print the original's lines, for the person; `val_bpb` is the scorer's alone to say."""
    parameters = sum(one.numel() for one in model.parameters())
    seen = steps * BATCH_SIZE * positions
    cuda = torch.cuda.is_available()
    peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else 0.0
    # Of an H100's 989.5 TFLOP/s in bfloat16, as the original counts; nothing to say elsewhere.
    share = 6 * parameters * seen / training / 989.5e12 if cuda else 0.0
    print("---")
    print(f"training_seconds: {training:.1f}")
    print(f"total_seconds:    {total:.1f}")
    print(f"peak_vram_mb:     {peak:.1f}")
    print(f"mfu_percent:      {100 * share:.2f}")
    print(f"total_tokens_M:   {seen / 1e6:.1f}")
    print(f"num_steps:        {steps}")
    print(f"num_params_M:     {parameters / 1e6:.1f}")
    print(f"depth:            {DEPTH}")


@torch.inference_mode()
def serve(device):
    saved = torch.load(kit.artifacts.path("gpt.pt"), map_location=device, weights_only=True)
    # Every weight's shape follows from the vocabulary; places have none.
    model = Gpt(2048, len(saved["token.weight"])).to(device).eval()
    model.load_state_dict(saved)

    def logits(tokens):
        return model(torch.from_numpy(tokens).to(device)).cpu().numpy()

    kit.serving.serve(logits)


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    {"train": train, "serve": serve}[sys.argv[1]](device)
