"""The supervisor's own time per trial: wall time beyond what the code inside ran.

    python bench/trial.py [REPEATS]

Every container is cold. The code inside does next to nothing, so what is left is ours.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runner import data, engines, paths
from runner.engines import images
from runner.policy.load import load_policy
from runner.records import EXECUTABLE, File, Purpose, TrialResult, TrialSpec
from runner.trial import Host, TrialRunner
from runner.trial import specification as trial_specification
from runner.workspace import tree_digest

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


def specification(
    prepared: data.Prepared, image_id: str, scorer: str, source: bytes, index: int
) -> TrialSpec:
    given = trial_specification(
        load_policy(paths.policy_path("eclip")).policy,
        run="bench",
        experiment=0,
        purpose=Purpose.DECISION,
        split="train",
        index=index,
        seed=index,
        image_id=image_id,
        scorer_image_id=scorer,
        data_digest=prepared.digest,
        harness_digest=tree_digest(paths.harness()),
        workspace={
            "train.py": File(content=source),
            "run.sh": File(content=SCRIPT, mode=EXECUTABLE),
        },
    )
    return replace(given, notes=())


def measure(sandbox: TrialRunner, prepared, ids, source, repeats) -> list[TrialResult]:
    return [sandbox.run(specification(prepared, *ids, source, index)) for index in range(repeats)]


def main(repeats: int) -> None:
    client = engines.connect()
    ids = [images.require_image(client, name) for name in ("cpu", images.SCORER)]
    with tempfile.TemporaryDirectory() as folder:
        state = paths.State(Path(folder))
        prepared = data.Preparation(
            engine=client, state=state, task="eclip", image_id=ids[1], say=lambda _: None
        ).prepare(seed=7)
        host = Host(state=state, harness=paths.harness())
        sandbox = TrialRunner(engine=client, host=host)
        table = Table(
            "trial", "n", "wall s", "inside s", "own s (median)", "min", "max", "target s"
        )
        rows = (
            ("train, two predictors, score", HONEST, 3.0),
            ("one agent container (crash)", CRASH, 1.2),
        )
        for name, source, target in rows:
            results = measure(sandbox, prepared, ids, source, repeats)
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
        client.remove_volume(prepared.sealed_volume)
    Console(width=120).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
