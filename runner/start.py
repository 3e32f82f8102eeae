"""Creating a run, opening one again, and holding what it needs while it is at work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from runner import __version__, data, draws, engines, paths
from runner.agents import make_agents
from runner.agents.descriptions import (
    asking,
    canonical,
    is_independent,
    model_of,
    name_of,
    with_model,
)
from runner.agents.numbers import search
from runner.analysis import analyze, require_rows, shared_rows
from runner.box import rows_of, run_in_box
from runner.engines import images
from runner.engines.caches import dropper
from runner.engines.protocol import require_runtime
from runner.errors import ConfigError
from runner.executor.devices import Device, Machine, devices
from runner.executor.local import Hold, LocalExecutor, Show, Watch
from runner.journal.entries import now
from runner.journal.store import Journal, open_journal
from runner.locks import device_lock, tag_lock
from runner.logs import event_log
from runner.patterns import MOST_FILES
from runner.policy.information import information
from runner.policy.load import LoadedPolicy, load_policy, parse_policy, with_train_seconds
from runner.policy.review import broken_by
from runner.policy.schema import Policy
from runner.progress import DEVICE, Tracker
from runner.records import CONTAINED, SELF_REPORTED, Files, Run
from runner.rules_digest import require_same_rules, rules_digest
from runner.seams import Agent
from runner.session import Person, Session
from runner.trial import Host, TrialRunner
from runner.workspace import Workspace, tree_digest

# A tag is part of a ref, so git's rules hold; no "--" in it or, with ours behind it, at its end.
TAG = re.compile(r"(?!.*(--|\.\.|\.lock$))[a-z0-9]([a-z0-9_.-]{0,38}[a-z0-9_])?")


SHOWN_FILES = 20


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asked for: a new run of a task, or (`resume`) to go on with one."""

    task: str = ""
    tag: str | None = None
    agent: str = "tune"
    model: str | None = None
    policy: Path | None = None
    train_seconds: float | None = None
    """Instead of the policy's `budget.train`."""
    resume: bool = False
    devices: int | None = None
    """On how many at most; `None` for as many as there are."""
    agents: int = 1
    """How many of the agent propose side by side."""
    somebody_else: bool = False
    """Whether who asks proposes: the run's own agent, its key and its program are not needed."""
    command: str | None = None
    """What to type where this is killed; `None` for what resumes the run's loop."""


@dataclass(frozen=True, kw_only=True)
class AtWork:
    """An open run with its agents, all of one kind; none where somebody else proposes."""

    session: Session
    agents: tuple[Agent, ...]


@contextmanager
def at_work(state: paths.State, request: Request, person: Person) -> Iterator[AtWork]:
    """Yield the run, created or opened, while holding its tag.

    Raises:
        ConfigError: the task, tag, policy or agent is not what a run can start from, or what the
            run was created with has changed.
        BusyError: another supervisor holds the tag.
        SandboxError: there is no engine or no image.
    """
    if request.resume and not state.journal.is_file():
        raise _no_run(request.tag)
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(state.journal))
        tag = _tag(journal, request)
        stack.enter_context(tag_lock(state.run(tag), tag))
        progress = stack.enter_context(Tracker.at(state.progress(tag), request.command))
        progress.now(DEVICE, "starting")
        state.claim()
        engine = engines.connect()
        run = journal.run(tag) or _create(state, journal, engine, request, tag)
        agents = _agents(run.agent, request)
        log = stack.enter_context(event_log(state.events(tag), run=tag))
        policy = parse_policy(run.policy_text, f"policy of {run.tag}").policy
        require_runtime(engine, policy.resources_record())
        workspace = Workspace(state.repository(tag), tag, log.info)
        harness, prepared = workspace.harness(), data.load(state, run.task)
        _require_as_frozen(run, harness, prepared)
        sandbox = TrialRunner(
            engine=engine,
            host=Host(state=state, harness=harness),
            drop_caches=stack.enter_context(dropper(engine)),
        )
        executor = _executor(policy, tag, sandbox, request.devices, progress, person)
        stack.callback(executor.close)
        session = Session(
            run=run,
            policy=policy,
            journal=journal,
            workspace=workspace,
            executor=executor,
            data=prepared,
            state=state,
            harness=harness,
            secret=draws.load_secret(state.secret(tag), run.draws_digest),
            log=log,
            progress=progress,
            person=person,
            independent=is_independent(run.agent),
        )
        session = replace(session, analyst=partial(analyze, session))
        session = replace(session, boxer=partial(run_in_box, session, sandbox))
        sandbox.sweep(tag)
        if not run.self_reported:
            data.require_sealed(engine, state, run.task)
        _introduce(session, request, person.say)
        log.info("run.opened", resumed=request.resume, devices=executor.capacity)
        progress.over(DEVICE)
        yield AtWork(session=session, agents=agents)


def _executor(
    policy: Policy,
    tag: str,
    sandbox: TrialRunner,
    most: int | None,
    progress: Tracker,
    person: Person,
) -> LocalExecutor:
    """Return the devices that this start has, each with a sandbox of its own.

    Where the kernel's caches are dropped between containers, trials run one after another: what
    runs at the same time can signal to each other all the same.
    """
    resources = policy.resources
    found = devices(
        Machine.here(),
        cpus=resources.cpus,
        gpus=resources.gpus,
        memory_bytes=resources.memory,
        most=1 if policy.flushed else most,
    )

    def own(device: Device) -> tuple[Callable[[Watch, Show], TrialRunner], Hold]:
        return (
            lambda watch, show: replace(sandbox, gpu_ids=device.gpu_ids, watch=watch, show=show),
            lambda abort: device_lock(device.parts, tag, person.say, abort),
        )

    return LocalExecutor([own(each) for each in found], abort=sandbox.abort, progress=progress)


def _introduce(session: Session, request: Request, say: Callable[[str], None]) -> None:
    run, files = session.run, session.workspace.files(session.workspace.head())
    say(f"run {run.tag} of {run.task}, agent {run.agent} (isolation {run.agent_isolation})")
    if run.self_reported:
        say(f"{SELF_REPORTED}; every score below is its own word")
    if (model := model_of(run.agent)) and not request.somebody_else:
        more = f" and {len(files) - SHOWN_FILES} more" if len(files) > SHOWN_FILES else ""
        say(
            f"whoever serves {model} sees these files, what is tried and what came of it, and"
            f" {_rows_told(session)}: {', '.join(sorted(files)[:SHOWN_FILES])}{more}"
        )
    if request.train_seconds is not None:
        say(f"budget.train is {request.train_seconds:g}s here: policy {run.policy_digest[:12]}")
    if not request.somebody_else and name_of(asking(run.agent)) in ("tune", "random"):
        found = search(files, session.policy.patterns.among(files))
        say(f"{run.agent}: {found}")


def _rows_told(session: Session) -> str:
    """Say which rows a model may be told of: what its agent reads itself, or analyses print."""
    asked, boxed = session.policy.analysis, session.run.agent_isolation == CONTAINED
    rows = rows_of(session) if boxed else None
    if rows is not None:
        return f"whatever its agent reads of {_shown(rows)}"
    if asked.every or (asked.on_request and not boxed):
        with suppress(ConfigError):  # there are no such rows
            looked_at = shared_rows(session.data.public, session.policy)
            return f"what analyses print of {_shown(looked_at)}"
    return "no data"


def _shown(rows: Path) -> str:
    sizes = [path.stat().st_size for path in rows.rglob("*") if path.is_file()]
    return f"the training rows in {rows} ({len(sizes)} file(s), {sum(sizes) / 1e6:.1f} MB)"


def _tag(journal: Journal, request: Request) -> str:
    tag = request.tag or _fresh_tag(journal)
    if not TAG.fullmatch(tag):
        raise ConfigError(
            f"the tag {tag!r} is not valid",
            hint="a-z, 0-9, single dots and dashes inside; not NAME.lock",
        )
    known = journal.run(tag)
    if request.resume and known is None:
        raise _no_run(tag)
    if known and not request.resume:
        raise ConfigError(
            f"the tag {tag} is taken by a run of {known.task} from {known.created_at}",
            hint=f"choose another TAG, or go on with: runner run --resume {tag}",
        )
    return tag


def _no_run(tag: str | None) -> ConfigError:
    return ConfigError(f"there is no run {tag}", hint="run: runner list")


def _fresh_tag(journal: Journal) -> str:
    """Return today's name, as in `nov21`, numbered where it is taken."""
    today = date.today().strftime("%b%d").lower()
    taken = {run.tag for run in journal.runs()}
    names = (today if count == 1 else f"{today}-{count}" for count in range(1, 10_000))
    return next(name for name in names if name not in taken)


def _agents(description: str, request: Request) -> tuple[Agent, ...]:
    return () if request.somebody_else else make_agents(description, request.agents)


def _create(
    state: paths.State, journal: Journal, engine: engines.Docker, request: Request, tag: str
) -> Run:
    """Freeze everything the run stands on, then record it; git first, so that it can be redone."""
    task = paths.require_task(request.task)
    policy = _policy(request, task)
    description = with_model(request.agent, request.model)
    [agent, *_], prepared = make_agents(description, request.agents), data.load(state, task)
    template, harness = paths.template(task), paths.harness()
    _check_template(policy, template)
    require_runtime(engine, policy.policy.resources_record())
    require_rows(policy.policy, prepared.public, template)
    image, scorer = (images.require_image(engine, each) for each in (policy.image, images.SCORER))
    created_at = now()
    workspace = Workspace.create(
        state.repository(tag), tag, template=template, harness=harness, when=created_at
    )
    run = Run(
        tag=tag,
        task=task,
        agent=canonical(description),
        agent_isolation=agent.isolation,
        metric=policy.policy.metric.name,
        direction=policy.policy.metric.direction,
        round_to=policy.policy.metric.round_to,
        self_reported=policy.policy.self_reported,
        policy_text=policy.text,
        policy_digest=policy.digest,
        harness_digest=tree_digest(workspace.harness()),
        template_digest=tree_digest(workspace.files(workspace.head())),
        image_id=image,
        scorer_image_id=scorer,
        data_digest=prepared.digest,
        device="gpu" if policy.policy.resources.gpus else "cpu",
        base_commit=workspace.head(),
        created_at=created_at,
        runner_version=__version__,
        rules_digest=rules_digest(),
        draws_digest=draws.digest(draws.make_secret(state.secret(tag))),
    )
    journal.create_run(run)
    return run


def _policy(request: Request, task: str) -> LoadedPolicy:
    """Read the policy that the run freezes, with what the person wants otherwise."""
    policy = load_policy(request.policy or paths.policy_path(task))
    if policy.policy.task != task:
        raise ConfigError(f"{policy.path} is a policy of {policy.policy.task}, not of {task}")
    if not policy.policy.self_reported:
        paths.require_harness(task)
    if request.train_seconds is None:
        return policy
    return with_train_seconds(policy, request.train_seconds)


def _check_template(policy: LoadedPolicy, template: Any) -> None:
    patterns = policy.policy.patterns
    entry = set() if policy.policy.self_reported else {"run.sh"}
    missing = [*patterns.absent(template), *(entry - set(template))]
    if missing:
        raise ConfigError(
            f"{policy.path} speaks of {', '.join(missing)}, which the template does not have",
            hint=f"add it to workspace-template/{policy.policy.task}/",
        )
    if any(b"\r\n" in template[name].content for name in entry):
        script = f"workspace-template/{policy.policy.task}/run.sh"
        raise ConfigError(
            f"{script} has Windows' line endings, with which no container's shell can read it",
            hint=f"type: sed -i 's/\\r$//' {script}",
        )
    mutable = {name: template[name].content for name in patterns.among(template)}
    if (count := len(mutable)) > MOST_FILES:
        raise ConfigError(
            f"{policy.path} makes {count} files of the template mutable; at most {MOST_FILES} can"
            " be mounted one by one",
            hint="narrow the patterns of files.mutable, or name some in files.frozen",
        )
    held = information(mutable)
    most = policy.policy.edits.max_information
    if held > most:
        raise ConfigError(
            f"the template holds {held} bytes of information, edits.max_information is {most}:"
            " every proposal would be refused",
            hint=f"raise it in {policy.path}, well above what the template holds",
        )
    for broken in broken_by(template, policy.policy):
        raise ConfigError(
            f"the template breaks the policy's own rule {broken.rule}: {broken.path}:"
            f" {broken.message}",
            hint=f"allow it in {policy.path}, or change the template",
        )


def _require_as_frozen(run: Run, harness: Files, prepared: data.Prepared) -> None:
    """Raise `ConfigError` where harness, rules or data are not what the run was created with."""
    if tree_digest(harness) != run.harness_digest:
        raise ConfigError(f"the frozen harness of {run.tag} has changed", hint="run: runner audit")
    require_same_rules(run)
    if prepared.digest != run.data_digest:
        raise ConfigError(
            f"the data of {run.task} is not what {run.tag} was created with",
            hint="its scores would not compare; start a new run",
        )
