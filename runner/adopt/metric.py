"""Which number of a project's output is its metric, and which way is better; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.policy.schema import SLUG
from runner.trial.reported import NUMBER, matches, plain

LOWER = frozenset(
    (
        *("loss", "l1", "l2", "error", "err", "rmse", "mse", "mae", "mape", "perplexity", "ppl"),
        *(
            "bpb",
            "bpc",
            "nll",
            "logloss",
            "rank",
            "time",
            "seconds",
            "latency",
            "wer",
            "cer",
            "fid",
        ),
    )
)
HIGHER = frozenset(
    (
        *("acc", "accuracy", "auc", "auroc", "f1", "r2", "score", "precision", "recall", "map"),
        *("ndcg", "mrr", "bleu", "rouge", "iou", "dice", "kappa", "mcc", "correlation", "best"),
        *("reward", "return", "fitness"),
    )
)
HELD_OUT = ("val", "valid", "validation", "test", "eval", "dev", "cv", "holdout", "oof")
TRAINING = ("train", "training", "batch", "epoch", "step", "iter", "lr", "time", "seconds", "it")
FOUND = re.compile(
    rf"([A-Za-z][A-Za-z0-9_@/' -]{{0,40}}?)(\s*[:=]\s*|\s+)({NUMBER})".encode(), re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something that the output says with a number behind it."""

    pattern: str
    value: float
    """The last one."""
    minimize: bool | None
    """Absent where the name does not tell."""


def candidates(output: bytes) -> list[Candidate]:
    """Return what may be the metric, the likeliest first.

    Names that are known come before others, held-out rows before training's, last before first.
    """
    ranked: dict[str, tuple[int, int]] = {}
    lines = plain(output).split(b"\n")
    for number, line in enumerate(lines):
        for words, between, _ in FOUND.findall(line):
            name = words.decode().strip()
            label = _label(name)
            if not label or (between.isspace() and direction(label) is None):
                continue
            sign = between.decode().strip()
            apart = " " if sign and between[:1].isspace() else ""
            pattern = f"{label}{apart}{sign} {{}}"
            ranked[pattern] = (_worth(line.decode(errors="replace"), label), number)
    ordered = sorted(ranked, key=lambda pattern: ranked[pattern], reverse=True)
    return [
        Candidate(pattern=pattern, value=values[-1], minimize=direction(pattern))
        for pattern in ordered
        if (values := matches(pattern, output))
    ]


def _label(words: str) -> str:
    """Return the end of a phrase that names a number: `epoch 3 | val loss` is `val loss`."""
    last = re.split(r"[|,;\t]|\s{2,}|(?:^|\s)\d\S*", words)[-1].strip(" -/")
    return " ".join(last.split()[-5:])


def _worth(line: str, label: str) -> int:
    words = _words(label)
    if direction(label) is None:
        return 0
    worth = 2
    if any(word in HELD_OUT for word in words):
        worth += 4
    elif any(word in HELD_OUT for word in _words(line)):
        worth += 2
    if any(word in TRAINING for word in words):
        worth -= 3
    return worth + ("best" in words or "final" in words)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", text.lower().replace("_", " ")) if word]


def direction(text: str) -> bool | None:
    """Return whether less is better, by the name of what is measured."""
    words = _words(text.replace("{}", ""))
    for word in reversed(words):
        if word in LOWER:
            return True
        if word in HIGHER:
            return False
    return None


def slug(text: str) -> str:
    """Return a metric's name for a policy, from a pattern or a key."""
    words = _words(text.replace("{}", ""))
    name = "_".join(words).lstrip("0123456789_")[:40] or "score"
    return name if re.fullmatch(SLUG, name) else "score"
