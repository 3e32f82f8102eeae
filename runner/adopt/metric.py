"""Which number of a project's output is its metric, and which way is better; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.policy.schema import SLUG
from runner.trial.reported import NUMBER, matches, plain

LOWER = frozenset(
    (
        *("l1", "l2", "err", "mape", "ppl", "bpb", "bpc", "nll", "rank", "time", "seconds", "kl"),
        *("latency", "wer", "cer", "fid", "brier", "deviance", "regret", "distance", "ece", "eer"),
    )
)
HIGHER = frozenset(
    (
        *(
            "f1",
            "r2",
            "squared",
            "auroc",
            "auprc",
            "ap",
            "map",
            "em",
            "prec",
            "precision",
            "recall",
        ),
        *("ndcg", "mrr", "bleu", "rouge", "dice", "kappa", "mcc", "correlation", "pearson", "top"),
        *("spearman", "psnr", "ssim", "likelihood", "elbo", "reward", "return", "fitness", "gini"),
    )
)
ENDS = (
    (re.compile("(loss|error|mse|mae|rmsle|perplexity|entropy|cost)$"), True),
    (re.compile("(accuracy|acc|auc|iou|sensitivity|specificity)$"), False),
)
"""How the name of a metric ends, as in `mlogloss`, `valLoss` and `mIoU`; whether less is better."""
HELD_OUT = ("val", "valid", "validation", "test", "eval", "dev", "cv", "holdout", "oof")
TRAINING = ("train", "training", "batch", "epoch", "step", "iter", "lr", "time", "seconds", "it")
FOUND = re.compile(
    rb"(?<![\w.-])([a-z\x80-\xff][\w@/'\"^()% \x80-\xff-]{0,80}?)"
    rb"((?:\s*(?:[:=]|->)\s*|[ \t]*(?:\||\xe2\x94[\x82\x83])[ \t]*|(?P<white>\s+))(?:[\w.]*[(\[])?)"
    + rf"((?>{NUMBER}))(?(white)(?!\s+[a-z][a-z ]*[:=]\s*{NUMBER}))".encode(),
    re.IGNORECASE,
)
"""A name, what is between (`: `, ` = tensor(`, a table's bar, white space), and a number.

A number behind white space may be in the middle of a name: `accuracy on 10000 images: 97`."""
BARS = "|\N{BOX DRAWINGS LIGHT VERTICAL}\N{BOX DRAWINGS HEAVY VERTICAL}"
ALONE = "{}"
AROUND = 200
"""Bytes of a line before a name that may say of what it is."""


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
        for found in FOUND.finditer(line):
            label = _label(found[1].decode(errors="ignore").strip())
            sign = found[2].decode(errors="ignore").strip()
            plainly = not re.search("[:=>]", sign)
            if not label or (plainly and direction(label) is None):
                continue
            apart = " " if sign and found[2][:1].isspace() else ""
            pattern = f"{label}{apart}{sign} {{}}"
            around = line[max(0, found.start() - AROUND) : found.end()]
            ranked[pattern] = (_worth(around.decode(errors="replace"), label), number)
    last = next((line for line in reversed(lines) if line.strip()), b"")
    if matches(ALONE, last):
        ranked[ALONE] = (1, len(lines))
    ordered = sorted(ranked, key=lambda pattern: ranked[pattern], reverse=True)
    return [
        Candidate(pattern=pattern, value=values[-1], minimize=direction(pattern))
        for pattern in ordered
        if (values := matches(pattern, output))
    ]


def _label(words: str) -> str:
    """Return the end of a phrase that names a number: `epoch 3 | val loss` is `val loss`."""
    phrase = re.split(rf"[{BARS},;\t]|\s{{2,}}|\b(?:INFO|DEBUG|WARNING)\b", words)[-1]
    named = re.split(r"(?:^|\s)\d\S*", phrase)[-1]
    # `accuracy on 10000 images` says what it is before its last number.
    last = named if direction(named) is not None or direction(phrase) is None else phrase
    return " ".join(last.strip(" -/").split()[-12:])


def _worth(line: str, label: str) -> int:
    words = _words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label))
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
    words = _words(
        re.sub("r(?:\\^|\\*\\*)2|r\N{SUPERSCRIPT TWO}", "r2", text.replace("{}", ""), flags=re.I)
    )
    negative = not {"neg", "negative"}.isdisjoint(words)
    for word in reversed(words):
        known = {word, word.rstrip("0123456789")}  # as in `acc1` and `top5`
        by_end = (lower for end, lower in ENDS if any(map(end.search, known)))
        less = next(
            by_end, None if known.isdisjoint(LOWER | HIGHER) else not known.isdisjoint(LOWER)
        )
        if less is not None:
            return less != negative
    return negative if "score" in words or words[-1:] == ["fscore"] else None


def slug(text: str) -> str:
    """Return a metric's name for a policy, from a pattern or a key."""
    words = _words(re.sub(r"[\w.]*[(\[]\s*\{\}", "", text).replace("{}", ""))
    name = "_".join(words).lstrip("0123456789_")[:40] or "score"
    return name if re.fullmatch(SLUG, name) else "score"
