"""One trial, sealed: train, predict, score, each in containers of its own.

The scorer is started first. It holds the trial's volumes, deals the evaluation inputs into
volumes that only fresh predictors see, and waits for a go that comes from the host once every
agent container of the trial is confirmed gone.

What this does not protect against: an agent container that breaks out of the kernel's isolation.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from runner.errors import DataError, SandboxError
from runner.records import Guard, GuardResult, Purpose, Shape, Stage, TrialResult, TrialSpec
from runner.sandbox import engine, evidence, gpu, staging
from runner.sandbox.caches import Drop, drop_once
from runner.sandbox.container import ContainerResult, Deadline, Running, started
from runner.sandbox.engine import HOME_LABEL, RUN_LABEL, TRIAL_LABEL, our_fault
from runner.sandbox.options import (
    AGENT_USER,
    SCORER_USER,
    ContainerSpec,
    Mount,
)
from runner.trial import served
from runner.trial.naming import score_command, stage_name, trial_name, trial_prefix
from runner.trial.verdict import failure, first_fault, last_words, read_score
from runner.trial.volumes import remove_volume, volume_options

RUN = "/workspace/run.sh"
READY = b"ready\n"
GO = b"go\n"
SCORER_START_SECONDS = 60.0
BETWEEN_SECONDS = 30.0
"""What making and removing one more container may take on a busy machine."""

Watch = Callable[[Stage], None]


@dataclass(kw_only=True)
class DockerSandbox:
    """Runs trials on one container engine. Set `abort` to end the trial in progress."""

    client: Any
    home_id: str
    stage_root: Path
    gpu_ids: tuple[str, ...] = ()
    abort: threading.Event = field(default_factory=threading.Event)
    watch: Watch = lambda _: None
    drop_caches: Drop | None = None
    """A helper that is at hand; without it one is started for each container that wants it."""

    def sweep(self, tag: str) -> None:
        """Remove what a killed supervisor of this run left: containers, volumes, folders."""
        engine.sweep(self.client, {HOME_LABEL: self.home_id, RUN_LABEL: tag})
        self.clean_stage(tag)

    def clean_stage(self, tag: str) -> None:
        """Remove the folders that a killed supervisor of this run left."""
        for root in (self.stage_root, staging.memory_root(self.stage_root)):
            staging.sweep(root, trial_prefix(self.home_id, tag))

    def started(self, spec: ContainerSpec) -> AbstractContextManager[Running]:
        """Start a container of a run, with nothing of earlier ones in the caches if so asked.

        Raises:
            SandboxError: the engine failed, or does not let the caches be dropped.
        """
        if spec.resources.flush:
            (self.drop_caches or partial(drop_once, self.client))(spec)
        return started(self.client, spec)

    def run(self, spec: TrialSpec) -> TrialResult:
        """Run one trial to its end.

        Raises:
            SandboxError: the engine, the scorer or the disk failed; nothing is to be counted.
            StoppedError: `abort` was set.
        """
        begun = time.monotonic()
        try:
            with gpu.watched(self.gpu_ids) as devices, _Trial.open(self, spec) as trial:
                result = trial.run()
        except SandboxError as error:
            # When the engine is gone, cleaning up fails as well; the first failure is the news.
            raise first_fault(error) from error
        wall = time.monotonic() - begun
        return replace(
            result,
            wall_seconds=wall,
            overhead_seconds=wall - trial.inside_seconds,
            scoring_seconds=trial.scoring_seconds,
            peak_gpu_memory_bytes=devices.peak_bytes if devices else None,
        )

    def guard(self, spec: TrialSpec, guard: Guard) -> GuardResult:
        """Run a command where the trainer of this trial would run, without artifacts.

        Raises:
            SandboxError: the engine or the disk failed; nothing is to be counted.
            StoppedError: `abort` was set.
        """
        name = f"{trial_name(self.home_id, spec)}-guard"
        with staging.folder(self.stage_root / stage_name(self.home_id, spec.run)) as folder:
            return _Trial(self, spec, folder, name).guard(guard)


class _Trial:
    """The volumes, folders and containers of one trial, and what was learnt so far."""

    def __init__(self, sandbox: DockerSandbox, spec: TrialSpec, folder: Path, name: str) -> None:
        self.sandbox, self.spec, self.folder, self.name = sandbox, spec, folder, name
        self.labels = {
            HOME_LABEL: sandbox.home_id,
            RUN_LABEL: spec.run,
            TRIAL_LABEL: name,
        }
        self.results: dict[str, ContainerResult] = {}
        self.self_modified: tuple[str, ...] = ()
        self.scoring_seconds = 0.0
        """From go to the end; before that the scorer only waited."""

    @classmethod
    @contextmanager
    def open(cls, sandbox: DockerSandbox, spec: TrialSpec) -> Iterator[_Trial]:
        name = trial_name(sandbox.home_id, spec)
        with staging.folder(sandbox.stage_root / stage_name(sandbox.home_id, spec.run)) as folder:
            trial = cls(sandbox, spec, folder, name)
            with trial._volumes():
                yield trial

    @property
    def inside_seconds(self) -> float:
        """Seconds that agent containers and the scoring itself ran."""
        # Predictors that serve run while the scorer does.
        before = [found for stage, found in self.results.items() if not _scores(stage)]
        return sum(found.ran_seconds for found in before) + self.scoring_seconds

    # -- the steps ------------------------------------------------------------------------

    def run(self) -> TrialResult:
        with self._scorer() as scorer:
            failed = self._train()
            if failed is None:
                self._await_ready(scorer)
                failed = self._predict()
            if failed is None and self.spec.shape is Shape.SERVED:
                result = self._serve(scorer)
            else:
                result = failed or self._score(scorer)
        return self._with_evidence(result)

    def guard(self, guard: Guard) -> GuardResult:
        data = Mount(source=str(self._public_data()), target="/data")
        failed = self._agent_stage(guard.name, list(guard.command), [data], guard.seconds)
        result = self.results[guard.name]
        return GuardResult(
            failed=failed.reason.removeprefix(f"{guard.name}: ") if failed else None,
            wall_seconds=result.ran_seconds,
            log=result.output,
        )

    def _train(self) -> TrialResult | None:
        mounts = [
            Mount(source=str(self._public_data()), target="/data"),
            self._volume("artifacts", "/artifacts", writable=True),
        ]
        if self.spec.shape is Shape.ONE_SHOT:
            mounts.append(self._volume("outputs", "/outputs", writable=True))
        return self._agent_stage("train", [RUN, "train"], mounts, self.spec.budget.train)

    def _predict(self) -> TrialResult | None:
        for name in self.spec.predictors:
            mounts = [
                self._volume("artifacts", "/artifacts"),
                self._volume(f"inputs-{name}", "/inputs"),
                self._volume(f"outputs-{name}", "/outputs", writable=True),
            ]
            stage, seconds = f"predict {name}", self.spec.budget.predict
            if failed := self._agent_stage(stage, [RUN, "predict", name], mounts, seconds):
                return failed
        return None

    def _serve(self, scorer: Running) -> TrialResult:
        """Bring the scorer one predictor after the other; the next when the last is gone."""
        ends: dict[str, ContainerResult] = {}
        result, begun = None, time.monotonic()
        for name in served.PREDICTORS:
            if result is None and not scorer.has_ended():
                result = self._serve_one(scorer, name, ends)
        if result is None:
            result = read_score(self._ended_scorer(scorer))
        self.scoring_seconds = time.monotonic() - begun
        self.results |= ends
        return served.explain(result, ends, self._serving_seconds)

    @property
    def _serving_seconds(self) -> float:
        return self.spec.budget.startup + self.spec.budget.score

    def _serve_one(
        self, scorer: Running, name: str, ends: dict[str, ContainerResult]
    ) -> TrialResult | None:
        """Run one predictor for as long as the scorer asks it; return why it was never asked."""
        budget, abort, stage = self.spec.budget, self.sandbox.abort, f"serve {name}"
        self.sandbox.watch(Stage(name=self._shown(stage), seconds=self._serving_seconds))
        mounts = [
            self._volume("artifacts", "/artifacts"),
            self._volume(f"wire-{name}", "/wire"),
        ]
        deadline = Deadline.after(self._serving_seconds)
        slack = served.SCORER_GRACE_SECONDS + served.HANG_UP_SECONDS
        agent = self._agent(stage, [RUN, "serve"], mounts, deadline, budget.score, slack=slack)
        with agent as running:
            until = Deadline.after(budget.startup)
            absent = served.await_connected(scorer, running, name, until, abort)
            if absent is None and not scorer.has_ended():
                with our_fault("sending the go to the scorer"):
                    scorer.stream.send(GO)
                until = Deadline.after(budget.score + served.SCORER_GRACE_SECONDS)
                served.await_done(scorer, name, until, abort)
            ends[stage] = running.finish(Deadline.after(served.HANG_UP_SECONDS), abort)
        return absent

    def _ended_scorer(self, scorer: Running) -> ContainerResult:
        until = Deadline.after(served.SCORER_GRACE_SECONDS)
        result = self.results["score"] = scorer.finish(until, self.sandbox.abort)
        return result

    def _agent_stage(
        self, stage: str, command: list[str], mounts: list[Mount], seconds: float
    ) -> TrialResult | None:
        """Run agent code in a fresh container; return why the trial failed, or nothing."""
        total = self.spec.budget.startup + seconds
        deadline = Deadline.after(total)
        self.sandbox.watch(Stage(name=self._shown(stage), seconds=total))
        with self._agent(stage, command, mounts, deadline, seconds) as running:
            result = running.finish(deadline, self.sandbox.abort)
        self.results[stage] = result
        return failure(stage, result, total)

    @contextmanager
    def _agent(
        self,
        stage: str,
        command: list[str],
        mounts: list[Mount],
        deadline: Deadline,
        seconds: float,
        *,
        slack: float = 0.0,
    ) -> Iterator[Running]:
        """Yield agent code running on a fresh copy of what was reviewed; it is gone afterwards."""
        place = stage.replace(" ", "-")
        memory = staging.memory_root(self.sandbox.stage_root)
        with (
            staging.folder(self.folder / place) as folder,
            staging.folder(memory / f"{self.folder.name}-{place}") as writable,
        ):
            self._stage_workspace(folder)
            staged = staging.write_mutable(writable, self.spec.workspace, self.spec.mutable)
            container = self._container(
                stage,
                user=AGENT_USER,
                command=command,
                mounts=[*self._workspace_mounts(folder, staged), *mounts],
                env=self._agent_env(deadline, seconds),
                seconds=deadline.left + slack,
            )
            with self.sandbox.started(container) as running:
                yield running
            self.self_modified += staging.changed(staged, self.spec.workspace)

    def _score(self, scorer: Running) -> TrialResult:
        """Send the go; every agent container of this trial is gone by now."""
        seconds = self.spec.budget.score
        self.sandbox.watch(Stage(name=self._shown("score"), seconds=seconds))
        with our_fault("sending the go to the scorer"):
            scorer.stream.send(GO)
        begun = time.monotonic()
        result = scorer.finish(Deadline.after(seconds), self.sandbox.abort)
        self.scoring_seconds = time.monotonic() - begun
        self.results["score"] = result
        return read_score(result)

    def _shown(self, stage: str) -> str:
        audit = " (audit)" if self.spec.purpose is Purpose.AUDIT else ""
        return f"exp {self.spec.experiment}{audit}: {stage}"

    # -- containers -----------------------------------------------------------------------

    @contextmanager
    def _scorer(self) -> Iterator[Running]:
        container = self._container(
            "score",
            user=SCORER_USER,
            command=score_command(self.spec),
            mounts=self._scorer_mounts(),
            takes_input=True,
            seconds=self._scorer_seconds,
        )
        with self.sandbox.started(container) as running:
            yield running

    @property
    def _scorer_seconds(self) -> float:
        """The longest that a scorer may live: from before the training to after the last answer.

        Where the supervisor is gone it ends at once, as its input does, until it has its go.
        """
        budget = self.spec.budget
        if self.spec.shape is Shape.SERVED:
            longest = self._serving_seconds + served.SCORER_GRACE_SECONDS + served.HANG_UP_SECONDS
            predictors = [longest for _ in served.PREDICTORS]
        else:
            predictors = [budget.startup + budget.predict for _ in self.spec.predictors]
        stages = [budget.startup + budget.train, *predictors, SCORER_START_SECONDS + budget.score]
        return sum(stages) + BETWEEN_SECONDS * len(stages)

    def _scorer_mounts(self) -> list[Mount]:
        harness = staging.write_tree(self.folder / "harness", self.spec.harness)
        mounts = [
            Mount(source=str(harness), target="/harness"),
            Mount(source=self.spec.sealed_volume, target="/sealed", volume=True),
            # Held so that the volume outlives the trainer; the scorer never looks inside.
            self._volume("artifacts", "/held"),
        ]
        if self.spec.shape is Shape.ONE_SHOT:
            return [*mounts, self._volume("outputs", "/outputs")]
        if self.spec.shape is Shape.SERVED:
            wires = [(f"wire-{name}", f"/wire/{name}") for name in served.PREDICTORS]
            return [*mounts, *(self._volume(*wire, writable=True) for wire in wires)]
        for name in self.spec.predictors:
            mounts.append(self._volume(f"inputs-{name}", f"/inputs/{name}", writable=True))
            mounts.append(self._volume(f"outputs-{name}", f"/outputs/{name}"))
        return mounts

    def _await_ready(self, scorer: Running) -> None:
        until = time.monotonic() + SCORER_START_SECONDS
        while not scorer.said(READY):
            if scorer.has_ended() or time.monotonic() > until:
                result = scorer.finish(Deadline.after(0), self.sandbox.abort)
                raise SandboxError(
                    f"the scorer did not start: {last_words(result)}", hint="run: runner prepare"
                )
            time.sleep(0.02)

    def _container(self, stage: str, **options: Any) -> ContainerSpec:
        gpu_ids = self.sandbox.gpu_ids if options["user"] == AGENT_USER else ()
        return ContainerSpec(
            name=f"{self.name}-{stage.replace(' ', '-')}",
            image_id=self.spec.image_id,
            resources=self.spec.resources,
            labels=self.labels,
            gpu_ids=gpu_ids,
            **options,
        )

    def _agent_env(self, deadline: Deadline, seconds: float) -> dict[str, str]:
        return {
            "PYTHONPATH": "/kit",
            "RUNNER_SEED": str(self.spec.seed),
            "RUNNER_SPLIT": self.spec.split,
            "RUNNER_TRAIN_SECONDS": f"{seconds:g}",
            "RUNNER_KILL_SECONDS": f"{deadline.left:.3f}",
        }

    # -- mounts ---------------------------------------------------------------------------

    def _stage_workspace(self, folder: Path) -> None:
        inside = {
            path: file for path, file in self.spec.workspace.items() if path not in self.spec.notes
        }
        staging.write_tree(folder / "workspace", inside)
        # The package below a root of its own, as `/kit` is what goes on the path.
        kit = {f"kit/{path}": file for path, file in self.spec.kit.items()}
        staging.write_tree(folder / "kit", kit)

    def _workspace_mounts(self, folder: Path, staged: Mapping[str, Path]) -> list[Mount]:
        return [
            Mount(source=str(folder / "workspace"), target="/workspace"),
            Mount(source=str(folder / "kit"), target="/kit"),
            *(
                Mount(source=str(path), target=f"/workspace/{name}", writable=True)
                for name, path in staged.items()
            ),
        ]

    def _public_data(self) -> Path:
        path = self.spec.public_data / self.spec.split
        if not path.is_dir():
            raise DataError(
                f"no public data at {path}", hint=f"run: runner prepare {self.spec.task}"
            )
        return path

    def _volume(self, name: str, target: str, *, writable: bool = False) -> Mount:
        return Mount(source=f"{self.name}-{name}", target=target, writable=writable, volume=True)

    @contextmanager
    def _volumes(self) -> Iterator[None]:
        api = self.sandbox.client.api
        with ExitStack() as stack:
            for name, options in volume_options(self.spec).items():
                full = f"{self.name}-{name}"
                with our_fault(f"creating the volume {full}"):
                    api.create_volume(full, "local", options, self.labels)
                stack.callback(remove_volume, api, full)
            yield

    # -- evidence -------------------------------------------------------------------------

    def _with_evidence(self, result: TrialResult) -> TrialResult:
        agents = [found for stage, found in self.results.items() if stage != "score"]
        peaks = [found.usage.peak_memory_bytes for found in agents]
        seconds = [found.usage.cpu_seconds for found in agents]
        return replace(
            result,
            curves=evidence.curves(self.results["train"].stdout),
            self_modified=tuple(dict.fromkeys(self.self_modified)),
            peak_memory_bytes=max((peak for peak in peaks if peak), default=None),
            cpu_seconds=math.fsum(spent for spent in seconds if spent) or None,
            logs={stage: found.output for stage, found in self.results.items()},
        )


def _scores(stage: str) -> bool:
    return stage == "score" or stage.startswith("serve ")
