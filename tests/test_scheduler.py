"""Proposals ahead and several trials at once: what comes of them is what each alone gives."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from fake_work import StoppableSandbox
from fakes import POLICY_TEXT, TAG, FakeSandbox, crashed, edit, make_session
from proposers import FILES, PATIENCE, Playing, is_clean, sets, setting, settings, total

from runner import draws, scheduler
from runner.agents.mcp.exchange import Mcp
from runner.agents.person import Person
from runner.agents.stub import Entry, Script, Stub
from runner.agents.tune import RandomSearch, Tune
from runner.errors import ModelError, SandboxError
from runner.journal.entries import Kind
from runner.policy.syntax import read_facts
from runner.prompt.brief import brief
from runner.proposals import supervisor
from runner.records import ExperimentStatus, Proposal, Purpose, TrialResult, TrialSpec
from runner.scheduler import run_loop
from runner.seams import Context, Supervisor
from runner.session import Session

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
PARSED = lru_cache(read_facts)
ONE_SEED = POLICY_TEXT.replace("most_trials: 2 ", "most_trials: 1 ")
THREE_SEEDS = POLICY_TEXT.replace("most_trials: 2 ", "most_trials: 3 ")


@pytest.fixture(autouse=True)
def each_source_is_parsed_once(monkeypatch):
    monkeypatch.setattr(sys.modules["runner.policy.review"], "read_facts", PARSED)


@contextmanager
def session_of(
    folder: Path,
    results: Callable[[TrialSpec], TrialResult] = total,
    *,
    devices: int = 1,
    policy: str = ONE_SEED,
    **more: Any,
) -> Iterator[Session]:
    sandboxes = [FakeSandbox(results) for _ in range(devices)]
    with make_session(folder, sandboxes, policy_text=policy, template=FILES, **more) as session:
        yield session


def place(spec: TrialSpec) -> tuple[int, Purpose, int]:
    """Return which trial it is: of which experiment, what for, and its how manyth draw."""
    return spec.experiment, spec.purpose, spec.index - draws.index(spec.experiment, 0)


def first(number: int) -> tuple[int, Purpose, int]:
    return number, Purpose.DECISION, 0


@dataclass
class Held:
    """Trials that wait until a condition holds, which the thread that decides looks at.

    So a trial ends only after everything that came before was dealt with.
    """

    until: dict[tuple[int, Purpose, int], Callable[[Session], bool]]
    session: Session | None = None
    begun: set[tuple[int, Purpose, int]] = field(default_factory=set)
    _free: dict[tuple[int, Purpose, int], threading.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._free = {key: threading.Event() for key in self.until}

    def __call__(self, spec: TrialSpec) -> TrialResult:
        key = place(spec)
        self.begun.add(key)
        if key in self._free:
            assert self._free[key].wait(PATIENCE), f"{key} waited in vain"
        return total(spec)

    def look(self) -> bool:
        """Let go what may end; given as `stop_asked`, which is asked once in each round."""
        for key, holds in self.until.items():
            if self.session is not None and key in self.begun and holds(self.session):
                self._free[key].set()
        return False


@contextmanager
def held_session(folder: Path, held: Held, **more: Any) -> Iterator[Session]:
    with session_of(folder, held, stop_asked=held.look, **more) as session:
        held.session = session
        yield session


def best_settings(session: Session) -> Any:
    return settings(session.workspace.files(session.workspace.head())["train.py"].content)


def grows(context: Context, supervisor: Supervisor) -> Proposal:
    name = ("WIDTH", "DEPTH", "RATE")[context.number % 3]
    return setting(context, name, 100 + context.number)


def takes_away(name: str, value: int) -> Callable[[Context, Supervisor], Proposal]:
    def step(context: Context, supervisor: Supervisor) -> Proposal:
        return setting(context, name, value, takeaway=f"of {context.history[-1].number}")

    return step


# -- one proposal ahead -----------------------------------------------------------------------


def test_an_agent_thinks_about_the_next_experiment_while_the_last_one_is_measured(tmp_path):
    measuring, thought = threading.Event(), threading.Event()

    def slow(spec: TrialSpec) -> TrialResult:
        if place(spec) == first(1):
            measuring.set()
            assert thought.wait(PATIENCE), "nobody thought meanwhile"
        return total(spec)

    def thinks(context: Context, supervisor: Supervisor) -> Proposal:
        assert measuring.wait(PATIENCE), "nothing was measured meanwhile"
        thought.set()
        return takes_away("RATE", 50)(context, supervisor)

    agent = Playing([takes_away("WIDTH", 50), thinks, takes_away("DEPTH", 9)], ahead=1)
    with session_of(tmp_path, slow) as session:
        run_loop(session, agent, experiments=3)
        origins = [found.origin for found in session.history[1:]]
    second, third = agent.told[1:]
    [pending] = second.pending
    assert (pending.number, pending.hypothesis) == (1, "WIDTH 50")
    assert (pending.status, pending.score, pending.trials, pending.review) == (None, None, (), None)
    assert [found.number for found in second.history] == [0]
    assert "#1 " in brief(second).news
    assert [found.number for found in third.history] == [0, 1]
    # What it takes away is of the last experiment that has a result, not of the last proposal.
    assert [(o.takeaway, o.takeaway_of) for o in origins] == [("of 0", 0), ("of 0", 0), ("of 1", 1)]
    assert is_clean(tmp_path)


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_an_agent_makes_as_many_proposals_ahead_as_it_may_and_no_more(tmp_path, ahead):
    rounds = []

    def enough(_: Session) -> bool:
        """Wait for the proposals ahead, and then a few rounds for one too many."""
        if len(agent.told) > ahead:
            rounds.append(len(agent.told))
        return len(rounds) > 3

    agent = Playing([grows] * 9)
    held = Held({first(1): enough})
    with held_session(tmp_path, held) as session:
        run_loop(session, agent, experiments=4, ahead=ahead)
        assert len(session.history) == 5
    assert set(rounds[:3]) == {ahead + 1}
    assert max(len(context.pending) for context in agent.told) == ahead
    assert is_clean(tmp_path)


def test_a_proposal_is_reviewed_while_the_last_experiment_is_measured(tmp_path, monkeypatch):
    reviewed = threading.Event()

    def examined(session: Session, context: Context, proposal: Proposal) -> Any:
        found = examine(session, context, proposal)
        if context.pending:
            reviewed.set()
        return found

    def slow(spec: TrialSpec) -> TrialResult:
        if place(spec) == first(1):
            assert reviewed.wait(PATIENCE), "the review waits for the device"
        return total(spec)

    examine = supervisor.examined
    monkeypatch.setattr(supervisor, "examined", examined)
    with session_of(tmp_path, slow) as session:
        run_loop(session, Playing([grows] * 2), experiments=2, ahead=1)


def test_what_waits_for_a_device_is_measured_as_soon_as_one_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "LOOK_SECONDS", 2 * PATIENCE)
    ended, begun = [], []

    def noted(spec: TrialSpec) -> TrialResult:
        begun.append((place(spec), time.monotonic()))
        return held(spec)

    def finished(experiment: Any) -> None:
        ended.append(time.monotonic())

    agent = Playing([grows] * 2, ahead=1)
    held = Held({first(1): lambda _: len(agent.told) == 2})
    with session_of(tmp_path, noted, stop_asked=held.look, finished=finished) as session:
        held.session = session
        run_loop(session, agent, experiments=2)
    assert dict(begun)[first(2)] - ended[1] < PATIENCE


@dataclass
class Watched:
    """An agent, and what it was told."""

    agent: Any
    told: list[Context] = field(default_factory=list)
    isolation: str = "api"

    def __post_init__(self) -> None:
        self.name, self.ahead = self.agent.name, self.agent.ahead

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        self.told.append(context)
        return self.agent.propose(context, supervisor)


def stub() -> Stub:
    texts = [f"WIDTH = {50 + number}\nDEPTH = 1\nRATE = 10\n" for number in range(3)]
    entries = [{"hypothesis": "x", "changes": [{"path": "train.py", "text": t}]} for t in texts]
    return Stub(Script(entries=tuple(map(Entry.model_validate, entries))), Path())


@pytest.mark.parametrize("make", [Tune, RandomSearch, stub])
@pytest.mark.parametrize("devices", [1, 2])
def test_who_needs_the_last_result_never_proposes_without_it(tmp_path, make, devices):
    agent = Watched(make())
    with session_of(tmp_path, devices=devices) as session:
        run_loop(session, agent, experiments=3)
    assert [len(context.history) for context in agent.told] == [1, 2, 3]
    assert [context.pending for context in agent.told] == [()] * 3


def test_neither_a_person_nor_a_client_is_asked_ahead():
    assert (Person.ahead, Mcp.ahead) == (0, 0)


# -- the best moved meanwhile -----------------------------------------------------------------


def has_waiting(count: int) -> Callable[[Session], bool]:
    def holds(session: Session) -> bool:
        return session.now.count >= count

    return holds


def test_what_was_not_measured_yet_is_put_onto_the_new_best(tmp_path):
    agent = Playing([sets("WIDTH", 50), sets("RATE", 50)], ahead=1)
    held = Held({first(1): lambda _: len(agent.told) == 2})
    with held_session(tmp_path, held) as session:
        run_loop(session, agent, experiments=2)
        _, one, two = session.history
        assert (agent.told[1].parent, two.origin.parent) == (0, 1)
        assert (two.parent_commit, two.status) == (one.commit, KEPT)
        assert best_settings(session) == {"WIDTH": 50, "DEPTH": 1, "RATE": 50}
    assert is_clean(tmp_path)


def test_what_conflicts_with_the_new_best_goes_back_to_its_agent(tmp_path):
    agent = Playing([sets("WIDTH", 50), sets("WIDTH", 60), sets("RATE", 50)], ahead=1)
    held = Held({first(1): lambda _: len(agent.told) == 2})
    with held_session(tmp_path, held) as session:
        run_loop(session, agent, experiments=2)
        assert [found.hypothesis for found in session.history[1:]] == ["WIDTH 50", "RATE 50"]
    assert [violation.rule for violation in agent.told[2].returned] == ["conflict"]
    assert agent.told[2].number == agent.told[1].number
    assert is_clean(tmp_path)


def test_what_goes_back_waits_until_its_agent_has_thought_of_what_it_is_at(tmp_path):
    thinking, settled = threading.Event(), threading.Event()

    def slow(spec: TrialSpec) -> TrialResult:
        if place(spec) == first(1):
            assert thinking.wait(PATIENCE)
        return total(spec)

    def at_something_else(context: Context, supervisor: Supervisor) -> Proposal:
        thinking.set()
        assert settled.wait(PATIENCE)
        return setting(context, "RATE", 50)

    steps = [sets("WIDTH", 50), sets("WIDTH", 60), at_something_else, sets("DEPTH", 9)]
    agent = Playing(steps, ahead=2)

    def finished(experiment: Any) -> None:
        if experiment.number == 1:
            settled.set()

    with session_of(tmp_path, slow, finished=finished) as session:
        run_loop(session, agent, experiments=3)
        tried = [found.hypothesis for found in session.history[1:]]
    assert tried == ["WIDTH 50", "RATE 50", "DEPTH 9"]
    assert [bool(context.returned) for context in agent.told] == [False, False, False, True]
    assert not agent.steps
    assert is_clean(tmp_path)


@pytest.mark.parametrize(
    ("rate", "status", "best"),
    [
        (20, REVERTED, {"WIDTH": 50, "DEPTH": 1, "RATE": 10}),  # better than the old best only
        (60, KEPT, {"WIDTH": 32, "DEPTH": 1, "RATE": 60}),
    ],
)
def test_what_was_measured_is_judged_against_the_new_best_by_its_own_trials(
    tmp_path, rate, status, best
):
    agent = Playing([sets("WIDTH", 50), sets("RATE", rate)], ahead=1)
    held = Held({first(1): lambda s: s.now.count > 2 and bool(s.read(2).trials)})
    with held_session(tmp_path, held, devices=2) as session:
        run_loop(session, agent, experiments=2)
        _, one, two = session.history
        assert (one.status, two.status) == (KEPT, status)
        assert (one.origin.parent, two.origin.parent) == (0, 0)
        assert [trial.index for trial in two.trials if trial.purpose.decides] == [2000]
        assert two.gain == pytest.approx(rate - 10 - 18)
        assert best_settings(session) == best
        branch = [commit.id for commit in session.workspace.commits(session.workspace.branch)]
        assert branch == [found.commit for found in session.history if found.commit]
    assert is_clean(tmp_path)


# -- two devices ------------------------------------------------------------------------------


def test_two_experiments_are_measured_at_once_and_settle_by_number(tmp_path):
    both = threading.Barrier(2)

    def at_once(spec: TrialSpec) -> TrialResult:
        if place(spec) in (first(1), first(2)):
            both.wait(PATIENCE)
        return total(spec)

    agent = Playing([sets("WIDTH", 50), sets("RATE", 50)], ahead=1)
    with session_of(tmp_path, at_once, devices=2) as session:
        run_loop(session, agent, experiments=2)
    assert is_clean(tmp_path)


def test_an_experiment_that_is_measured_first_settles_after_those_before_it(tmp_path):
    agent = Playing([grows] * 2, ahead=1)
    held = Held({first(1): lambda s: s.now.count > 2 and bool(s.read(2).trials)})
    with held_session(tmp_path, held, devices=2) as session:
        run_loop(session, agent, experiments=2)
        entries = list(session.journal.entries(TAG))
        ended = [e.document["experiment"] for e in entries if e.kind == Kind.TRIAL_ENDED]
        settled = [e.document["number"] for e in entries if e.kind == Kind.SETTLED]
    assert ended == [0, 2, 1]
    assert settled == [0, 1, 2]
    assert is_clean(tmp_path)


def test_the_seeds_of_one_experiment_run_side_by_side(tmp_path):
    both = threading.Barrier(2)

    def at_once(spec: TrialSpec) -> TrialResult:
        if spec.purpose is Purpose.DECISION and place(spec)[2] > 0:
            both.wait(PATIENCE)  # the first alone shows whether it runs at all
        return total(spec)

    with session_of(tmp_path, at_once, devices=2, policy=THREE_SEEDS) as session:
        run_loop(session, Playing([grows]), experiments=1)
        indexes = [[t.index for t in found.trials] for found in session.history]
    assert [sorted(set(each)) for each in indexes] == [[0, 1, 2], [1000, 1001, 1002]]
    assert is_clean(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2, 3])
def test_however_many_devices_there_are_as_many_experiments_are_made(tmp_path, devices):
    agents = [Playing([grows] * 40, ahead=2) for _ in range(2)]
    with session_of(tmp_path, devices=devices, policy=POLICY_TEXT) as session:
        reason = str(run_loop(session, *agents, experiments=9))
        history = session.history
    assert reason == "experiments: 9 of 9"
    assert [found.number for found in history] == list(range(10))
    assert all(found.ended_at for found in history)
    assert is_clean(tmp_path)


def devices_of(results: Callable[[TrialSpec], TrialResult], held: Any) -> list[StoppableSandbox]:
    """Return two devices that end together; one holds its trial until then."""
    abort = threading.Event()
    return [StoppableSandbox(results, held=held, abort=abort) for _ in range(2)]


def test_a_failure_of_ours_ends_what_runs_beside_it_and_the_run_goes_on_as_it_would_have(tmp_path):
    beside = threading.Event()

    def fails(spec: TrialSpec) -> TrialResult:
        if place(spec) == first(1):
            assert beside.wait(PATIENCE)
            raise SandboxError("the engine is gone")
        return total(spec)

    def stays(spec: TrialSpec) -> bool:
        if place(spec) == first(2):
            beside.set()
            return True
        return False

    steps = [sets("WIDTH", 50), sets("RATE", 60)]
    with make_session(
        tmp_path, devices_of(fails, stays), policy_text=ONE_SEED, template=FILES
    ) as session:
        with pytest.raises(SandboxError, match="the engine is gone"):
            run_loop(session, Playing(steps, ahead=1), experiments=2)
        assert [len(found.trials) for found in session.history] == [2, 0, 0]
        assert len(session.now.open) == 2
    assert is_clean(tmp_path)
    asked = Counter[Any]()

    def counted(spec: TrialSpec) -> TrialResult:
        asked[place(spec)] += 1
        return total(spec)

    nobody = Playing([])
    with session_of(tmp_path, counted, devices=2) as session:
        run_loop(session, nobody, experiments=2)
        ends = [(found.status, found.hypothesis) for found in session.history[1:]]
    assert ends == [(KEPT, "WIDTH 50"), (KEPT, "RATE 60")]
    assert asked == {
        (n, purpose, 0): 1 for n in (1, 2) for purpose in (Purpose.DECISION, Purpose.AUDIT)
    }
    assert nobody.told == []
    assert is_clean(tmp_path)


def test_what_is_under_way_on_every_device_ends_well_when_an_agent_fails(tmp_path):
    failed = threading.Event()
    measuring = threading.Barrier(3)

    def slow(spec: TrialSpec) -> TrialResult:
        if place(spec) in (first(1), first(2)):
            measuring.wait(PATIENCE)
            assert failed.wait(PATIENCE)
        return total(spec)

    def fails(context: Context, supervisor: Supervisor) -> Proposal:
        measuring.wait(PATIENCE)
        failed.set()
        raise ModelError("no answer")

    agent = Playing([sets("WIDTH", 50), sets("RATE", 60), fails])
    with session_of(tmp_path, slow, devices=2) as session:
        with pytest.raises(ModelError, match="no answer"):
            run_loop(session, agent, experiments=None, ahead=2)
        assert [found.status for found in session.history] == [KEPT, KEPT, KEPT]
        assert not session.now.open
    assert is_clean(tmp_path)


def test_a_crash_beside_another_trial_is_its_own_experiment_s_only(tmp_path):
    both = threading.Barrier(2)

    def one_crashes(spec: TrialSpec) -> TrialResult:
        if place(spec) in (first(1), first(2)):
            both.wait(PATIENCE)
        return crashed() if spec.experiment == 1 else total(spec)

    agent = Playing([sets("WIDTH", 50), sets("RATE", 60)], ahead=1)
    with session_of(tmp_path, one_crashes, devices=2) as session:
        run_loop(session, agent, experiments=2)
        statuses = [found.status for found in session.history[1:]]
    assert statuses == [ExperimentStatus.CRASHED, KEPT]
    assert is_clean(tmp_path)


def test_the_same_program_proposed_twice_ahead_is_measured_once(tmp_path):
    agent = Playing([lambda *_: edit("WIDTH = 32", "WIDTH = 50")] * 2, ahead=1)
    agent.steps = [sets("WIDTH", 50), sets("WIDTH", 50)]
    held = Held({first(1): has_waiting(3)})
    with held_session(tmp_path, held, devices=2) as session:
        run_loop(session, agent, experiments=2)
        _, one, two = session.history
    assert (one.status, two.status, two.rule) == (KEPT, ExperimentStatus.REFUSED, "repeat")
    assert two.trials == ()
    assert is_clean(tmp_path)
