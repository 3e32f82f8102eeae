"""A run from the command line's point of view: signals, the live view, the summary at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from runner import paths
from runner.addresses import load_targets
from runner.ends import End, Outcome
from runner.errors import JournalError, ModelError, RunnerError, SandboxError
from runner.notify import telling
from runner.replication import replicate
from runner.scheduler import run_loop
from runner.seams import Agent
from runner.session import Person, Session
from runner.start import AtWork, Request, at_work
from runner.stopping import Stop
from runner.views import lines, summary
from runner.views.live import Live
from runner.views.standing import standing_of


def supervise(
    request: Request,
    *,
    experiments: int | None,
    ahead: int | None = None,
    planted: int | None = None,
    retry: int | None = None,
    researcher: Callable[[Live], Agent] | None = None,
) -> int:
    """Run the loop for a person at a terminal; return the exit code.

    Args:
        request: which run.
        experiments: how many after the baseline it is to have in all; `None` for no limit.
        ahead: how many proposals an agent makes before it knows the result of its last one.
        planted: how many changes of nothing the run is to have in all; 0 for none in this start.
        retry: the undecided experiment that is to be continued.
        researcher: makes who proposes, in place of the run's own agent.

    Raises:
        RunnerError: before or during the run; what ended is in the journal.
    """
    if request.resume and experiments == 0:  # what is unfinished is conducted, nothing proposed
        request = replace(request, somebody_else=True)
    with Live() as live:
        stop = Stop(live.say, patient=True)
        with stop.listening(), opened(request, live, stop) as work:
            agents = (researcher(live),) if researcher else work.agents
            return go_through(
                work, agents, live, experiments, ahead, planted=planted, retry=retry
            ).exit_code


def replicated(tag: str, draws: int) -> None:
    """Measure a run's baseline and best again, for a person at a terminal.

    Raises:
        RunnerError: nothing was kept, or a failure of ours; what ended is in the journal.
    """
    with Live(stderr=True) as live:
        stop = Stop(live.say, patient=True)
        again = f"replicate {tag} --seeds {draws}"
        request = Request(tag=tag, resume=True, somebody_else=True, command=again)
        with stop.listening(), opened(request, live, stop) as work, host_fault():
            replicate(work.session, draws)


@contextmanager
def opened(request: Request, live: Live, stop: Stop) -> Iterator[AtWork]:
    """Yield the run, shown by `live` and ended by `stop`."""
    person = Person(
        say=live.say,
        finished=lambda experiment: live.finished(experiment),
        stop_asked=lambda: stop.asked,
        waiting=live.waiting,
    )
    targets = load_targets()  # first, for it may be wrong
    with at_work(paths.state(), request, person) as work:
        session = work.session
        session.executor.on_stage = live.stage
        live.describe = lambda ended: lines.experiment_line(session.metric, ended)
        with stop.stopping(session.executor), telling(targets, session, live.say):
            yield work


def go_through(
    work: AtWork,
    agents: Sequence[Agent],
    live: Live,
    experiments: int | None,
    ahead: int | None = None,
    *,
    planted: int | None = None,
    retry: int | None = None,
) -> End:
    """Run the loop to its end, show the summary, and return how it ended."""
    session = work.session
    try:
        with host_fault():
            end = run_loop(
                session,
                *agents,
                experiments=experiments,
                ahead=ahead,
                planted=planted,
                retry=retry,
            )
    except RunnerError as error:
        error.hint = to_do(session.run.tag, error)
        kind = type(error).__name__
        _note(session, summary.PAUSED, kind=kind, message=str(error), to_do=error.hint)
        live.close()
        how = "paused" if isinstance(error, ModelError) else "stopped"
        live.say(_summary(session, f"{how}: {error}", experiments, to_do=error.hint))
        raise
    look = ""
    if end.outcome is Outcome.PAUSED:
        look = f"see what failed: {summary.program()} list {session.run.tag}"
        _note(session, summary.PAUSED, kind="failures", message=str(end), to_do=look)
    else:
        _note(session, summary.ENDED, reason=str(end), outcome=end.outcome)
    live.close()
    live.say(_summary(session, str(end), experiments, to_do=look))
    return end


def to_do(tag: str, error: RunnerError) -> str:
    """Return what a person has to do; after a model's failure always how the run goes on too."""
    resume = f"{summary.program()} run --resume {tag}"
    hint = error.hint.replace("runner run --resume TAG", resume)
    hint = hint.replace("--resume TAG", f"--resume {tag}")
    if not isinstance(error, ModelError) or "--resume" in hint:
        return hint
    resume = f"this run goes on with: {resume}"
    return f"{hint or 'wait, or look at the account that is billed'}; {resume}"


@contextmanager
def host_fault() -> Iterator[None]:
    """Turn what the host's files refuse (a full disk, say) into a pause with one clear message."""
    try:
        yield
    except OSError as error:
        hint = "repair that (is the disk full?), then: runner run --resume TAG"
        raise SandboxError(f"this machine failed: {error}", hint=hint) from error


def _summary(session: Session, reason: str, experiments: int | None, *, to_do: str = "") -> str:
    return summary.summary(
        standing_of(session.journal, session.run),
        session.state,
        reason=reason,
        experiments=experiments,
        cap=session.policy.limits.usd,
        to_do=to_do,
    )


def _note(session: Session, event: str, **detail: str) -> None:
    """Keep why the run paused or ended; the journal itself may be what failed.

    The event log gets the chain too, so that an end cannot be cut off the journal unseen.
    """
    witnessed: dict[str, object] = {}
    with suppress(JournalError, OSError):
        entry = session.journal.event(session.run.tag, event, **detail)
        witnessed = {"seq": entry.seq, "chain": entry.chain}
    tell = session.log.warning if event == summary.PAUSED else session.log.info
    with suppress(OSError):
        tell(event, **detail, **witnessed)
