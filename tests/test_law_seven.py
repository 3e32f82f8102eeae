"""Law 7 where an agent learns of a score by the way: a repeat, its refusal, pages, a run's end."""

from __future__ import annotations

from dataclasses import replace

from fakes import POLICY_TEXT, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner.agents.about import about
from runner.loop import run_loop
from runner.proposals.context import make_context
from runner.proposals.desk import SessionDesk
from runner.records import TrialSpec

BELOW_A_STEP = ".123"
"""Of every score, and no agent is told of it: it is told in steps of a half."""


def worse(spec: TrialSpec):
    return scored(100.123456 + 10 * spec.experiment)


def better(spec: TrialSpec):
    return scored(100.123456 - 10 * spec.experiment)


def test_a_repeat_is_told_with_the_rounded_score_wherever_it_is_told(tmp_path):
    proposal = edit("WIDTH = 32", "WIDTH = 64")
    with make_session(tmp_path, FakeSandbox(worse)) as session:
        run_loop(session, ScriptedAgent([proposal, proposal]), experiments=2)
        assert session.history[2].rule == "repeat"
        context = make_context(session, 3)
        [returned] = SessionDesk(session, context).review(proposal)
        told = about(replace(context, returned=(returned,)), "")
        page = session.workspace.files("refs/notes-files")["LOG.md"].content
    assert "experiment 1 again (reverted, 110)" in returned.message
    for text in (told["brief.md"], told["context.json"], page):
        assert b"experiment 1 again (reverted, 110)" in text
        assert BELOW_A_STEP.encode() not in text


def test_a_run_that_reached_its_goal_ends_with_the_rounded_score(tmp_path):
    """An agent over MCP is told why the run ended."""
    policy = POLICY_TEXT.replace("\nlimits:", "\nstop_at: 95\n\nlimits:")
    with make_session(tmp_path, FakeSandbox(better), policy_text=policy) as session:
        agent = ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")])
        assert run_loop(session, agent, experiments=2) == "mean_rank 90 reached stop_at 95"
