"""Metrics by name: scikit-learn's, with our reading of classes, thresholds and ties in front.

Each says its direction, its scikit-learn function, what it needs of an answer, and in words how it
reads it. What a model answers is brought into one form first: of two classes a number per row that
is higher for the positive one, of more classes a row of numbers, one for each, else plain numbers.

What this does not protect against: a metric that suits the question badly.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.declared import rankings
from harness.declared.schema import Score
from harness.declared.targets import Target
from harness.raw import BadRawDataError, library
from harness.scoring.outputs import Code, InvalidOutputsError, Layout, read_array
from harness.scoring.protocol import Measured
from harness.scoring.resampling import over_rows

Array = NDArray[Any]
Needs = Literal["labels", "scores", "probabilities", "values", "positive values"]
THRESHOLD = 0.5
OURS = ("mean_reciprocal_rank", "mean_rank", "recall_at_")
"""How metrics begin that scikit-learn does not have."""
BINARY, MULTI, LABELS, NUMBERS = "binary", "multi-class", "multi-label", "regression"
RANKING = "ranking"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric for one kind of target."""

    name: str
    function: str
    """In `sklearn.metrics`, or of `rankings`."""
    higher: bool
    needs: Needs
    words: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def direction(self) -> str:
        return "maximize" if self.higher else "minimize"

    @property
    def source(self) -> str:
        """The function's full name."""
        ours = self.name.startswith(OURS)
        return rankings.OURS if ours else f"sklearn.metrics.{self.function}"


def _table() -> dict[tuple[str, str], Metric]:
    found = {}

    def add(
        name: str, function: str, needs: Needs, words: str, *kinds: str, higher: bool = True,
        **options: Any,
    ) -> None:  # fmt: skip
        for kind in kinds:
            found[kind, name] = Metric(
                name=name, function=function, higher=higher, needs=needs, words=words,
                options=options,
            )  # fmt: skip

    average = "the plain mean over the classes"
    classes = (BINARY, MULTI)
    add("accuracy", "accuracy_score", "labels", "the share of rows that are right", *classes)
    add("balanced_accuracy", "balanced_accuracy_score", "labels",
        "the mean over the classes of the share that is found", *classes)  # fmt: skip
    add("matthews_corrcoef", "matthews_corrcoef", "labels",
        "from -1 to 1, 0 for chance, all four cells counted", *classes)  # fmt: skip
    add("cohen_kappa", "cohen_kappa_score", "labels", "agreement beyond chance", *classes)
    add("cohen_kappa_quadratic", "cohen_kappa_score", "labels",
        "agreement beyond chance, for classes in an order", *classes,
        weights="quadratic")  # fmt: skip
    for score in ("f1", "precision", "recall"):
        add(score, f"{score}_score", "labels", "of the positive class", BINARY, zero_division=0)
        for how, said in (
            ("macro", average),
            ("micro", "over all decisions together"),
            ("weighted", "the mean over the classes, weighted by their rows"),
        ):
            add(f"{score}_{how}", f"{score}_score", "labels", said, MULTI, LABELS,
                average=how, zero_division=0)  # fmt: skip
    add("roc_auc", "roc_auc_score", "scores",
        "how often a positive scores above a negative; a tie counts one half", BINARY)  # fmt: skip
    add("average_precision", "average_precision_score", "scores",
        "the area under precision over recall of the positive class", BINARY)  # fmt: skip
    add("log_loss", "log_loss", "probabilities", "cross-entropy of the true class, in nats",
        *classes, higher=False)  # fmt: skip
    add("brier", "brier_score_loss", "probabilities",
        "the mean squared error of the probability", BINARY, higher=False)  # fmt: skip
    for way, said in (("ovr", "each class against the rest"), ("ovo", "each pair of classes")):
        add(f"roc_auc_{way}", "roc_auc_score", "probabilities", f"{said}; {average}", MULTI,
            multi_class=way)  # fmt: skip
    for k in (2, 3, 5):
        add(f"top_{k}_accuracy", "top_k_accuracy_score", "scores",
            f"the share of rows whose class is among the {k} highest", MULTI, k=k)  # fmt: skip
    add("roc_auc_macro", "roc_auc_score", "scores", "the mean over the labels", LABELS)
    add("average_precision_macro", "average_precision_score", "scores",
        "the mean over the labels", LABELS)  # fmt: skip
    add("ranking_average_precision", "label_ranking_average_precision_score", "scores",
        "the share of true labels above each true label", LABELS)  # fmt: skip
    add("hamming_loss", "hamming_loss", "labels", "the share of wrong labels", LABELS, higher=False)
    add("exact_match", "accuracy_score", "labels",
        "the share of rows all of whose labels are right", LABELS)  # fmt: skip
    for name, function, said in (
        ("rmse", "root_mean_squared_error", "the root of the mean squared error"),
        ("mse", "mean_squared_error", "the mean squared error"),
        ("mae", "mean_absolute_error", "the mean absolute error"),
        ("median_absolute_error", "median_absolute_error", "the median absolute error"),
        ("mape", "mean_absolute_percentage_error", "the mean error as a share of the target"),
        ("max_error", "max_error", "the largest error"),
    ):
        add(name, function, "values", said, NUMBERS, higher=False)
    add("rmsle", "root_mean_squared_log_error", "positive values",
        "the root of the mean squared error of log(1 + x)", NUMBERS, higher=False)  # fmt: skip
    add("r2", "r2_score", "values", "the share of the variance that is explained", NUMBERS)
    add("explained_variance", "explained_variance_score", "values",
        "the share of the variance, a constant offset forgiven", NUMBERS)  # fmt: skip
    of_lists = "over lists, the mean of"
    for most in (None, 5, 10):
        name, places = ("ndcg", "") if most is None else (f"ndcg_at_{most}", f", of {most} places")
        add(name, "ndcg_score", "values", f"{of_lists} the discounted gain as a share of the best"
            f"{places}", RANKING, k=most)  # fmt: skip
    add("mean_average_precision", "average_precision_score", "values",
        f"{of_lists} the area under precision over recall", RANKING)  # fmt: skip
    add("mean_reciprocal_rank", "reciprocal_rank", "values",
        f"{of_lists} one over the place of the first relevant row", RANKING)  # fmt: skip
    for k in (1, 5, 10):
        add(f"recall_at_{k}", "recall", "values",
            f"{of_lists} the share of relevant rows in the first {k}", RANKING, k=k)  # fmt: skip
    add("mean_rank", "first_rank", "values", f"{of_lists} the place of the first relevant row",
        RANKING, higher=False)  # fmt: skip
    return found


METRICS: Mapping[tuple[str, str], Metric] = _table()
USUAL = {BINARY: "roc_auc", MULTI: "log_loss", LABELS: "average_precision_macro", NUMBERS: "rmse",
         RANKING: "ndcg"}  # fmt: skip
USUAL_ALSO = {
    BINARY: ("accuracy", "log_loss"),
    MULTI: ("accuracy", "balanced_accuracy"),
    LABELS: ("f1_macro",),
    NUMBERS: ("mae", "r2"),
    RANKING: ("mean_reciprocal_rank", "recall_at_10"),
}


def chosen(kind: str, score: Score) -> tuple[Metric, tuple[Metric, ...]]:
    """Return the declared metric and those beside it, or the usual ones.

    Raises:
        BadRawDataError: one of them is none of this kind.
    """
    also = score.also if score.metric else USUAL_ALSO[kind]
    metric = find(kind, score.metric or USUAL[kind])
    return metric, tuple(find(kind, name) for name in also if name != metric.name)


def find(kind: str, name: str) -> Metric:
    """Return a metric for targets of a kind.

    Raises:
        BadRawDataError: there is none of that name; the message lists what there is.
    """
    if (kind, name) in METRICS:
        return METRICS[kind, name]
    allowed = ", ".join(metric for one, metric in METRICS if one == kind)
    if (RANKING, name) in METRICS:
        allowed += f"; {name} is one of kind: ranking, with the lists as split.column"
    raise BadRawDataError(f"score: {name!r} is no metric of a {kind} target; there are: {allowed}")


def check_values(metric: Metric, target: Target) -> None:
    """Raise `BadRawDataError` where a metric says nothing of such a target."""
    if metric.needs == "positive values" and (lowest := float(target.values.min())) < 0:
        raise BadRawDataError(
            f"score: {metric.name} is of numbers from 0 on, and the target goes down to "
            f"{lowest:g}: --metric rmse, say"
        )
    if metric.name == "max_error" and target.values.ndim > 1:
        raise BadRawDataError("score: max_error is of one number a row: --metric rmse, say")
    if metric.name == "mape" and (zeros := int((target.values == 0).sum())):
        raise BadRawDataError(
            f"score: mape divides by the target, which is 0 in {zeros} rows: --metric mae, say"
        )


def reading(kind: str, metric: Metric) -> str:
    """Say how an answer is read."""
    if kind == BINARY:
        if metric.needs == "labels":
            return f"positive from a probability of {THRESHOLD} on"
        return "the order of the numbers counts" if metric.needs == "scores" else "probabilities"
    if kind == LABELS:
        return f"a label from {THRESHOLD} on" if metric.needs == "labels" else "the order counts"
    if kind == MULTI:
        if metric.needs == "labels":
            return "the class with the highest number; of equal ones the first"
        return "a row's numbers are divided by their sum" if metric.needs == "probabilities" else (
            "the order of a row's numbers counts")  # fmt: skip
    if kind == RANKING:
        return "the order of the numbers within a list counts, ties against it"
    return "as they are"


# -- reading an answer ------------------------------------------------------------------------


def read_answer(outputs: Path, name: str, target: Target, *, needs: Needs) -> tuple[Array, bool]:
    """Return a predictor's answer, and whether it is classes alone.

    Numbers are float64, [n] or [n, classes]; classes alone are int64 [n] places among the classes.

    Raises:
        InvalidOutputsError: it is no such array, or not what the metric needs.
    """
    rows, classes = len(target.values), len(target.classes)
    shape = target.values.shape if target.kind != MULTI else (rows, classes)
    try:
        answer = read_array(outputs, name, Layout(dtype="<f8", shape=shape))
    except InvalidOutputsError as error:
        single = target.kind in (BINARY, MULTI)
        if error.code not in (Code.WRONG_DTYPE, Code.TOO_LARGE) or not single or needs != "labels":
            raise
        places = read_array(outputs, name, Layout(dtype="<i8", shape=(rows,)))
        if ((places < 0) | (places >= classes)).any():
            raise InvalidOutputsError(Code.OUTSIDE, name) from None
        return places, True
    if needs == "probabilities":
        answer = _probabilities(answer, name, target)
    if needs == "positive values" and (answer < 0).any():
        raise InvalidOutputsError(Code.NEGATIVE, name)
    return answer, False


def _probabilities(answer: Array, name: str, target: Target) -> Array:
    if (answer < 0).any():
        raise InvalidOutputsError(Code.NEGATIVE, name)
    if target.kind == BINARY:
        if (answer > 1).any():
            raise InvalidOutputsError(Code.OUTSIDE, name)
        return answer
    # Divided by the largest first: the sum of a row may be no finite number.
    largest = answer.max(axis=1, keepdims=True)
    if (largest == 0).any():
        raise InvalidOutputsError(Code.OUTSIDE, name)
    scaled: Array = answer / largest
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


# -- measuring --------------------------------------------------------------------------------


def measure(
    target: Target, answer: Array, chosen: Metric, also: tuple[Metric, ...], *,
    places: bool, order: NDArray[np.int64] | None = None, groups: NDArray[np.int64] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Return the metric with its standard error, and those beside it that the answer allows."""
    if target.kind == RANKING:
        assert groups is not None  # noqa: S101 - a ranking is of groups
        return of_lists(rankings.by_group(target.values, answer, groups), chosen, also)
    known: Any = library("sklearn.metrics", "this image holds no scikit-learn")
    found = {}
    compute = partial(_value, known, target, places=places)
    value = compute(chosen, target.values, answer)
    found[chosen.name] = value
    dealt = np.arange(len(answer)) if order is None else order
    samples = over_rows(
        lambda rows: compute(chosen, target.values[rows], answer[rows]), dealt, groups,
        calls=_calls(chosen, target),
    )  # fmt: skip
    defined = [sample for sample in samples if math.isfinite(sample)]
    if len(defined) > 1:
        found[f"{chosen.name}_se"] = float(np.std(defined, ddof=1))
    for other in also:
        if _allowed(other, target, answer, places=places):
            value = compute(other, target.values, answer)
            if math.isfinite(value):
                found[other.name] = value
    return Measured(found, samples)


def of_lists(
    lists: Iterable[rankings.List], chosen: Metric, also: tuple[Metric, ...]
) -> dict[str, float]:
    """Return metrics of a ranking, that which decides with its standard error."""
    wanted = {one.name: (one.function, one.options.get("k")) for one in (chosen, *also)}
    measured = rankings.means(lists, wanted)
    found = {name: value for name, (value, _) in measured.items()}
    if (error := measured[chosen.name][1]) is not None:
        found[f"{chosen.name}_se"] = error
    return found


def _calls(metric: Metric, target: Target) -> int:
    """Return how many measures scikit-learn makes for one metric."""
    if metric.options.get("multi_class") == "ovo":
        return len(target.classes) * (len(target.classes) - 1)
    return target.values.shape[1] if target.values.ndim > 1 else 1


def _allowed(metric: Metric, target: Target, answer: Array, *, places: bool) -> bool:
    if metric.needs == "labels" or not target.classes:
        return metric.needs != "positive values" or bool((answer >= 0).all())
    if places:
        return False
    inside = bool(((answer >= 0) & (answer <= 1)).all())
    return metric.needs == "scores" or inside


def _value(
    known: Any, target: Target, metric: Metric, truth: Array, answer: Array, *, places: bool
) -> float:
    """Return one metric of some rows; NaN where it is not defined for them."""
    options, count = dict(metric.options), len(target.classes)
    everything = list(range(count))
    if metric.needs == "labels" and not places:
        answer = (
            (answer >= THRESHOLD).astype(int) if target.kind != MULTI else answer.argmax(axis=1)
        )
    if target.kind == MULTI and metric.function in (
        "log_loss", "roc_auc_score", "top_k_accuracy_score", "f1_score", "precision_score",
        "recall_score", "cohen_kappa_score",
    ):  # fmt: skip
        options["labels"] = everything
    if metric.function == "log_loss" and target.kind == BINARY:
        options["labels"] = everything
    if target.kind == MULTI and metric.needs == "probabilities":
        answer = answer / answer.sum(axis=1, keepdims=True)
    if metric.needs in ("values", "positive values"):
        limit = math.sqrt(np.finfo(np.float64).max) / max(1, len(answer))
        answer = np.clip(answer, -limit, limit)  # what is too large to square is very wrong
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(getattr(known, metric.function)(truth, answer, **options))
    except ValueError:
        return math.nan
