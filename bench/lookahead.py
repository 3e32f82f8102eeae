"""How much honest models differ from asking to asking, and what of looking ahead goes unseen.

    python bench/lookahead.py TEXT [--steps N]

TEXT is tinyshakespeare.txt. Needs torch beside numpy, rich and click, so not the project's own
environment: `pip install torch numpy rich click` in another. Trains the templates of shakespeare
and nanochat and a recurrent network for so many steps, and prints three tables: the differences of
honest models by precision and shape of the questions; cheats, drawn many times against the
product's own functions; and the gain that goes unseen by the formula of docs/served.md, with the
most surprising positions as they are.
"""

from __future__ import annotations

import copy
import importlib.util
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "harness")]  # the product, and `kit` as templates see it

from harness import sealing, tasks  # noqa: E402
from harness.arrays import from_npy  # noqa: E402
from harness.mounts import under  # noqa: E402
from harness.scoring.causality import Finding, compare, draw_probe  # noqa: E402
from harness.scoring.served import MOST_ROWS, Served, true_log_probabilities  # noqa: E402

Answer = Callable[[torch.Tensor], torch.Tensor]
Floats = np.ndarray[Any, np.dtype[np.float64]]

HONEST_WINDOWS, DRAWS = 64, 100
MIN_GAIN = 0.05
NAT = 1 / math.log(2)
"""In bits."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model, and the text that it is asked about."""

    name: str
    model: nn.Module
    served: Served

    @property
    def unit(self) -> float:
        return float(self.served.token_bytes[self.served.windows[:, 1:]].mean())


class Rnn(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.token, self.out = nn.Embedding(256, width), nn.Linear(width, 256)
        self.remember = nn.GRU(width, width, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(self.remember(self.token(tokens))[0])
        return logits


def template(task: str) -> ModuleType:
    path = ROOT / "workspace-template" / task / "train.py"
    spec = importlib.util.spec_from_file_location(task, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained(text: Path, steps: int) -> Iterator[Trained]:
    data = {task: prepared(task, text) for task in ("shakespeare", "nanochat")}
    for name, task, make in (
        ("shakespeare", "shakespeare", template("shakespeare").Gpt),
        ("recurrent", "shakespeare", Rnn),
        ("nanochat", "nanochat", template("nanochat").Gpt),
    ):
        tokens, served = data[task]
        torch.manual_seed(1)
        sizes = (served.windows.shape[1] - 1, len(served.token_bytes))
        model = make(*sizes) if name == "nanochat" else make()
        yield Trained(name=name, model=fit(model, tokens, steps), served=served)


def prepared(task: str, text: Path) -> tuple[torch.Tensor, Served]:
    """Return the tokens to train on, and what is scored."""
    module = importlib.import_module(f"{tasks.__name__}.{task}")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        raw.mkdir()
        (raw / "tinyshakespeare.txt").write_bytes(text.read_bytes())
        mounts, built = under(Path(folder)), module.build(0, raw)
        sealing.write(built, task=task, seed=0, mounts=mounts)
        served = module.deal(mounts.sealed, "holdout", "train")
    name = "train/text.npy" if task == "shakespeare" else "train/tokens.npy"
    return torch.from_numpy(from_npy(built.public[name]).astype(np.int64)), served


def fit(model: nn.Module, tokens: torch.Tensor, steps: int, block: int = 128) -> nn.Module:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        starts = torch.randint(len(tokens) - block, (16, 1))
        windows = tokens[starts + torch.arange(block + 1)]
        loss = functional.cross_entropy(
            model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


# -- honest models ----------------------------------------------------------------------------


def precisions(model: nn.Module) -> dict[str, Answer]:
    narrow = copy.deepcopy(model).to(torch.bfloat16)

    def mixed(tokens: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            answer: torch.Tensor = model(tokens)
            return answer

    return {
        "float32": model,
        "float32, compiled": torch.compile(model),
        "bfloat16, autocast": mixed,
        "bfloat16, weights too": narrow,
    }


@torch.inference_mode()
def asked(answer: Answer, tokens: np.ndarray, targets: np.ndarray, rows: int) -> Floats:
    """Return log-probabilities of the targets, asked in an order of its own, so many at a time."""
    found = np.empty(tokens.shape)
    order = np.random.default_rng(rows).permutation(len(tokens))
    for start in range(0, len(tokens), rows):
        chosen = order[start : start + rows]
        values = answer(torch.from_numpy(tokens[chosen].astype(np.int64))).float().numpy()
        for row, one in zip(chosen, values, strict=True):
            found[row] = true_log_probabilities(one, targets[row])
    return found


def honest(one: Trained) -> Iterator[tuple[str, str, Finding]]:
    windows = one.served.windows[:HONEST_WINDOWS, :-1]
    targets = one.served.windows[:HONEST_WINDOWS, 1:]
    probe = draw_probe(windows, one.served.donor, np.random.default_rng(1))
    answers = precisions(one.model)

    def differ(a: Answer, b: Answer, rows: int) -> Finding:
        scored = asked(a, windows, targets, MOST_ROWS)
        probed = asked(b, probe.questions[0], targets, rows)[None]
        return compare(scored, probed, probe.lengths[:1], unit=1.0, min_gain=0)

    for precision, answer in answers.items():
        for rows in (MOST_ROWS, 24, 1) if "compiled" not in precision else (MOST_ROWS, 24):
            yield precision, f"{MOST_ROWS} and {rows} rows", differ(answer, answer, rows)
    single, mixed, narrow = (
        answers[name] for name in ("float32", "bfloat16, autocast", "bfloat16, weights too")
    )
    yield "float32 and compiled", "rounded otherwise", differ(single, torch.compile(one.model), 24)
    yield "float32 and bfloat16", "rounded otherwise", differ(single, mixed, 24)
    yield "bfloat16, both kinds", "rounded otherwise", differ(mixed, narrow, 24)


# -- cheats -----------------------------------------------------------------------------------


def cheats(surprise: Floats, random: np.random.Generator) -> Iterator[tuple[str, Floats]]:
    """Yield what A gains at every position, in bits; B is honest where it is asked."""
    for gain in (0.008, 0.012, 0.02, 0.06):
        yield f"one-sided, {gain} bits everywhere", np.full(surprise.shape, gain)
    for gain in (0.02, 0.06, 0.10):
        up = random.random(surprise.shape) < (1 + gain / NAT) / 2
        yield "in balance, a nat up or down, a little more often up", np.where(up, 1, -1) * NAT
    hard = surprise > 2
    yield "adaptive: a tenth of the surprise where it is beyond 2 bits", 0.1 * surprise * hard
    order = np.sort(surprise.ravel())
    for positions in (1, 3, 6, 12):
        least = order[-round(positions * surprise.size / surprise.shape[0])]
        name = f"the whole surprise, at the most surprising {positions} in {surprise.shape[0]}"
        yield name, surprise * (surprise >= least)
    last = np.zeros(surprise.shape)
    last[:, -1] = np.where(random.random(len(last)) < 0.5, surprise[:, -1], 0)
    yield "the last position alone, from another row, every second time", last


def drawn(one: Trained, gains: Floats, random: np.random.Generator) -> tuple[float, float]:
    """Return the share of draws that refuse, and the median root mean square in bits per byte."""
    windows = one.served.windows[:, :-1]
    found = []
    for _ in range(DRAWS):
        lengths = draw_probe(windows, one.served.donor, random).lengths
        probed = np.zeros((*lengths.shape, windows.shape[1]))
        at = (np.arange(len(lengths))[:, None], np.arange(len(windows)), lengths - 1)
        probed[at] = -gains[at[1], at[2]] / NAT
        scored = np.zeros(windows.shape)
        found.append(compare(scored, probed, lengths, unit=one.unit, min_gain=MIN_GAIN))
    refused = [finding.looks_ahead or finding.inconsistent for finding in found]
    return float(np.mean(refused)), float(np.median([finding.at_the_cut for finding in found]))


# -- the bound --------------------------------------------------------------------------------


def unseen(surprise: Floats, probes: int, trials: int, unit: float) -> tuple[float, float, float]:
    """Return bits per byte that hide between the cuts, within the tolerance, and both.

    With 95 % confidence, over so many trials that must all pass; docs/served.md has the formula.
    """
    order = np.sort(surprise.ravel())[::-1]
    seen = np.cumsum(1 - 2**-order) / order.size  # a cut there, but for B's guessing the token
    hidden = order[seen <= 3 / (probes * trials)].sum() / order.size / unit
    tolerance = max(MIN_GAIN / 5, 0.01 / unit)
    within = {1: 2.40, 2: 1.97}[trials] * tolerance
    return hidden, within, hidden + within


def table(title: str, *columns: str) -> Table:
    found = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        found.add_column(column, justify="left" if place == 0 else "right")
    return found


@click.command()
@click.argument("text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--steps", default=500, show_default=True)
def main(text: Path, steps: int) -> None:
    torch.set_num_threads(1)
    random = np.random.default_rng(1)
    truth = table(
        "honest models", "model", "precision", "asked in", "rms, bits/token", "largest, nats"
    )
    lies = table("cheats", "task", "what it gains", "gain, bits/byte", "rms, bits/byte", "refused")
    bound = table(
        "unseen with 95 % confidence, bits/byte",
        "task", "probes a trial", "trials", "between the cuts", "within the tolerance", "together",
    )  # fmt: skip
    models = list(trained(text, steps))
    for one in models:
        for precision, shape, finding in honest(one):
            truth.add_row(
                one.name, precision, shape,
                f"{finding.at_the_cut:.1e}", f"{finding.largest_nats:.1e}",
            )  # fmt: skip
    console = Console(width=120)
    console.print(truth)
    for one in models:
        if one.name == "recurrent":
            continue
        windows, targets = one.served.windows[:, :-1], one.served.windows[:, 1:]
        surprise = -asked(one.model, windows, targets, MOST_ROWS) * NAT
        console.print(f"{one.name}: {surprise.mean() / one.unit:.3f} bits per byte")
        for name, gains in cheats(surprise, random):
            refused, rms = drawn(one, gains, random)
            gain = gains.mean() / one.unit
            lies.add_row(one.name, name, f"{gain:.4f}", f"{rms:.3f}", f"{refused:.1%}")
        probes = draw_probe(windows, one.served.donor, random).lengths.size
        for trials in (1, 2):
            hidden = (f"{value:.3f}" for value in unseen(surprise, probes, trials, one.unit))
            bound.add_row(one.name, str(probes), str(trials), *hidden)
    console.print(lies)
    console.print(bound)


if __name__ == "__main__":
    main()
