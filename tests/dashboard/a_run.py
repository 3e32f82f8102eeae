"""A run to look at: the real loop, review, rule, journal and repository around made-up trials.

The score of a program follows from its constants, with noise; an agent changes one at a time.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from fakes import SHIPPED, TAG, FakeSandbox, crashed, make_session, timed_out

from runner import paths
from runner.records import (
    Change,
    Curve,
    ModelCall,
    Proposal,
    Purpose,
    Score,
    TrialResult,
    TrialSpec,
    TrialStatus,
    Usage,
)
from runner.scheduler import run_loop
from runner.seams import Context, Supervisor
from runner.session import Session

BEST = {
    "LEARNING_RATE": (1.1e-3, 4.0, "optimiser"),
    "WEIGHT_DECAY": (0.012, 0.9, "optimiser"),
    "WARMUP_STEPS": (45.0, 1.1, "schedule"),
    "BATCH_SIZE": (128.0, 2.2, "batch"),
    "EXPERT_BATCH_SIZE": (24.0, 0.5, "experts"),
    "EXPERT_PROBABILITY": (0.55, 1.4, "experts"),
    "EXPERT_WEIGHT": (0.25, 1.2, "experts"),
    "MIXUP_BETA": (0.5, 0.4, "augmentation"),
    "PROJECTION": (112.0, 1.6, "architecture"),
    "LOGIT_SCALE_MAX": (30.0, 1.5, "loss"),
}
"""Constant → where it is best, how much a factor of e away from there costs, and its category."""
WHY = {
    "optimiser": "the loss still falls when the budget ends",
    "schedule": "the first steps look unstable",
    "batch": "a contrastive loss learns from its negatives",
    "experts": "the boxes say where the phrases are, and are hardly used",
    "augmentation": "the encoder has seen every print many times",
    "architecture": "the embeddings may be the bottleneck",
    "loss": "the similarities saturate early",
}
NOISE = 0.7


def constants(source: bytes) -> dict[str, float]:
    found = re.findall(rb"^([A-Z_]+) = ([0-9.e+-]+)", source, re.MULTILINE)
    return {name.decode(): float(value) for name, value in found}


def level(source: bytes) -> float:
    known = constants(source)
    return 34.0 + sum(
        cost * math.log(known[name] / best) ** 2 for name, (best, cost, _) in BEST.items()
    )


@dataclass
class Clock:
    """Goes by what trials and thoughts say that they took."""

    seconds: float = 0.0
    began: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1.5))

    def now(self) -> str:
        return (self.began + timedelta(seconds=self.seconds)).isoformat(timespec="milliseconds")

    def monotonic(self) -> float:
        return self.seconds


CLOCK = Clock()


@contextmanager
def made_up_time() -> Iterator[None]:
    """Have a run that is made in seconds say that it took an evening."""
    clock = SimpleNamespace(monotonic=CLOCK.monotonic)
    with (
        patch("runner.journal.store.now", CLOCK.now),
        patch("runner.proposals.opening.now", CLOCK.now),
        patch("runner.scheduler.time", clock),
    ):
        yield


def answer(spec: TrialSpec) -> TrialResult:
    source = spec.workspace["train.py"].content
    known, draw = constants(source), random.Random(f"{spec.seed} {source!r}")  # noqa: S311
    if known["BATCH_SIZE"] > 220:
        return crashed("train: ran out of memory: 4.0 GiB of 4.0 GiB", limit="memory")
    if known["PROJECTION"] > 230:
        return timed_out()
    locked = spec.purpose is Purpose.AUDIT
    score = level(source) * (1.04 if locked else 1.0) + draw.gauss(0, NOISE)
    loss = tuple(
        (float(step), round(0.6 + 3.4 * math.exp(-step / 40) + draw.gauss(0, 0.03), 4))
        for step in range(0, 200, 4)
    )
    seconds = draw.uniform(7.5, 8.4)
    CLOCK.seconds += seconds
    printed = "".join(f"step {int(step):4d}  loss {value:.4f}\n" for step, value in loss[::5])
    return TrialResult(
        status=TrialStatus.SCORED,
        reason="scored",
        score=Score(metrics={"mean_rank": score, "mean_rank_se": 1.1, "recall_at_10": 0.31}),
        curves=(Curve(name="loss", points=loss),),
        wall_seconds=seconds,
        overhead_seconds=0.4,
        cpu_seconds=seconds * 1.8,
        peak_memory_bytes=int(draw.uniform(0.9, 1.3) * 2**30),
        logs={"train": printed.encode()},
    )


@dataclass
class Researcher:
    """Changes one constant by a factor, and says why."""

    count: int
    draw: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311
    name: str = "claude"
    isolation: str = "api"
    ahead: int = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        if context.number > self.count:
            return None
        call = self._call(context.number)
        CLOCK.seconds += call.seconds / 10
        supervisor.record(call)
        supervisor.said("user", f"Propose experiment {context.number} now.")
        source = context.files["train.py"].content
        if context.number % 23 == 9:
            text = source.replace(b"import math\n", b"import math\nimport subprocess\n")
            return Proposal(
                hypothesis="Read the machine's load to choose the number of threads.",
                category="infrastructure",
                changes=(Change(path="train.py", content=text),),
            )
        known = constants(source)
        name = self.draw.choice(list(BEST))
        before = known[name]
        factor = self.draw.choice([0.3, 0.5, 0.7, 1.4, 2.0, 3.0])
        whole = before == int(before) and before >= 8
        after = max(8, round(before * factor)) if whole else float(f"{before * factor:.3g}")
        after = min(after, 0.95) if name == "EXPERT_PROBABILITY" else after
        pattern = rf"^{name} = [0-9.e+-]+".encode()
        text = re.sub(pattern, f"{name} = {after:g}".encode(), source, flags=re.MULTILINE)
        category = BEST[name][2]
        more = "Raise" if after > before else "Lower"
        return Proposal(
            hypothesis=f"{more} {name} from {before:g} to {after:g}: {WHY[category]}.",
            category=category,
            changes=(Change(path="train.py", content=text),),
            expectation=f"The mean rank falls by about {self.draw.choice([1, 1.5, 2])}.",
            takeaway="The last change moved less than a repeat does, so turn elsewhere.",
            model="claude-opus-5-5",
        )

    def _call(self, number: int) -> ModelCall:
        return ModelCall(
            experiment=number,
            agent="claude",
            model="claude-opus-5-5",
            usage=Usage(
                input_tokens=900, output_tokens=self.draw.randrange(900, 2600),
                cache_read_tokens=14_000 + 90 * number, cache_write_5m_tokens=700,
            ),
            usd=self.draw.uniform(0.03, 0.09),
            seconds=self.draw.uniform(20, 70),
            outcome="tool_use",
        )  # fmt: skip


@contextmanager
def session(folder: Path, **more: Any) -> Iterator[Session]:
    """Yield the session of a run of eclip below a folder, under the shipped policy."""
    template = paths.template("eclip")
    sandbox = FakeSandbox(more.pop("results", answer))
    with make_session(folder, sandbox, policy_text=SHIPPED, template=template, **more) as made:
        yield made


def make(folder: Path, experiments: int, tag: str = TAG, **more: Any) -> Path:
    """Make a run of so many experiments; return the state folder."""
    with session(folder, tag=tag, **more) as made:
        run_loop(made, Researcher(experiments), experiments=experiments)
        made.journal.event(
            tag, "run.ended", reason=f"all {experiments} experiments", outcome="done"
        )
    return folder / "state"
