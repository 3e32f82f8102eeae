"""What a number's name says: whether it is worth tuning, and how far it may go.

A name is cut into words, so that `--num-workers`, `num_workers` and `numWorkers` are the same.
Where a program only *uses* a number, in a call or a variable, its name must be a known one. Where
it *declares* settings, every number counts whose name is not among those that are never tuned.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+")
SHOWABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")
LARGEST = 1e15
SEEDS = frozenset({"seed", "seeds", "rng"})
NEVER_SECTIONS = frozenset(
    (
        *("eval", "evaluation", "test", "testing", "val", "valid", "validation", "holdout"),
        *("split", "splits", "cv", "log", "logging", "logger", "wandb", "path", "paths"),
        *("checkpoint", "checkpoints"),
    )
)
"""Nothing below such a section of a configuration is tuned."""
NEVER = NEVER_SECTIONS | frozenset(
    (
        *("dir", "directory", "file", "files", "filename", "folder", "root", "url", "uri"),
        *("port", "host", "address", "device", "devices", "gpu", "gpus", "cuda", "cpu", "cpus"),
        *("worker", "workers", "job", "jobs", "thread", "threads", "process", "processes"),
        *("rank", "world", "prefetch", "pin", "cache", "memory", "bits", "version", "format"),
        *("timeout", "time", "seconds", "minutes", "hours", "deadline", "budget"),
        *("fold", "folds", "evaluate", "state", "verbose", "verbosity", "debug", "print"),
        *("report", "display", "plot", "figure", "dpi", "save", "ckpt", "snapshot", "profile"),
        *("interval", "every", "freq", "frequency"),
        *("vocab", "vocabulary", "classes", "label", "labels", "target", "targets", "column"),
        *("columns", "index", "id", "ids", "input", "inputs", "output", "outputs", "image"),
        *("images", "img", "resolution", "year", "date", "limit", "nrows"),
        *("use", "is", "no", "do", "with", "enable", "disable", "flag"),
    )
)
"""A name with one of these words is not tuned: paths, the machine, splits and the evaluation,
reports, what the data is like, and switches."""
NEVER_SIZES = re.compile(
    r"(n|num|number|max|total|count)_(of_)?(\w+_)?"
    r"(samples|examples|rows|records|points|items|documents|features|channels|tokens)"
    r"|(\w+_)?(train|data|dataset|sample|subset|chunk)_"
    r"(size|frac|fraction|ratio|share|percent|samples|rows|rate|len|length)"
    r"|(in|out)_(channels|features|dim|size|planes)"
)
"""The size of the data, which the data decides."""
KNOWN = re.compile(
    r"(\w+_)?(lr|learning_rate)(_\w+)?|eta|eta_min|lr\d"
    r"|(\w+_)?weight_decay|wd|decay|ema_decay|momentum|betas?|beta_?[12]|alpha|gamma|rho"
    r"|lambda|lambda_\w+|lambd|l1|l2|l1_ratio|c|reg|reg_alpha|reg_lambda|penalty|sigma"
    r"|(\w+_)?dropout(_\w+)?|drop_(rate|prob|path|path_rate)|(label_)?smoothing|var_smoothing"
    r"|((per_device_)?train_|mini_?|micro_)?batch_?size|bs"
    r"|(num_|n_|max_)?(train_)?(epochs?|iters?|iterations|steps)|num_boost_round"
    r"|(\w+_)?warmup(_\w+)?|temperature|mixup(_\w+)?|cutmix(_\w+)?|noise|margin"
    r"|(grad_?|gradient_)?clip(_\w+)?|max_(grad_)?norm|accumulation_steps|patience|step_size"
    r"|hidden(_\w+)?|n_hidden|width|depth|units|filters|dim|(\w+_)?(embed|embd|model|ff)_dim"
    r"|n_embd|n_embed|embedding_(dim|size)|embed_(dim|size)|d_(model|ff|hidden)|dim_feedforward"
    r"|(n|num)_(layers?|heads?|blocks|hidden_layers|attention_heads|units|filters)"
    r"|(block|context|window)_(size|length)|n_estimators|n_neighbors|n_components|n_clusters"
    r"|max_depth|max_features|max_leaf_nodes|max_leaves|num_leaves|max_bin|min_df|max_df"
    r"|min_(samples_leaf|samples_split|child_weight|child_samples|data_in_leaf|split_gain)"
    r"|subsample|colsample_\w+|(feature|bagging)_fraction|early_stopping_rounds|scale_pos_weight"
    r"|l2_leaf_reg|degree|n_iter|max_iter"
)
"""Names of settings that people tune, whole."""
LISTED = re.compile(
    r"betas|hidden(_\w+)?|layers|units|filters|widths|dims|channels|hidden_layer_sizes"
)
"""Settings whose value is a list or tuple of numbers, each to be tuned."""
BELOW_ONE = re.compile(
    r"(\w+_)?dropout(_\w+)?|drop_(rate|prob|path|path_rate)|(\w+_)?smoothing|momentum"
    r"|betas?|beta_?[12]|rho|(\w+_)?ema(_decay)?|(\w+_)?prob(ability)?"
)
SHARE = re.compile(
    r"subsample|colsample_\w+|max_(features|samples)|(\w+_)?(fraction|frac|share|ratio)"
)
SIZE = re.compile(
    r"(\w+_)?batch(_?size)?|bs|(\w+_)?(width|dim|size|units|filters|channels|embd|embed|hidden)"
    r"|hidden(_\w+)?|d_(model|ff|hidden)|dim_feedforward|(\w+_)?heads?|max_bin|(\w+_)?length"
)


@dataclass(frozen=True, kw_only=True)
class Range:
    """Between which values a number may go, both included."""

    low: float
    high: float
    log: bool = False
    odd: int | None = None
    """For a size: the values are this times a power of two."""


def words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]


def leaf(name: str) -> str:
    """Return what the last part of a dotted name says, in words joined by underscores."""
    *above, last = name.split(".")
    if above and last.isdigit():  # an element of a list
        return leaf(".".join(above))
    if above and last in ("p", "rate") and "dropout" in above[-1].lower():
        return "dropout"
    return "_".join(words(last))


def is_known(name: str) -> bool:
    """Say whether people tune what is called so, wherever it stands."""
    return KNOWN.fullmatch(leaf(name)) is not None


def is_seed(name: str) -> bool:
    return not SEEDS.isdisjoint(words(name)) or "random_state" in leaf(name)


def is_never_tuned(name: str) -> bool:
    """Say whether a name is of a path, a split, a seed, the machine, or a size of the data."""
    if is_seed(name) or not NEVER_SECTIONS.isdisjoint(words(name.rpartition(".")[0])):
        return True
    last = leaf(name)
    never = not NEVER.isdisjoint(last.split("_")) or NEVER_SIZES.fullmatch(last) is not None
    return never and not is_known(name)


def is_share(name: str) -> bool:
    """Say whether a name is of what lies between 0 and 1, as a rule."""
    last = leaf(name)
    return (BELOW_ONE.fullmatch(last) or SHARE.fullmatch(last)) is not None


def is_all(name: str, value: float) -> bool:
    """Say whether a 1 means all of something, as in `subsample=1`, so that a fraction may follow.

    In `max_features=1` it is a count.
    """
    return value == 1 and is_share(name) and leaf(name) not in ("max_features", "max_samples")


def range_of(name: str, value: float, *, whole: bool) -> Range | None:
    """Return how far a number may go, by its name and value; `None` where nothing says it."""
    last = leaf(name)
    if not whole and 0 <= value < 1 and BELOW_ONE.fullmatch(last):
        if value > 0.5:  # what is close to one is measured by its distance from it
            return Range(low=max(0.0, 1 - 4 * (1 - value)), high=1 - (1 - value) / 4)
        return Range(low=0.0, high=0.5 if value <= 0.25 else 0.8)
    if not 0 < value < LARGEST:
        return None
    if not whole:
        most = 1.0 if value <= 1 and is_share(name) else math.inf
        return Range(low=value / 4, high=min(value * 4, most), log=True)
    if SIZE.fullmatch(last):
        odd = size = int(value)
        while odd % 2 == 0:
            odd //= 2
        return Range(low=max(odd, size // 4), high=size * 4, log=True, odd=odd)
    return Range(low=max(1, math.floor(value / 4)), high=math.ceil(value * 4), log=True)
