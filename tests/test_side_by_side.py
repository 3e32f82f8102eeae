"""Several agents on one run: one journal, one branch, one experiment at a time, and one end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest
from fakes import POLICY_TEXT, TAG, FakeSandbox, crashed, found, make_session
from proposers import (
    FILES,
    PATIENCE,
    Playing,
    is_clean,
    meeting,
    sets,
    setting,
    settings,
    total,
)

from runner.errors import ModelError, SandboxError, SpentError, StoppedError
from runner.policy.syntax import read_facts
from runner.records import (
    Change,
    Experiment,
    ExperimentStatus,
    HypothesisStatus,
    ModelCall,
    Proposal,
    TrialSpec,
    Usage,
    Violation,
)
from runner.scheduler import run_loop
from runner.seams import Context, Supervisor
from runner.session import Session

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
PARSED = lru_cache(read_facts)


@pytest.fixture(autouse=True)
def each_source_is_parsed_once(monkeypatch):
    monkeypatch.setattr(sys.modules["runner.policy.review"], "read_facts", PARSED)


@contextmanager
def session_of(folder: Path, results=total, policy: str = POLICY_TEXT, **more) -> Iterator[Session]:
    sandbox = FakeSandbox(results)
    with make_session(folder, sandbox, policy_text=policy, template=FILES, **more) as session:
        yield session


# -- what is said while they think ------------------------------------------------------------


def test_what_a_model_was_told_stays_with_the_experiment_that_came_of_it(tmp_path):
    """The second agent hands over first: its proposal 2 becomes experiment 1."""
    second_is_done = threading.Event()

    def slow(context: Context, supervisor: Supervisor) -> Proposal:
        supervisor.said("assistant", "WIDTH")
        second_is_done.wait(PATIENCE)
        return setting(context, "WIDTH", 50)

    def quick(context: Context, supervisor: Supervisor) -> Proposal:
        supervisor.said("assistant", "RATE")
        return setting(context, "RATE", 50)

    def finished(experiment: Experiment) -> None:
        if experiment.number == 1:
            second_is_done.set()

    with session_of(tmp_path, finished=finished) as session:
        run_loop(session, Playing([slow]), Playing([quick]), experiments=2)
        tried = session.history[1:]
    state = session.state
    talks = [state.talk(TAG, one.number).read_text() for one in tried]
    assert not list(state.thinking(TAG, 1).parent.iterdir())
    assert [one.hypothesis for one in tried] == ["RATE 50", "WIDTH 50"]
    assert talks == ["== assistant\nRATE\n", "== assistant\nWIDTH\n"]


# -- the branch moves -------------------------------------------------------------------------


def test_two_changes_of_one_parent_that_go_together_are_both_tried_and_both_kept(tmp_path):
    both = meeting()
    agents = [Playing([sets(name, 50, after=both)]) for name in ("WIDTH", "RATE")]
    with session_of(tmp_path) as session:
        run_loop(session, *agents, experiments=2)
        _, first, second = session.history
        best = settings(session.workspace.files(session.workspace.head())["train.py"].content)
    assert [first.status, second.status] == [KEPT, KEPT]
    assert best == {"WIDTH": 50, "DEPTH": 1, "RATE": 50}
    assert (second.origin.parent, second.parent_commit) == (1, first.commit)
    assert second.origin.why.endswith("then experiment 0; rebased")
    assert is_clean(tmp_path)


def test_what_was_rebased_is_reviewed_and_run_as_one_file(tmp_path):
    both, specs = meeting(), []

    def remembered(spec: TrialSpec):
        specs.append(spec)
        return total(spec)

    agents = [Playing([sets(name, 50, after=both)]) for name in ("WIDTH", "RATE")]
    with session_of(tmp_path, remembered) as session:
        run_loop(session, *agents, experiments=2)
    last = settings(specs[-1].workspace["train.py"].content)
    assert (last["WIDTH"], last["RATE"]) == (50, 50)


def test_two_changes_in_conflict_are_offered_back_naming_what_moved_the_branch(tmp_path):
    both = meeting()
    agents = [
        Playing([sets("WIDTH", value, after=both), sets("DEPTH", value)]) for value in (50, 60)
    ]
    with session_of(tmp_path) as session:
        run_loop(session, *agents, experiments=2)
        _, first, second = session.history
    [returned] = [context for agent in agents for context in agent.told if context.returned]
    [violation] = returned.returned
    assert (violation.rule, violation.path) == ("conflict", "train.py")
    assert "experiment 1 was kept meanwhile" in violation.message
    assert returned.parent == 1
    assert "DEPTH" in second.hypothesis
    assert (first.status, second.status) == (KEPT, KEPT)
    assert is_clean(tmp_path)


def test_the_same_idea_of_two_agents_is_run_once(tmp_path):
    both = meeting()
    agents = [Playing([sets("WIDTH", 50, after=both), sets("DEPTH", 9)]) for _ in range(2)]
    with session_of(tmp_path) as session:
        run_loop(session, *agents, experiments=2)
        hypotheses = [found.hypothesis for found in session.history[1:]]
    assert hypotheses == ["WIDTH 50", "DEPTH 9"]
    [returned] = [context for agent in agents for context in agent.told if context.returned]
    assert [violation.rule for violation in returned.returned] == ["conflict", "no-change"]


def test_a_proposal_is_left_where_it_is_while_the_branch_does_not_move(tmp_path):
    both = meeting()
    agents = [Playing([sets(name, 0, after=both)]) for name in ("WIDTH", "RATE")]
    with session_of(tmp_path) as session:
        run_loop(session, *agents, experiments=2)
        assert [found.origin.parent for found in session.history[1:]] == [0, 0]
        assert [found.status for found in session.history[1:]] == [REVERTED, REVERTED]


def test_a_forfeit_is_recorded_wherever_the_branch_is(tmp_path):
    both, lost = meeting(), Violation(rule="no-proposal", message="nothing came")

    def gives_up(context: Context, supervisor: Supervisor) -> Proposal:
        both.wait(PATIENCE)
        return setting(context, "WIDTH", 77, forfeit=lost)

    agents = [Playing([sets("WIDTH", 50, after=both)]), Playing([gives_up])]
    with session_of(tmp_path) as session:
        run_loop(session, *agents, experiments=2)
        rules = {found.rule for found in session.history[1:]}
    assert rules == {None, "no-proposal"}
    assert is_clean(tmp_path)


def test_another_strategy_s_parent_is_not_rebased(tmp_path):
    both = meeting()
    policy = POLICY_TEXT.replace("name: greedy ", "name: topk ")
    agents = [Playing([sets(name, 50, after=both)]) for name in ("WIDTH", "RATE")]
    with session_of(tmp_path, policy=policy) as session:
        run_loop(session, *agents, experiments=2)
        assert [found.origin.parent for found in session.history[1:]] == [0, 0]
    assert is_clean(tmp_path)


# -- places and numbers -----------------------------------------------------------------------


def grows(context: Context, supervisor: Supervisor) -> Proposal:
    name = ("WIDTH", "DEPTH", "RATE")[context.number % 3]
    return setting(context, name, 100 + context.number)


@pytest.mark.slow
def test_many_agents_make_exactly_as_many_experiments_as_were_asked_for(tmp_path):
    agents = [Playing([grows] * 40) for _ in range(4)]
    with session_of(tmp_path) as session:
        reason = str(run_loop(session, *agents, experiments=12))
        history = session.history
    assert reason == "experiments: 12 of 12"
    assert [found.number for found in history] == list(range(13))
    assert all(found.ended_at for found in history)
    assert is_clean(tmp_path)


def test_no_two_proposals_under_way_have_the_same_number(tmp_path):
    all_three = meeting(3)
    agents = [Playing([sets(n, 50, after=all_three)]) for n in ("WIDTH", "DEPTH", "RATE")]
    with session_of(tmp_path) as session:
        run_loop(session, *agents, experiments=3)
    assert sorted(agent.told[0].number for agent in agents) == [1, 2, 3]


@pytest.mark.slow
def test_experiments_and_analyses_have_the_device_one_at_a_time(tmp_path):
    at_once, most = [0], [0]

    def busy(result):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        for _ in range(100):
            os.sched_yield()  # whoever may come in meanwhile does
        at_once[0] -= 1
        return result

    def asks(context: Context, supervisor: Supervisor) -> Proposal:
        assert supervisor.analyze(None).startswith("found\n(")
        return grows(context, supervisor)

    agents = [Playing([asks] * 20) for _ in range(3)]
    with session_of(
        tmp_path, lambda spec: busy(total(spec)), analyst=lambda *_: busy(found())
    ) as session:
        run_loop(session, *agents, experiments=9)
    assert most == [1]


def test_a_takeaway_names_the_experiment_that_it_is_about(tmp_path):
    both = meeting()

    def first(context: Context, supervisor: Supervisor) -> Proposal:
        both.wait(PATIENCE)
        return setting(context, "WIDTH", 50)

    def then(context: Context, supervisor: Supervisor) -> Proposal:
        return setting(context, "DEPTH", 9, takeaway=f"of {context.history[-1].number}")

    agents = [Playing([first, then]), Playing([first, then])]
    with session_of(tmp_path) as session:
        run_loop(session, *agents, experiments=3)
        origins = [found.origin for found in session.history[1:]]
    assert {o.takeaway: o.takeaway_of for o in origins} in (
        {"": None, "of 1": 1},
        {"": None, "of 1": 1, "of 2": 2},
        {"": None, "of 2": 2},
    )


def test_a_hypothesis_is_not_served_to_two_agents(tmp_path):
    both = meeting()

    def answers(context: Context, supervisor: Supervisor) -> Proposal:
        both.wait(PATIENCE)
        asked = context.hypotheses[0].id
        return setting(context, ("WIDTH", "RATE")[asked % 2], 50, answers=asked)

    agents = [Playing([answers]), Playing([answers])]
    with session_of(tmp_path) as session:
        ids = [session.journal.add_hypothesis(TAG, text) for text in ("one", "two")]
        run_loop(session, *agents, experiments=2)
        found = session.journal.hypotheses(TAG)
    assert sorted(agent.told[0].hypotheses[0].id for agent in agents) == ids
    assert {each.status for each in found} == {HypothesisStatus.ANSWERED}
    assert sorted(each.experiment for each in found) == [1, 2]


def test_a_hypothesis_that_the_review_refused_is_served_again(tmp_path):
    def cheats(context: Context, supervisor: Supervisor) -> Proposal:
        change = Change(path="run.sh", content=b"")
        return Proposal(hypothesis="x", changes=(change,), answers=context.hypotheses[0].id)

    agent = Playing([cheats])
    with session_of(tmp_path) as session:
        session.journal.add_hypothesis(TAG, "one")
        run_loop(session, agent, experiments=None)
    assert [len(context.hypotheses) for context in agent.told] == [1, 1]


def test_nobody_answers_a_hypothesis_that_was_not_given_to_them(tmp_path):
    with session_of(tmp_path) as session:
        other = session.journal.add_hypothesis(TAG, "one")
        session.journal.end_hypothesis(other, HypothesisStatus.DROPPED)
        agent = Playing([lambda context, _: setting(context, "WIDTH", 50, answers=other)])
        run_loop(session, agent, experiments=1)
        assert session.history[1].origin.answers is None


# -- ends -------------------------------------------------------------------------------------


def test_an_agent_that_has_nothing_more_leaves_and_the_others_go_on(tmp_path):
    agents = [Playing([]), Playing([grows] * 5)]
    with session_of(tmp_path) as session:
        reason = str(run_loop(session, *agents, experiments=5))
        assert len(session.history) == 6
    assert reason == "experiments: 5 of 5"


def test_when_all_have_nothing_more_that_is_the_reason(tmp_path):
    with session_of(tmp_path) as session:
        reason = str(run_loop(session, Playing([]), Playing([grows]), experiments=None))
    assert reason == "the agent playing has nothing more to propose"


@pytest.mark.parametrize("error", [ModelError("no answer"), RuntimeError("a bug")])
def test_a_failing_agent_ends_the_run_once_and_what_was_conducted_is_whole(tmp_path, error):
    conducting, failed = threading.Event(), threading.Event()

    def slow(spec: TrialSpec):
        if spec.experiment == 1:
            conducting.set()
            assert failed.wait(PATIENCE)
        return total(spec)

    def fails(context: Context, supervisor: Supervisor) -> Proposal:
        assert conducting.wait(PATIENCE)
        failed.set()
        raise error

    agents = [Playing([grows] * 50), Playing([fails])]
    with session_of(tmp_path, slow) as session:
        with pytest.raises(type(error)) as raised:
            run_loop(session, *agents, experiments=None)
        assert raised.value is error
        assert not session.now.open
        assert session.history[1].status is KEPT
    assert is_clean(tmp_path)


@pytest.mark.parametrize("error", [SandboxError("gone"), StoppedError("now"), KeyboardInterrupt()])
def test_an_experiment_that_is_cut_off_lets_nobody_begin_another(tmp_path, error):
    both = meeting()

    def cut(spec: TrialSpec):
        if spec.experiment == 1:
            raise error
        return total(spec)

    agents = [Playing([sets(name, 50, after=both)]) for name in ("WIDTH", "RATE")]
    with session_of(tmp_path, cut) as session:
        with pytest.raises(type(error)):
            run_loop(session, *agents, experiments=None)
        assert len(session.history) == 2
    with session_of(tmp_path) as session:
        run_loop(session, Playing([grows] * 9), Playing([grows] * 9), experiments=4)
        assert len(session.history) == 5
    assert is_clean(tmp_path)


def test_a_spent_purse_ends_each_agent_and_is_the_reason(tmp_path):
    def spent(context: Context, supervisor: Supervisor) -> Proposal:
        raise SpentError("limits.usd: nothing is left")

    with session_of(tmp_path) as session:
        reason = str(run_loop(session, Playing([spent]), Playing([grows, spent]), experiments=None))
        assert [found.status for found in session.history] == [KEPT, KEPT]
    assert reason == "limits.usd: nothing is left"


def test_money_that_another_agent_has_set_aside_dismisses_nobody(tmp_path):
    def calls(context: Context, supervisor: Supervisor) -> Proposal:
        assert supervisor.usd_left() > 6
        with supervisor.reserved(6.0):
            time.sleep(0.05)  # so that the others meet it
            supervisor.record(
                ModelCall(
                    experiment=context.number,
                    agent="playing",
                    model="m",
                    usage=Usage(),
                    usd=0.1,
                    seconds=0.05,
                    outcome="end_turn",
                )
            )
        return grows(context, supervisor)

    agents = [Playing([calls] * 2) for _ in range(3)]
    with session_of(tmp_path) as session:
        run_loop(session, *agents, experiments=None)
        assert session.policy.limits.usd == 10
        assert len(session.journal.calls(session.run.tag)) == 6
    assert [len(each.told) for each in agents] == [3, 3, 3]


def test_a_wish_to_stop_reaches_agents_that_think_and_drops_what_waits(tmp_path):
    stopping, thinking, ahead = threading.Event(), threading.Event(), threading.Event()

    def stops(spec: TrialSpec):
        if spec.experiment == 1:
            assert thinking.wait(PATIENCE)
            assert ahead.wait(PATIENCE)
            stopping.set()
        return total(spec)

    def waits(context: Context, supervisor: Supervisor) -> Proposal:
        ahead.set()
        return grows(context, supervisor)

    def thinks(context: Context, supervisor: Supervisor) -> Proposal | None:
        thinking.set()
        while not supervisor.stop_asked():
            stopping.wait(PATIENCE)
        return None

    proposing = Playing([grows, waits, *[grows] * 9], ahead=1)
    with session_of(tmp_path, stops, stop_asked=stopping.is_set) as session:
        reason = str(run_loop(session, proposing, Playing([thinks]), experiments=None))
        assert [found.status for found in session.history] == [KEPT, KEPT]
    assert len(proposing.told) == 2
    assert reason == "asked to stop"


def test_an_end_reaches_agents_that_think(tmp_path):
    thinking = threading.Event()

    def goes(context: Context, supervisor: Supervisor) -> Proposal:
        assert thinking.wait(PATIENCE)
        return grows(context, supervisor)

    def thinks(context: Context, supervisor: Supervisor) -> None:
        thinking.set()
        while not supervisor.stop_asked():
            os.sched_yield()

    policy = POLICY_TEXT.replace("consecutive_failures: 10", "consecutive_failures: 1")
    with session_of(
        tmp_path, lambda spec: crashed() if spec.experiment else total(spec), policy=policy
    ) as session:
        reason = str(run_loop(session, Playing([goes]), Playing([thinks]), experiments=None))
    assert reason.startswith("paused: 1 experiments failed in a row: 1 crashed")
