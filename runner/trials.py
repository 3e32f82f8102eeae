"""Trials of a run: what one is, by its place, and what is written down when it ended."""

from __future__ import annotations

from runner.journal.entries import RESULTS
from runner.records import Place, Purpose, TrialRecord, TrialResult, TrialSpec
from runner.session import Session
from runner.trial.specification import specification


def specified(session: Session, purpose: Purpose, place: Place) -> TrialSpec:
    policy, attempt = session.policy, session.read(place.experiment).attempt_commit
    if attempt is None:
        raise ValueError("a trial before its attempt was kept")
    return specification(
        policy,
        run=session.run.tag,
        experiment=place.experiment,
        purpose=purpose,
        split=place.split,
        index=place.index,
        seed=session.seed(purpose, place.split, place.index),
        image_id=session.run.image_id,
        scorer_image_id=session.run.scorer_image_id,
        data_digest=session.run.data_digest,
        harness_digest=session.run.harness_digest,
        workspace=session.workspace.files(attempt),
    )


def ended(session: Session, asked_by: int, spec: TrialSpec, result: TrialResult) -> None:
    """Keep a trial's output for the person, and record it."""
    for stage, output in result.logs.items():
        name = f"{spec.purpose}-{spec.split}-{spec.index}"
        write_log(session, spec.experiment, name, stage, output)
    trial = TrialRecord(
        purpose=spec.purpose,
        split=spec.split,
        index=spec.index,
        seed=spec.seed,
        asked_by=asked_by,
        result=result,
    )
    entry = session.journal.trial_ended(session.run.tag, spec.experiment, trial)
    # The event log is a witness of the journal's results.
    witnessed = {"seq": entry.seq, "chain": entry.chain} if entry.kind in RESULTS else {}
    session.log.info(
        "trial.ended",
        experiment=spec.experiment,
        purpose=spec.purpose,
        split=spec.split,
        seed=spec.seed,
        status=result.status,
        reason=result.reason,
        self_modified=list(result.self_modified),
        wall_seconds=round(result.wall_seconds, 3),
        overhead_seconds=round(result.overhead_seconds, 3),
        peak_memory_bytes=result.peak_memory_bytes,
        peak_gpu_memory_bytes=result.peak_gpu_memory_bytes,
        **witnessed,
    )


def write_log(session: Session, number: int, trial: str, stage: str, output: bytes) -> None:
    path = session.state.log(session.run.tag, number, trial, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(output)
