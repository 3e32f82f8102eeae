"""Creating a run, opening one again, and holding what it needs while it is at work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from runner import __version__, data, rooms
from runner.agents import make_agents
from runner.agents.descriptions import canonical, is_independent, with_model
from runner.analysis import analyze, require_rows
from runner.errors import ConfigError
from runner.journal.entries import now
from runner.journal.store import Journal, open_journal
from runner.locks import device_lock, device_of, gpus_of, tag_lock
from runner.logs import event_log
from runner.policy.information import information
from runner.policy.load import LoadedPolicy, load_policy, parse_policy
from runner.policy.override import with_train_seconds
from runner.progress import DEVICE, Tracker
from runner.records import Experiment, Run
from runner.rules_digest import require_same_rules, rules_digest
from runner.sandbox import engine, images
from runner.sandbox.caches import dropper
from runner.seams import Agent
from runner.session import Session
from runner.trial import DockerSandbox
from runner.workspace import Workspace, tree_digest

# A tag is part of a ref, so git's rules hold; no "--" in it or, with ours behind it, at its end.
TAG = re.compile(r"(?!.*(--|\.\.|\.lock$))[a-z0-9]([a-z0-9_.-]{0,38}[a-z0-9_])?")


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
    agents: int = 1
    """How many of the agent propose side by side."""
    somebody_else: bool = False
    """Whether who asks proposes: the run's own agent, its key and its program are not needed."""


@dataclass(frozen=True, kw_only=True)
class AtWork:
    """An open run with its agents, all of one kind; none where somebody else proposes."""

    session: Session
    agents: tuple[Agent, ...]
    sandbox: DockerSandbox


@contextmanager
def at_work(
    state: rooms.State,
    request: Request,
    *,
    say: Callable[[str], None],
    finished: Callable[[Experiment], None],
    stop_asked: Callable[[], bool],
    waiting: Callable[[str, float], None] = lambda _what, _seconds: None,
) -> Iterator[AtWork]:
    """Yield the run, created or opened, while holding its tag and its device.

    Raises:
        ConfigError: the task, tag, policy or agent is not what a run can start from.
        BusyError: another supervisor holds the tag.
        SandboxError: there is no engine or no image.
    """
    with ExitStack() as stack:
        ledger = stack.enter_context(open_journal(state.ledger))
        tag = _tag(ledger, request)
        stack.enter_context(tag_lock(state.run(tag), tag))
        progress = stack.enter_context(Tracker.at(state.progress(tag)))
        progress.now(DEVICE, "starting")
        client = engine.connect()
        run = ledger.run(tag) or _create(state, ledger, client, request, tag)
        agents = _agents(run.agent, request)
        stack.enter_context(device_lock(run.device, tag, _shown(say, progress)))
        progress.over(DEVICE)
        log = stack.enter_context(event_log(state.events(tag), run=tag))
        sandbox = replace(
            _sandbox(state, client, run), drop_caches=stack.enter_context(dropper(client))
        )
        session = replace(
            _session(state, ledger, run, sandbox, log),
            say=say,
            finished=finished,
            stop_asked=stop_asked,
            waiting=waiting,
            progress=progress,
        )
        sandbox.sweep(tag)
        _introduce(run, request, say)
        log.info("run.opened", resumed=request.resume)
        yield AtWork(session=session, agents=agents, sandbox=sandbox)


def _shown(say: Callable[[str], None], progress: Tracker) -> Callable[[str], None]:
    """Say for whom this run waits to those who look from elsewhere, too."""

    def shown(text: str) -> None:
        progress.now(DEVICE, text)
        say(text)

    return shown


def _introduce(run: Run, request: Request, say: Callable[[str], None]) -> None:
    say(f"run {run.tag} of {run.task}, agent {run.agent} (isolation {run.agent_isolation})")
    if request.train_seconds is not None:
        say(f"budget.train is {request.train_seconds:g}s here: policy {run.policy_digest[:12]}")


def _tag(ledger: Journal, request: Request) -> str:
    tag = request.tag or _fresh_tag(ledger)
    if not TAG.fullmatch(tag):
        raise ConfigError(
            f"the tag {tag!r} is not valid",
            hint="a-z, 0-9, single dots and dashes inside; not NAME.lock",
        )
    known = ledger.run(tag)
    if request.resume and known is None:
        raise ConfigError(f"there is no run {tag}", hint="run: runner list")
    if known and not request.resume:
        raise ConfigError(
            f"the tag {tag} is taken by a run of {known.task} from {known.created_at}",
            hint=f"choose another TAG, or go on with: runner run --resume {tag}",
        )
    return tag


def _fresh_tag(ledger: Journal) -> str:
    """Return today's name, as in `nov21`, numbered where it is taken."""
    today = date.today().strftime("%b%d").lower()
    taken = {run.tag for run in ledger.runs()}
    names = (today if count == 1 else f"{today}-{count}" for count in range(1, 10_000))
    return next(name for name in names if name not in taken)


def _agents(description: str, request: Request) -> tuple[Agent, ...]:
    return () if request.somebody_else else make_agents(description, request.agents)


def _create(state: rooms.State, ledger: Journal, client: Any, request: Request, tag: str) -> Run:
    """Freeze everything the run stands on, then record it; git first, so that it can be redone."""
    task = rooms.require_task(request.task)
    policy = _policy(request, task)
    description = with_model(request.agent, request.model)
    [agent, *_], prepared = make_agents(description, request.agents), data.load(state, task)
    template, harness = rooms.template(task), rooms.harness()
    _check_template(policy, template)
    require_rows(policy.policy, prepared.public, template)
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
        policy_text=policy.text,
        policy_digest=policy.digest,
        harness_digest=tree_digest(workspace.harness()),
        template_digest=tree_digest(workspace.files(workspace.head())),
        image_id=images.require_image(client, policy.policy.image),
        data_digest=prepared.digest,
        device=device_of(policy.policy.resources.gpus),
        base_commit=workspace.head(),
        created_at=created_at,
        runner_version=__version__,
        rules_digest=rules_digest(),
    )
    ledger.create_run(run)
    return run


def _policy(request: Request, task: str) -> LoadedPolicy:
    """Read the policy that the run freezes, with what the person wants otherwise."""
    policy = load_policy(request.policy or rooms.policy_path(task))
    if policy.policy.task != task:
        raise ConfigError(f"{policy.path} is a policy of {policy.policy.task}, not of {task}")
    if request.train_seconds is None:
        return policy
    return with_train_seconds(policy, request.train_seconds)


def _check_template(policy: LoadedPolicy, template: Any) -> None:
    files = policy.policy.files
    missing = [name for name in (*files.mutable, *files.notes, "run.sh") if name not in template]
    if missing:
        raise ConfigError(
            f"{policy.path} speaks of {', '.join(missing)}, which the template does not have",
            hint=f"add it to workspace-template/{policy.policy.task}/",
        )
    held = information({name: template[name].content for name in files.mutable})
    most = policy.policy.edits.max_information
    if held > most:
        raise ConfigError(
            f"the template holds {held} bytes of information, edits.max_information is {most}:"
            " every proposal would be refused",
            hint=f"raise it in {policy.path}, well above what the template holds",
        )


def _sandbox(state: rooms.State, client: Any, run: Run) -> DockerSandbox:
    return DockerSandbox(
        client=client, home_id=state.id, stage_root=state.stage, gpu_ids=gpus_of(run.device)
    )


def _session(
    state: rooms.State,
    ledger: Journal,
    run: Run,
    sandbox: DockerSandbox,
    log: Any,
) -> Session:
    """Return the run as it was frozen.

    Raises:
        ConfigError: its harness, its data or the rules are not what they were.
    """
    workspace = Workspace(state.repository(run.tag), run.tag, log.info)
    harness, prepared = workspace.harness(), data.load(state, run.task)
    if tree_digest(harness) != run.harness_digest:
        raise ConfigError(f"the frozen harness of {run.tag} has changed", hint="run: runner audit")
    require_same_rules(run)
    if prepared.digest != run.data_digest:
        raise ConfigError(
            f"the data of {run.task} is not what {run.tag} was created with",
            hint="its scores would not compare; start a new run",
        )
    session = Session(
        run=run,
        policy=parse_policy(run.policy_text, f"policy of {run.tag}").policy,
        ledger=ledger,
        workspace=workspace,
        sandbox=sandbox,
        data=prepared,
        state=state,
        harness=harness,
        log=log,
        independent=is_independent(run.agent),
    )
    return replace(session, analyst=partial(analyze, session, sandbox))
