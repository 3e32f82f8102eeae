"""What one trial is, as a value; the one place where it is put together."""

from __future__ import annotations

from runner.policy.schema import Policy
from runner.records import Files, Purpose, TrialSpec


def specification(
    policy: Policy,
    *,
    run: str,
    experiment: int,
    purpose: Purpose,
    split: str,
    index: int,
    seed: int,
    image_id: str,
    scorer_image_id: str,
    data_digest: str,
    harness_digest: str,
    workspace: Files,
) -> TrialSpec:
    """Return the trial of one (split, draw) under a policy."""
    return TrialSpec(
        run=run,
        experiment=experiment,
        purpose=purpose,
        task=policy.task,
        split=split,
        index=index,
        seed=seed,
        shape=policy.shape,
        predictors=policy.evaluation.predict,
        image_id=image_id,
        scorer_image_id=scorer_image_id,
        workspace=workspace,
        mutable=policy.patterns.among(workspace),
        notes=policy.files.notes,
        data_digest=data_digest,
        harness_digest=harness_digest,
        resources=policy.resources_record(),
        budget=policy.budget_record(),
        scratch=policy.files.scratch,
        reported=policy.reported_record(),
        min_gain=policy.decision.min_gain,
    )
