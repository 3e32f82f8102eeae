"""What a project said of itself when it was adopted, beside the score of its sealed template.

The two are measured on different rows, so they differ by chance. Where they differ by more, sealing
asks another program than the script scores: a lost scaler is the usual one.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from runner import paths
from runner.policy.schema import Policy
from runner.task_check.playing import Played

ORIGIN = "adopted.json"
"""In the sealed task's folder of the harness."""
NOISE = 2.0
"""Standard errors of a difference, beyond which two scores are not the same."""


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """The adopted project's first run."""

    project: str
    metric: str
    score: float
    same: bool
    """Whether the project's number is the metric that the sealed task measures."""


def origin(project: str, metric: str, score: float, *, same: bool) -> str:
    """Return what a sealed task keeps of the project that it was made of."""
    return json.dumps(asdict(Adopted(project=project, metric=metric, score=score, same=same)))


def reported(task: str) -> Adopted | None:
    """Return what the project said that a task was made of, if it was made of one."""
    path = paths.task_harness(task) / ORIGIN
    return Adopted(**json.loads(path.read_text())) if path.is_file() else None


def compared(adopted: Adopted, policy: Policy, template: Played) -> str:
    """Say whether two scores agree, as far as their noise lets one tell."""
    said = f"{adopted.project} said {adopted.metric} {adopted.score:.6g} of itself"
    if template.score is None:
        return f"{said}, and the sealed template has no score"
    if not adopted.same:
        return f"{said}, which is another number than {policy.metric.name}"
    score = adopted.score
    if abs(template.score) <= 1 < abs(score) <= 100 and policy.metric.direction == "maximize":
        score /= 100  # a percentage
    if template.error is None:
        return f"{said}, sealed it is {template.score:.6g}"
    # The project's own test rows are other ones, and about as many.
    noise = NOISE * math.sqrt(2) * template.error
    if abs(score - template.score) <= noise:
        return f"{said}, sealed it is {template.score:.6g}: they agree within noise ({noise:.2g})"
    return (
        f"{said}, SEALED IT IS {template.score:.6g}, more apart than noise ({noise:.2g}): it "
        "trains on fewer rows, or predict.py leaves out what the script does to its test rows"
    )
