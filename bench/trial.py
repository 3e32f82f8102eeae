"""The supervisor's own time per trial: wall time beyond what the code inside ran.

    python bench/trial.py [REPEATS]

Every container is cold. The code inside does next to nothing, so what is left is ours.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runner import data, engines, rooms
from runner.engines import images
from runner.policy.load import load_policy
from runner.records import EXECUTABLE, File, Purpose, TrialResult, TrialSpec
from runner.trial import TrialRunner

SCRIPT = b"""#!/bin/sh
exec python -u -P /workspace/train.py "$@"
"""
HONEST = b"""
import sys
if sys.argv[1] == "predict":
    import kit, numpy
    count = len(kit.inputs.load(sys.argv[2]))
    kit.outputs.save("embeddings", numpy.ones((count, 4), numpy.float32))
"""
CRASH = b"raise SystemExit(1)\n"


def specification(prepared: data.Prepared, image_id: str, source: bytes, seed: int) -> TrialSpec:
    policy = load_policy(rooms.policy_path("eclip")).policy
    harness = rooms.harness()
    return TrialSpec(
        run="bench",
        experiment=0,
        purpose=Purpose.DECISION,
        task="eclip",
        part="holdout",
        split="train",
        seed=seed,
        shape=policy.shape,
        predictors=policy.evaluation.predict,
        image_id=image_id,
        workspace={
            "train.py": File(content=source),
            "run.sh": File(content=SCRIPT, mode=EXECUTABLE),
        },
        mutable=("train.py",),
        notes=(),
        kit=rooms.below(harness, "kit"),
        harness=rooms.without(harness, "kit"),
        public_data=prepared.public,
        sealed_volume=prepared.sealed_volume,
        resources=policy.resources_record(),
        budget=policy.budget_record(),
    )


def measure(sandbox: TrialRunner, prepared, image_id, source, repeats) -> list[TrialResult]:
    return [sandbox.run(specification(prepared, image_id, source, seed)) for seed in range(repeats)]


def main(repeats: int) -> None:
    client = engines.connect()
    image_id = images.require_image(client, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        state = rooms.State(Path(folder))
        prepared = data.Preparation(
            client=client, state=state, task="eclip", image_id=image_id, say=lambda _: None
        ).prepare(seed=7)
        sandbox = TrialRunner(client=client, home_id=state.id, stage_root=state.stage)
        table = Table(
            "trial", "n", "wall s", "inside s", "own s (median)", "min", "max", "target s"
        )
        rows = (
            ("train, two predictors, score", HONEST, 3.0),
            ("one agent container (crash)", CRASH, 1.2),
        )
        for name, source, target in rows:
            results = measure(sandbox, prepared, image_id, source, repeats)
            own = [result.overhead_seconds for result in results]
            wall = statistics.median(result.wall_seconds for result in results)
            cells = (
                wall,
                wall - statistics.median(own),
                statistics.median(own),
                min(own),
                max(own),
            )
            table.add_row(name, str(repeats), *(f"{cell:.2f}" for cell in cells), f"{target:g}")
        client.api.remove_volume(prepared.sealed_volume, force=True)
    Console(width=120).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
