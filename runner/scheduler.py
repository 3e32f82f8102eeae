"""The loop: proposals ahead, experiments under way, trials on devices; one thread decides.

| who | does |
|---|---|
| an agent's thread | thinks about one proposal, and hands it over |
| a device's thread | runs one trial or guard |
| this thread | appends to the journal, moves git, and says who does what next |

What has to be done for an experiment is said by `next_step`, from the journal alone. So going on
after a kill is the same code as going on.
"""

from __future__ import annotations

import queue
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from runner import commit_messages, trials
from runner.draws import PER_EXPERIMENT
from runner.draws import index as draw_index
from runner.ends import End, Outcome, Wish
from runner.errors import JournalError, RunStoppedError
from runner.experiment.steps import (
    Answer,
    Decide,
    Done,
    Examine,
    Measure,
    RunGuard,
    Settle,
    StoreAttempt,
    Wait,
    next_step,
)
from runner.logs import LOGS_KEPT, drop_logs, keep_talk
from runner.policy.review import Examination
from runner.proposals.context import history_as_told
from runner.proposals.opening import open_baseline, open_proposal, open_retry
from runner.proposals.rebasing import Returned, on_the_best
from runner.proposals.reviewing import reviewed
from runner.proposers import Events, Proposer, Proposers
from runner.records import (
    TO_PLANT,
    Experiment,
    ExperimentStatus,
    GuardRecord,
    GuardResult,
    HypothesisStatus,
    Place,
    Purpose,
)
from runner.rules import rule_of
from runner.seams import Agent
from runner.session import Session
from runner.steering.between import between
from runner.steering.course import Course, course_of, note_work, reason_to_end
from runner.workspace import NOTES_REF

HELD, WENT_ON = "run.held", "run.went-on"
"""Notes: a person had the run wait, and it went on."""
LOOK_SECONDS = 0.2
"""How often the thread looks up from its waiting, so that signals are handled."""


def run_loop(
    session: Session,
    *agents: Agent,
    experiments: int | None,
    ahead: int | None = None,
    planted: int | None = None,
    retry: int | None = None,
) -> End:
    """Conduct experiments until a limit, the agents' end, or a wish to stop; return how it ended.

    Args:
        session: the run.
        agents: who proposes; several do so side by side.
        experiments: how many after the baseline the run is to have in all; `None` for no limit.
        ahead: how many proposals each agent makes while its last experiment has no result yet;
            `None` for what suits the agent, or one for each device where there are several.
        planted: how many changes of nothing the run is to have among them; `None` for as many as
            an earlier start was to have, 0 for none in this one.
        retry: the undecided experiment that a person wants continued.

    Raises:
        RunStoppedError: the baseline failed.
        RunnerError: a failure of ours; what was in progress is conducted again on resume.
    """
    course = course_of(session, experiments)
    plants = wanted_planted(session, planted)
    scheduler = Scheduler(session, agents, course, ahead, planted=plants, retry=retry)
    try:
        return scheduler.run()
    finally:
        scheduler.close()
        with suppress(JournalError):  # it may be what failed
            note_work(session, scheduler.course)


def wanted_planted(session: Session, asked: int | None) -> int:
    """Return how many changes of nothing there are to be, and write down what was asked."""
    known = int(session.now.noted.get(TO_PLANT, {}).get("count", 0))
    if asked is None or asked == known:
        return known
    if not asked:
        return 0
    session.journal.event(session.run.tag, TO_PLANT, count=asked)
    return asked


class Scheduler:
    """One start of a run."""

    def __init__(
        self,
        session: Session,
        agents: Sequence[Agent],
        course: Course,
        ahead: int | None,
        *,
        planted: int = 0,
        retry: int | None = None,
    ) -> None:
        self.session, self.course, self.rule = session, course, rule_of(session.policy)
        self._events: Events = queue.SimpleQueue()
        self._proposers = Proposers(
            session,
            agents,
            ahead,
            events=self._events,
            is_over=lambda: self.end is not None,
            planted=planted,
        )
        self._flying: dict[object, Future[Any]] = {}
        """What was submitted and has not come back: trials by purpose and place, guards by name."""
        self._active: dict[int, Proposer | None] = {}
        """Experiments with something left to do → who proposed it in this start."""
        self._begun: dict[int, float] = {}
        self._examined: dict[int, Examination] = {}
        self.end: End | None = None
        under_way = (one.origin.retries for one in session.now.open.values() if one.origin)
        self._retry = None if retry in under_way else retry
        """What is still to be opened for the person; what was cut off goes on by itself."""
        self._held: float | None = None
        """Since when a person has the run wait."""

    # -- the loop -------------------------------------------------------------------------

    def run(self) -> End:
        """Go on with what is there, then propose and conduct until the run ends."""
        self._tell_course()
        self._take_up()
        self._work_off()
        if not self.session.now.count:
            self._activate(open_baseline(self.session), None)
            self._work_off()
        self._require_baseline()
        if self._retry is not None and self._may_begin():
            self._activate(open_retry(self.session, self._retry), None)
        self.course = replace(self.course, known=len(self.session.now.settled))
        self.end = reason_to_end(self.session, self.course)
        if self.end is None:
            between(self.session, self.course)
        self._advance()
        while not self._is_over():
            if self.end is None and self._held is None:
                self._proposers.hand_out(self.course)
            self._wait()
            self._advance()
            self.end = self.end or self._asked_to_stop()
            if self._proposers.failure is not None:
                self.end = self.end or self._proposers.end
        self._go_on()
        if self._proposers.failure is not None:
            raise self._proposers.failure
        nothing = End(outcome=Outcome.FINISHED, reason="what was asked for has ended")
        return self.end or self._proposers.end or nothing

    def close(self) -> None:
        """Let agents and devices end; after a failure nothing that runs is of use any more."""
        if self._flying:
            self.session.executor.abort.set()
            wait(self._flying.values())
        self.end = self.end or End(outcome=Outcome.STOPPED, reason="the run ended")
        self._proposers.close()

    def _is_over(self) -> bool:
        """Say whether nothing is under way, and nothing more will be proposed."""
        if self._active or self._flying:
            return False
        return self.end is not None or self._proposers.are_done(self.course)

    def _work_off(self) -> None:
        """Bring everything that is active to its end."""
        self._advance()
        while self._active:
            self._wait()
            self._advance()

    def _wait(self) -> None:
        """Handle what came back, after waiting a moment for it, and what a person asked."""
        with suppress(queue.Empty):
            self._events.get(timeout=LOOK_SECONDS)()
            while True:
                self._events.get_nowait()()
        self._heed()

    def _asked_to_stop(self) -> End | None:
        if self.session.stop_asked():
            return End(outcome=Outcome.STOPPED, reason="asked to stop")
        return None

    # -- what a person asks from elsewhere ------------------------------------------------

    def _may_begin(self) -> bool:
        """Wait as long as a person has the run wait; say whether it goes on then."""
        self._heed()
        while self._held is not None and not self.session.stop_asked():
            self._wait()
        return not self.session.stop_asked()

    def _heed(self) -> None:
        """Hold the run, or let it go on, as a person asked last."""
        session, wish = self.session, self.session.wish
        if wish is Wish.PAUSE and self._held is None and self.end is None:
            self._held = time.monotonic()
            session.journal.event(session.run.tag, HELD, under_way=sorted(self._active))
            session.log.info(HELD)
            session.person.say(
                f"paused, as was asked from elsewhere: runner resume {session.run.tag} goes on"
            )
        elif wish is not Wish.PAUSE:
            self._go_on()
        session.progress.wish(None if wish is Wish.RESUME else wish)

    def _go_on(self) -> None:
        """Let a run go on that was held; its hours do not count the time."""
        if self._held is None:
            return
        session, seconds = self.session, time.monotonic() - self._held
        self._held = None
        self.course = replace(self.course, begun=self.course.begun + seconds)
        self._tell_course()
        session.journal.event(session.run.tag, WENT_ON, seconds=seconds)
        session.log.info(WENT_ON, seconds=round(seconds, 3))
        session.person.say(f"going on after {seconds:.0f} s")

    def _tell_course(self) -> None:
        """Say to whoever looks from elsewhere how far this start goes."""
        self.session.progress.course(
            self.course.experiments,
            seconds=self.course.seconds_left,
            devices=self.session.executor.capacity,
        )

    # -- going on -------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Do what an earlier supervisor still owes, and take up what it left unfinished."""
        session = self.session
        session.begin()
        state = session.now
        usd = session.spending.settle(agent=session.run.agent, experiment=state.count)
        if usd:
            session.log.warning("spending.settled", usd=round(usd, 6))
        for experiment in state.history:
            if not isinstance(self._next(experiment.number), Done):
                if experiment.ended_at is None:
                    session.log.info("experiment.resumed", experiment=experiment.number)
                self._activate(experiment.number, None)
        self._write_page()
        for newest in state.settled[-1:]:
            session.research_log.audited(newest)

    def _activate(self, number: int, proposer: Proposer | None) -> None:
        self._active[number], self._begun[number] = proposer, time.monotonic()

    def _require_baseline(self) -> None:
        baseline = self.session.read(0)
        if baseline.status is not ExperimentStatus.KEPT:
            log = self.session.state.run(self.session.run.tag) / "logs" / "0000"
            raise RunStoppedError(
                f"the unmodified template failed: {baseline.reason}", hint=f"its output is in {log}"
            )

    # -- experiments ----------------------------------------------------------------------

    def _next(self, number: int) -> Any:
        session = self.session
        return next_step(session.now, number, session.policy, self.rule, session.metric)

    def _advance(self) -> None:
        """Take every step that can be taken now, the oldest experiment first.

        What waits for a device is opened as soon as one is free, before anything is waited for.
        """
        again = True
        while again:
            again = False
            for number in sorted(self._active):
                again |= self._step(number)
            again |= self._open_pending()

    def _step(self, number: int) -> bool:
        """Take an experiment's next step; say whether another can be taken at once."""
        session, experiment = self.session, self.session.read(number)
        match self._next(number):
            case Examine():
                review = reviewed(session, experiment, self._examined.pop(number, None))
                session.journal.reviewed(session.run.tag, number, review)
            case StoreAttempt():
                self._store_attempt(experiment)
            case Measure() as measure:
                self._measure(experiment, measure)
                return False
            case RunGuard() as guard:
                self._run_guard(experiment, guard)
                return False
            case Decide() as decide:
                found = decide.decision
                session.progress.outlook(None)
                session.journal.decided(
                    session.run.tag,
                    number,
                    status=found.status,
                    reason=found.reason,
                    rule=found.rule,
                    score=found.score,
                    gain=found.gain,
                    sure=found.sure,
                    weight=found.weight,
                    planned=self.rule.most_trials if self.rule.plans else None,
                )
            case Settle():
                self._settle(experiment)
            case Answer() as answer:
                answered = HypothesisStatus.ANSWERED
                session.journal.end_hypothesis(answer.hypothesis, answered, experiment=number)
            case Wait():
                return False
            case Done():
                self._done(experiment)
        return True

    def _store_attempt(self, experiment: Experiment) -> None:
        """Keep the diff, and the notes that came with it, whatever becomes of the experiment."""
        session, number = self.session, experiment.number
        changes = session.workspace.loaded(experiment.changes)
        notes = [change for change in changes if change.path in session.policy.files.notes]
        commit = session.workspace.attempt(
            number,
            experiment.parent_commit,
            [change for change in changes if change not in notes],
            commit_messages.attempt(experiment),
            experiment.started_at,
        )
        violations = experiment.review.violations if experiment.review else ()
        broken = {violation.path for violation in violations}
        sound = [change for change in notes if change.path not in broken]
        if number:
            message = commit_messages.notes(number)
            session.workspace.write_notes(sound, message, experiment.started_at)
        session.journal.attempt_stored(session.run.tag, number, commit)

    def _settle(self, experiment: Experiment) -> None:
        """Move the branch for a keep; a revert is the branch not moving."""
        session, number, commit = self.session, experiment.number, None
        if experiment.status is ExperimentStatus.KEPT and experiment.attempt_commit:
            best = session.now.best
            commit = experiment.parent_commit
            if number:
                commit = session.workspace.keep(
                    experiment.attempt_commit,
                    (best.commit if best else None) or session.run.base_commit,
                    commit_messages.kept(session.run, experiment),
                    experiment.started_at,
                )
        entry = session.journal.settled(
            session.run.tag,
            number,
            commit=commit,
            wall_seconds=time.monotonic() - self._begun[number],
            notes_commit=session.workspace.resolve(NOTES_REF),
        )
        ended = session.read(number)
        session.log.info(
            "experiment.decided",
            experiment=number,
            status=ended.status,
            rule=ended.rule,
            reason=ended.reason,
            score=ended.score,
            gain=ended.gain,
            commit=ended.commit,
            wall_seconds=ended.wall_seconds,
            seq=entry.seq,
            chain=entry.chain,
        )
        self._write_page()

    def _write_page(self) -> None:
        told = history_as_told(self.session)
        if told:
            self.session.research_log.update(told[-1], lambda: told)

    def _done(self, experiment: Experiment) -> None:
        session = self.session
        session.research_log.audited(experiment)
        old = experiment.number - LOGS_KEPT
        drop_logs(session.state, session.read(old) if old >= 0 else None)
        proposer = self._active.pop(experiment.number)
        if proposer is not None:
            proposer.unsettled -= 1
        session.person.finished(experiment)
        if experiment.number == 0:
            return
        note_work(session, self.course)
        self.end = self.end or reason_to_end(session, self.course)
        if self.end is None:
            between(session, self.course)

    def _open_pending(self) -> bool:
        """Make an experiment of the next proposal that waits; say whether there was one.

        It is opened once a device may be free for it, so that it starts from the best there is.
        """
        if not self._proposers.waiting or self.end is not None or self._held is not None:
            return False
        if self.session.stop_asked():  # perhaps while an agent thought in this very thread
            return False
        if len(self._active) >= self.session.executor.capacity:
            return False
        made = self._proposers.waiting.popleft()
        based = on_the_best(self.session, made.based)
        if isinstance(based, Returned):
            self._proposers.give_back(made, based.why)
            return True
        number = open_proposal(self.session, based, made.proposer.agent, returned=made.returned)
        slot, tag = made.slot.number, self.session.run.tag
        keep_talk(self.session.state, tag, proposal=slot, experiment=number)
        if based.examination is not None:
            self._examined[number] = based.examination
        self._activate(number, made.proposer)
        return True

    # -- trials ---------------------------------------------------------------------------

    def _measure(self, experiment: Experiment, step: Measure) -> None:
        """Submit the trials that are wanted, as far as devices are free."""
        if step.outlook is not None:
            self.session.progress.outlook(step.outlook)
        for place in step.places:
            key = (step.purpose, place)
            if key in self._flying or len(self._flying) >= self.session.executor.capacity:
                continue
            spec = trials.specified(self.session, step.purpose, place)
            about = self._progress(experiment, step, place)
            future = self.session.executor.submit(spec, about)
            self._await(key, future, partial(trials.ended, self.session, experiment.number, spec))

    def _await(self, key: object, future: Future[Any], handle: Callable[[Any], None]) -> None:
        """Have this thread handle what a device brings back; its failure is raised here."""

        def back() -> None:
            del self._flying[key]
            handle(future.result())

        self._flying[key] = future
        future.add_done_callback(lambda _: self._events.put(back))

    def _progress(self, experiment: Experiment, step: Measure, place: Place) -> dict[str, Any]:
        """Return where in its plan a trial is, and how long trials like it took."""
        took = [
            trial.result.wall_seconds
            for other in self.session.now.settled[-20:]
            for trial in other.trials
            if trial.purpose is step.purpose and trial.result.score
        ]
        before = sum(trial.purpose is step.purpose for trial in experiment.trials)
        splits = len(self.session.policy.evaluation.splits)
        planned = self.rule.most_trials if step.purpose.decides else before + len(step.places)
        about = {
            "what": "a trial of" if step.purpose.decides else "the audit of",
            "experiment": experiment.number,
            "trial": before + step.places.index(place) + 1,
            "trials": planned,
            "seed": place.index % PER_EXPERIMENT + 1 if step.purpose.decides else None,
            "seeds": planned // splits if step.purpose.decides else None,
            "usual_seconds": statistics.median(took) if took else None,
        }
        if place.experiment != experiment.number:  # none of the candidate's own trials
            about |= {"what": "a trial of the best, for", "trial": None, "trials": None}
        return about

    def _run_guard(self, experiment: Experiment, step: RunGuard) -> None:
        """Submit a guard; it is held like the trainer of the experiment's first trial."""
        session, key = self.session, (experiment.number, step.name)
        if key in self._flying or len(self._flying) >= session.executor.capacity:
            return
        guard = next(each for each in session.policy.guards_records() if each.name == step.name)
        place = Place(
            experiment=experiment.number,
            split=session.policy.evaluation.splits[0],
            index=draw_index(experiment.number, 0),
        )
        spec = trials.specified(session, Purpose.DECISION, place)
        about = {"what": f"the guard {step.name} of", "experiment": experiment.number}
        future = session.executor.submit_guard(spec, guard, about)
        self._await(key, future, partial(self._guard_ended, experiment.number, step.name))

    def _guard_ended(self, number: int, name: str, result: GuardResult) -> None:
        trials.write_log(self.session, number, "guard", name, result.log)
        guard = GuardRecord(name=name, failed=result.failed, wall_seconds=result.wall_seconds)
        self.session.journal.guard_ended(self.session.run.tag, number, guard)
        self.session.log.info(
            "guard.ended",
            experiment=number,
            guard=name,
            failed=result.failed,
            wall_seconds=round(result.wall_seconds, 3),
        )
