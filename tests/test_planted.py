"""Proposals that change nothing: planted, let pass by the review, counted, and gone on with."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fakes import SHIPPED, TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner.audit.run import audit_run
from runner.journal.reader import open_reader
from runner.paths import State
from runner.proposals.context import history_as_told
from runner.records import PLANTED, Change, ExperimentStatus, Proposal, TrialResult, TrialSpec
from runner.scheduler import run_loop
from runner.views import documents, summary
from runner.views.standing import standing_of

PROPOSALS = [edit("WIDTH = 32", f"WIDTH = {64 + number}") for number in range(6)]
COMMENT = Proposal(
    hypothesis="nothing",
    category="planted",
    changes=(Change(path="train.py", content=b'"""Train."""\n\nWIDTH = 32\nRATE = 0.001  # x\n'),),
)


def results(spec: TrialSpec) -> TrialResult:
    draw = random.Random(f"{spec.experiment} {spec.index}")  # noqa: S311
    return scored(100.0 + draw.gauss(0, 1))


def ends(folder: Path):
    with open_reader(folder / "state" / "journal.sqlite") as journal:
        history = journal.experiments(TAG)
        return history, standing_of(journal, journal.runs()[-1])


def modes(history) -> list[str]:
    return [one.origin.mode for one in history if one.origin]


def test_as_many_as_asked_are_planted_among_the_agents_own_and_the_audit_agrees(tmp_path):
    with make_session(tmp_path, FakeSandbox(results), policy_text=SHIPPED) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=6, planted=4)
        told = history_as_told(session)
    history, standing = ends(tmp_path)
    assert modes(history).count(PLANTED) == 4
    assert modes(history).count("improve") == 2
    one = next(found for found in history if found.origin and found.origin.mode == PLANTED)
    assert one.review is not None
    assert one.review.violations == ()
    assert "on purpose" in one.origin.why
    assert len(standing.planted) == 4
    assert len(told) == len(history)
    assert audit_run(State(tmp_path / "state"), TAG, lambda _: ()).findings == ()
    said = summary.planted(standing.planted)
    assert said.startswith(
        "0 of 4 planted proposals that change nothing were kept: 0.0 % (0.0 to 60.2 %"
    )
    found = documents.run_document(standing)["planted"]
    assert (found["count"], found["kept"]) == (4, 0)
    assert found["interval"][1] == pytest.approx(0.602, abs=0.001)


def test_a_run_that_goes_on_plants_what_is_left_without_being_asked_again(tmp_path):
    for experiments in (2, 5):
        with make_session(tmp_path, FakeSandbox(results), policy_text=SHIPPED) as session:
            planted = 3 if experiments == 2 else None
            run_loop(session, ScriptedAgent([]), experiments=experiments, planted=planted)
    history, _ = ends(tmp_path)
    assert modes(history) == [PLANTED] * 3, "the agent had nothing, and all three were planted"


def test_an_agent_that_calls_its_own_proposal_planted_is_refused_and_not_counted(tmp_path):
    with make_session(tmp_path, FakeSandbox(results), policy_text=SHIPPED) as session:
        run_loop(session, ScriptedAgent([COMMENT]), experiments=1)
    history, standing = ends(tmp_path)
    assert (history[1].status, history[1].rule) == (ExperimentStatus.REFUSED, "repeat")
    assert standing.planted == ()


def test_under_strict_what_is_kept_of_them_counts(tmp_path):
    scores = {0: 100.0, 1: 90.0}
    sandbox = FakeSandbox(lambda spec: scored(scores.get(spec.experiment, 95.0)))
    with make_session(tmp_path, sandbox) as session:
        run_loop(session, ScriptedAgent([]), experiments=2, planted=2)
    _, standing = ends(tmp_path)
    assert summary.planted(standing.planted).startswith("1 of 2 ")
