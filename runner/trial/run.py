"""One trial, sealed: train, predict, score, each in containers of its own, on any engine.

The scorer is started first. It holds the trial's volumes, deals the evaluation inputs into
volumes that only fresh predictors see, and waits for a go that comes from the host once every
agent container of the trial is confirmed gone.

All containers of a trial are made ahead as slots, in the order of need, while others run; code,
draw and deadline reach one when its turn has come, and only then is it started.

What this does not protect against: an agent container that breaks out of the kernel's isolation.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from runner import paths
from runner.engines.caches import Drop, drop_once
from runner.engines.container import ContainerResult, Deadline, Running, Slots, started
from runner.engines.protocol import (
    AGENT_USER,
    HOME_LABEL,
    RUN_LABEL,
    SCORER_USER,
    TRIAL_LABEL,
    ContainerSpec,
    Engine,
    Mount,
)
from runner.errors import SandboxError
from runner.policy.paths import WORKSPACE, mount_place
from runner.records import (
    Clock,
    File,
    Guard,
    GuardResult,
    Purpose,
    Reported,
    Shape,
    Stage,
    TrialResult,
    TrialSpec,
)
from runner.sandbox import evidence, gpu, processors, staging
from runner.trial import reported, served
from runner.trial.host import Host
from runner.trial.naming import score_command, stage_name, trial_name, trial_prefix
from runner.trial.verdict import failure, first_fault, last_words, read_score
from runner.trial.volumes import volumes

RUN = "/workspace/run.sh"
READY = b"ready\n"
GO = b"go\n"
TRAIN = "train"
SCORE = "score"
SCORER_START_SECONDS = 60.0
BETWEEN_SECONDS = 30.0
"""What making and removing one more container may take on a busy machine."""

Watch = Callable[[Stage], None]


@dataclass(kw_only=True)
class TrialRunner:
    """Runs trials on one engine, one at a time. Set `abort` to end the trial in progress.

    Several may be at work in one process, one for each device: they share no state but the engine
    and what drops the caches, and both may be used by several threads.
    """

    engine: Engine
    host: Host
    gpu_ids: tuple[str, ...] = ()
    abort: threading.Event = field(default_factory=threading.Event)
    watch: Watch = lambda _: None
    show: Callable[[bytes], None] | None = None
    """Given the end of what agent code prints, now and then, while it runs."""
    drop_caches: Drop | None = None
    """A helper that is at hand; without it one is started for each container that wants it."""

    def sweep(self, tag: str) -> None:
        """Remove what a killed supervisor of this run left: containers, volumes, folders."""
        self.engine.sweep({HOME_LABEL: self.host.id, RUN_LABEL: tag})
        self.clean_stage(tag)

    def clean_stage(self, tag: str) -> None:
        """Remove the folders that a killed supervisor of this run left."""
        for root in (self.host.stage, staging.memory_root(self.host.stage)):
            staging.sweep(root, trial_prefix(self.host.id, tag))

    @contextmanager
    def started(
        self, spec: ContainerSpec, *, seconds: float, env: Mapping[str, str]
    ) -> Iterator[Running]:
        """Yield a container of a run at work, other than a trial's; it is gone afterwards.

        Raises:
            SandboxError: the engine failed, or does not let the caches be dropped.
        """
        self.forget(spec)
        with started(self.engine, spec, seconds=seconds, env=env) as running:
            yield running

    def forget(self, spec: ContainerSpec) -> None:
        """Leave nothing of earlier containers in the caches, where this one asks for that."""
        if spec.resources.flush:
            (self.drop_caches or partial(drop_once, self.engine))(spec)

    def run(self, spec: TrialSpec) -> TrialResult:
        """Run one trial to its end.

        Raises:
            SandboxError: the engine, the scorer or the disk failed; nothing is to be counted.
            DataError: this host has not the trial's data.
            ConfigError: this host has not the trial's harness.
            StoppedError: `abort` was set.
        """
        begun = time.monotonic()
        try:
            with gpu.watched(self.gpu_ids) as devices, _opened(self, spec) as trial:
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
        with _opened(self, spec, guard) as trial:
            failed = trial.agent_stage(guard.name, guard.seconds)
            result = trial.results[guard.name]
        return GuardResult(
            failed=failed.reason.removeprefix(f"{guard.name}: ") if failed else None,
            wall_seconds=result.ran_seconds,
            log=result.output,
        )


@contextmanager
def _opened(runner: TrialRunner, spec: TrialSpec, guard: Guard | None = None) -> Iterator[_Trial]:
    """Yield a trial, or one of its guards, with folders, volumes and slots; none is left."""
    folder_name = stage_name(runner.host.id, spec.run)
    memory = staging.memory_root(runner.host.stage)
    with ExitStack() as stack:
        folder = stack.enter_context(staging.folder(runner.host.stage / folder_name))
        writable = stack.enter_context(staging.folder(memory / f"{folder_name}-files"))
        name = trial_name(runner.host.id, spec)
        trial = _Trial(runner, spec, f"{name}-guard" if guard else name, folder, writable)
        if guard:
            wanted = [trial.guard_slot(guard)]
        elif spec.reported:
            wanted = [trial.project_slot(TRAIN)]
        else:
            wanted = [trial.scorer_slot(), *trial.agent_slots()]
            for volume in volumes(spec, trial.name, trial.labels):
                runner.engine.create_volume(volume)
                stack.callback(runner.engine.remove_volume, volume.name)
        trial.slots = stack.enter_context(closing(Slots(runner.engine, wanted)))
        yield trial


class _Trial:
    """The folders, slots and containers of one trial, and what was learnt so far."""

    slots: Slots

    def __init__(
        self, runner: TrialRunner, spec: TrialSpec, name: str, folder: Path, writable: Path
    ) -> None:
        self.runner, self.spec, self.name = runner, spec, name
        self.folder, self.writable = folder, writable
        self.labels = {HOME_LABEL: runner.host.id, RUN_LABEL: spec.run, TRIAL_LABEL: name}
        self.staged: dict[str, dict[str, Path]] = {}
        """Stage → its mutable files, each by its path in the workspace."""
        self.results: dict[str, ContainerResult] = {}
        self.report: Path | None = None
        """The file in which a project's own command says its number, where it does."""
        self.self_modified: tuple[str, ...] = ()
        self.scoring_seconds = 0.0
        """From go to the end; before that the scorer only waited."""
        self.processor_share: float | None = None
        """Of training: what it had of the processor time that it was allowed."""

    @property
    def inside_seconds(self) -> float:
        """Seconds that agent containers and the scoring itself ran."""
        # Predictors that serve run while the scorer does.
        before = [found for stage, found in self.results.items() if not _scores(stage)]
        return sum(found.ran_seconds for found in before) + self.scoring_seconds

    # -- slots ----------------------------------------------------------------------------

    def scorer_slot(self) -> ContainerSpec:
        spec = self.spec
        mounts = [
            Mount(source=str(staging.empty_tree(self.folder / "harness")), target="/harness"),
            Mount(
                source=self.runner.host.data_of(spec).sealed_volume, target="/sealed", volume=True
            ),
            # Held so that the volume outlives the trainer; the scorer never looks inside.
            self._volume("artifacts", "/held"),
        ]
        if spec.shape is Shape.ONE_SHOT:
            mounts.append(self._volume("outputs", "/outputs"))
        elif spec.shape is Shape.SERVED:
            wires = ((f"wire-{name}", f"/wire/{name}") for name in served.PREDICTORS)
            mounts += [self._volume(*wire, writable=True) for wire in wires]
        for name in spec.predictors if spec.shape is Shape.TWO_STEP else ():
            mounts.append(self._volume(f"inputs-{name}", f"/inputs/{name}", writable=True))
            mounts.append(self._volume(f"outputs-{name}", f"/outputs/{name}"))
        return ContainerSpec(
            name=self._container_name(SCORE),
            image_id=spec.scorer_image_id,
            user=SCORER_USER,
            command=score_command(spec),
            mounts=mounts,
            resources=spec.resources,
            labels=self.labels,
            takes_input=True,
        )

    def agent_slots(self) -> Iterator[ContainerSpec]:
        """Yield the trainer, then whatever predicts."""
        artifacts = self._volume("artifacts", "/artifacts")
        mounts = [self._rows(), replace(artifacts, writable=True)]
        if self.spec.shape is Shape.ONE_SHOT:
            mounts.append(self._volume("outputs", "/outputs", writable=True))
        yield self._agent_slot(TRAIN, [RUN, TRAIN], mounts)
        if self.spec.shape is Shape.SERVED:
            for name in served.PREDICTORS:
                wire = self._volume(f"wire-{name}", "/wire")
                yield self._agent_slot(f"serve {name}", [RUN, "serve"], [artifacts, wire])
            return
        for name in self.spec.predictors:
            inputs = self._volume(f"inputs-{name}", "/inputs")
            outputs = self._volume(f"outputs-{name}", "/outputs", writable=True)
            command = [RUN, "predict", name]
            yield self._agent_slot(f"predict {name}", command, [artifacts, inputs, outputs])

    def guard_slot(self, guard: Guard) -> ContainerSpec:
        if self.spec.reported:
            return replace(self.project_slot(guard.name), command=guard.command)
        return self._agent_slot(guard.name, guard.command, [self._rows()])

    def project_slot(self, stage: str) -> ContainerSpec:
        """Return a container for a project's own command, in a copy that it may write into.

        What is frozen is mounted on top, file by file.
        """
        spec, asked = self.spec, self.spec.reported
        assert asked is not None  # noqa: S101 - whoever calls has looked
        slot = self._agent_slot(stage, reported.command(asked, spec.seed), [])
        tree, *rest = slot.mounts
        kept = [
            path
            for path in spec.workspace
            if path not in {*spec.notes, *spec.mutable} and not reported.hidden(asked, path)
        ]
        root = Path(tree.source)
        staging.write_tree(root, {path: File(content=b"") for path in kept})  # to be mounted
        mounts = [Mount(source=str(root / path), target=f"{WORKSPACE}/{path}") for path in kept]
        rows = self.runner.host.rows_of(spec)
        mounts += [
            Mount(source=str(rows / str(index)), target=mount_place(path))
            for index, path in enumerate(asked.data)
        ]
        if asked.file:
            made = staging.empty_mutable(self.writable / f"{_place(stage)}-report", [asked.file])
            self.report = made[asked.file]
            mounts.append(
                Mount(source=str(self.report), target=mount_place(asked.file), writable=True)
            )
        folders = reported.folders(asked, spec.workspace)
        scratch = dict.fromkeys(folders, asked.workspace_bytes)
        return replace(slot, mounts=[*rest, *mounts], scratch=scratch)

    def _agent_slot(
        self, stage: str, command: Sequence[str], mounts: Sequence[Mount]
    ) -> ContainerSpec:
        """Return a container for agent code, its folders and files there and empty."""
        folder, place = self.folder / _place(stage), _place(stage)
        workspace, kit = (staging.empty_tree(folder / name) for name in ("workspace", "kit"))
        for name in self.spec.scratch:  # to be mounted on
            staging.empty_tree(workspace / name)
        staged = staging.empty_mutable(self.writable / place, self.spec.mutable)
        self.staged[stage] = staged
        alone = [
            Mount(source=str(path), target=f"/workspace/{name}", writable=True)
            for name, path in staged.items()
        ]
        return ContainerSpec(
            name=self._container_name(stage),
            image_id=self.spec.image_id,
            user=AGENT_USER,
            command=command,
            mounts=[
                Mount(source=str(workspace), target="/workspace"),
                Mount(source=str(kit), target="/kit"),
                *alone,
                *mounts,
            ],
            resources=self.spec.resources,
            labels=self.labels,
            gpu_ids=self.runner.gpu_ids,
            scratch={
                f"{WORKSPACE}/{name}": self.spec.resources.artifacts_bytes
                for name in self.spec.scratch
            },
        )

    def _rows(self) -> Mount:
        return Mount(source=str(self.runner.host.rows_of(self.spec)), target="/data")

    def _volume(self, name: str, target: str, *, writable: bool = False) -> Mount:
        return Mount(source=f"{self.name}-{name}", target=target, writable=writable, volume=True)

    def _container_name(self, stage: str) -> str:
        return f"{self.name}-{_place(stage)}"

    # -- the steps ------------------------------------------------------------------------

    def run(self) -> TrialResult:
        if self.spec.reported:
            failed = self.agent_stage(TRAIN, self.spec.budget.train)
            if failed is not None:
                return self._with_evidence(reported.explained(failed))
            return self._with_evidence(self._reported(self.spec.reported))
        with self._scorer() as scorer:
            failed = self.agent_stage(TRAIN, self.spec.budget.train)
            if failed is None:
                self._await_ready(scorer)
                failed = self._predict()
            if failed is None and self.spec.shape is Shape.SERVED:
                result = self._serve(scorer)
            else:
                result = failed or self._score(scorer)
        return self._with_evidence(result)

    def _reported(self, asked: Reported) -> TrialResult:
        """Read the number that the code under test says of itself."""
        return reported.read(asked, self.results[TRAIN].output, self.report)

    @contextmanager
    def _scorer(self) -> Iterator[Running]:
        harness = paths.without(self.runner.host.harness_of(self.spec), "kit", "box")
        with self.slots.taken(self._container_name(SCORE)) as slot:
            staging.write_tree(self.folder / "harness", harness)
            self.runner.forget(slot.spec)
            with slot.begun(seconds=self._scorer_seconds) as running:
                yield running

    @property
    def _scorer_seconds(self) -> float:
        """The longest that a scorer may live: from before the training to after the last answer.

        Where the supervisor is gone it ends at once, as its input does, until it has its go.
        """
        budget = self.spec.budget
        if self.spec.shape is Shape.SERVED:
            predictors = [budget.startup + budget.score for _ in served.PREDICTORS]
            slack = len(predictors) * (served.SCORER_GRACE_SECONDS + served.HANG_UP_SECONDS)
        else:
            predictors = [budget.startup + budget.predict for _ in self.spec.predictors]
            slack = 0.0
        stages = [budget.startup + budget.train, *predictors, budget.score]
        slack += SCORER_START_SECONDS + BETWEEN_SECONDS * len(stages)
        return sum(stages) * budget.stretch + slack

    def _await_ready(self, scorer: Running) -> None:
        until = time.monotonic() + SCORER_START_SECONDS
        while not scorer.said(READY):
            if scorer.has_ended() or time.monotonic() > until:
                result = scorer.finish(Deadline.after(0), self.runner.abort)
                raise SandboxError(
                    f"the scorer did not start: {last_words(result)}", hint="run: runner prepare"
                )
            time.sleep(0.02)

    def _predict(self) -> TrialResult | None:
        for name in self.spec.predictors:
            if failed := self.agent_stage(f"predict {name}", self.spec.budget.predict):
                return failed
        return None

    def _score(self, scorer: Running) -> TrialResult:
        """Send the go; every agent container of this trial is gone by now."""
        seconds = self.spec.budget.score * self.spec.budget.stretch
        self._watch(SCORE, seconds)
        scorer.send(GO)
        begun = time.monotonic()
        result = scorer.finish(Deadline.after(seconds), self.runner.abort)
        self.scoring_seconds = time.monotonic() - begun
        self.results[SCORE] = result
        return read_score(result)

    def _serve(self, scorer: Running) -> TrialResult:
        """Bring the scorer one predictor after the other; the next when the last is gone."""
        ends: dict[str, ContainerResult] = {}
        result, begun = None, time.monotonic()
        for name in served.PREDICTORS:
            if result is None and not scorer.has_ended():
                result = self._serve_one(scorer, name, ends)
        if result is None:
            until = Deadline.after(served.SCORER_GRACE_SECONDS)
            self.results[SCORE] = scorer.finish(until, self.runner.abort)
            result = read_score(self.results[SCORE])
        self.scoring_seconds = time.monotonic() - begun
        self.results |= ends
        return served.explain(result, ends, self._total(self.spec.budget.score))

    def _serve_one(
        self, scorer: Running, name: str, ends: dict[str, ContainerResult]
    ) -> TrialResult | None:
        """Run one predictor for as long as the scorer asks it; return why it was never asked."""
        budget, abort, stage = self.spec.budget, self.runner.abort, f"serve {name}"
        deadline = self._deadline(budget.score)
        self._watch(stage, self._total(budget.score))
        slack = served.SCORER_GRACE_SECONDS + served.HANG_UP_SECONDS
        with self._agent(stage, deadline, budget.score, slack=slack) as running:
            until = Deadline.after(budget.startup * budget.stretch)
            absent = served.await_connected(scorer, running, name, until, abort)
            if absent is None and not scorer.has_ended():
                scorer.send(GO)
                until = Deadline.after(budget.score * budget.stretch + served.SCORER_GRACE_SECONDS)
                served.await_done(scorer, name, until, abort, running, deadline)
                if not served.is_done(scorer, name):  # it has spent its processor time
                    ends[stage] = running.finish(deadline, abort)
                    served.await_done(scorer, name, until, abort)
                    return None
            ends[stage] = running.finish(Deadline.after(served.HANG_UP_SECONDS), abort)
        return absent

    def _deadline(self, seconds: float) -> Deadline:
        """Return when a stage is ended that begins now: by its processor time, and by the wall."""
        budget, cpu_seconds = self.spec.budget, None
        if budget.clock is Clock.CPU:
            cpu_seconds = (budget.startup + seconds) * self.spec.resources.cpus
        return Deadline.after(self._total(seconds), cpu_seconds)

    def _total(self, seconds: float) -> float:
        """Return after how many seconds on the wall a stage with this budget is ended."""
        return (self.spec.budget.startup + seconds) * self.spec.budget.stretch

    def agent_stage(self, stage: str, seconds: float) -> TrialResult | None:
        """Run agent code in its slot; return why the trial failed, or nothing."""
        deadline = self._deadline(seconds)
        self._watch(stage, self._total(seconds))
        with self._agent(stage, deadline, seconds) as running:
            before = processors.idle_seconds()
            result = running.finish(deadline, self.runner.abort)
            after = processors.idle_seconds()
        self.results[stage] = result
        if stage == TRAIN:
            self.processor_share = processors.share(
                used=result.usage.cpu_seconds,
                wall=result.ran_seconds,
                cpus=self.spec.resources.cpus,
                idle=None if before is None or after is None else after - before,
            )
        return failure(stage, result, self._total(seconds))

    @contextmanager
    def _agent(
        self, stage: str, deadline: Deadline, seconds: float, *, slack: float = 0.0
    ) -> Iterator[Running]:
        """Yield agent code running on a fresh copy of what was reviewed; it is gone afterwards."""
        spec, staged = self.spec, self.staged[stage]
        folder, harness = self.folder / _place(stage), self.runner.host.harness_of(spec)
        # The package below a root of its own, as `/kit` is what goes on the path.
        kit = {path: file for path, file in harness.items() if path.startswith("kit/")}
        inside = {path: file for path, file in spec.workspace.items() if path not in spec.notes}
        with self.slots.taken(self._container_name(stage)) as slot:
            staging.write_tree(folder / "workspace", inside)
            staging.write_tree(folder / "kit", kit)
            staging.write_mutable(staged, spec.workspace)
            self.runner.forget(slot.spec)
            env = {
                "PYTHONPATH": "/kit",
                "RUNNER_SEED": str(spec.seed),
                "RUNNER_SPLIT": spec.split,
                "RUNNER_TRAIN_SECONDS": f"{seconds:g}",
                "RUNNER_KILL_SECONDS": f"{deadline.left:.3f}",
            }
            if deadline.cpu_seconds is not None:
                env["RUNNER_CPUS"] = f"{spec.resources.cpus:g}"
                env["RUNNER_CPU_SECONDS"] = f"{deadline.cpu_seconds:g}"
            left = deadline.left + slack
            with slot.begun(seconds=left, env=env, show=self.runner.show) as running:
                yield running
        self.self_modified += staging.changed(staged, spec.workspace)
        shutil.rmtree(self.writable / _place(stage))

    def _watch(self, stage: str, seconds: float) -> None:
        audit = " (audit)" if self.spec.purpose is Purpose.AUDIT else ""
        shown = f"exp {self.spec.experiment}{audit}: {stage}"
        self.runner.watch(Stage(name=shown, seconds=seconds))

    # -- evidence -------------------------------------------------------------------------

    def _with_evidence(self, result: TrialResult) -> TrialResult:
        agents = [found for stage, found in self.results.items() if stage != SCORE]
        peaks = [found.usage.peak_memory_bytes for found in agents]
        seconds = [found.usage.cpu_seconds for found in agents]
        return replace(
            result,
            curves=evidence.curves(self.results[TRAIN].stdout),
            self_modified=tuple(dict.fromkeys(self.self_modified)),
            peak_memory_bytes=max((peak for peak in peaks if peak), default=None),
            cpu_seconds=math.fsum(spent for spent in seconds if spent) or None,
            processor_share=self.processor_share,
            logs={stage: found.output for stage, found in self.results.items()},
        )


def _scores(stage: str) -> bool:
    return stage == SCORE or stage.startswith("serve ")


def _place(stage: str) -> str:
    return stage.replace(" ", "-")
