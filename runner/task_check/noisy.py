"""What is known of a template's noise without a trial more: by a run of it, and by the scorer."""

from __future__ import annotations

from runner.history import scores_by_draw
from runner.journal.reader import Reader
from runner.noise.report import Noise
from runner.policy.schema import Policy
from runner.records import TrialSpec
from runner.workspace import tree_digest


def known(journal: Reader | None, spec: TrialSpec, policy: Policy, error: float | None) -> Noise:
    """Return the draws that the newest run of the same template had for its baseline.

    Args:
        journal: where runs are; absent where there never was one.
        spec: the template's trial.
        policy: the task's.
        error: of one score, as the scorer says it.
    """
    same = (spec.task, tree_digest(spec.workspace), spec.harness_digest, spec.data_digest)
    for run in reversed(journal.runs() if journal else ()):
        if (run.task, run.template_digest, run.harness_digest, run.data_digest) != same:
            continue
        baseline = journal.experiment(run.tag, 0) if journal else None
        trials = baseline.trials if baseline else ()
        own = [trial for trial in trials if trial.purpose.decides and not trial.asked_by]
        scores = scores_by_draw(own, policy.metric.name, len(policy.evaluation.splits))
        if len(scores) > 1:
            return Noise(scores=tuple(scores.values()), error=error)
    return Noise(scores=(), error=error)
