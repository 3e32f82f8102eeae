"""Whole runs that Claude proposes: real loop, journal, review and SDK, and a scripted model."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from claude_at_work import KEY, at_work, edits, proposes, results
from fakes import POLICY_TEXT, FakeSandbox, crashed, found, make_session, scored
from messages_server import Answer, Fault, calls, text, thinking, tool_use

from runner.errors import ModelError
from runner.records import ExperimentStatus
from runner.scheduler import run_loop

PRIORS = [5000.0, 4990.0, 4980.0, 4970.0, 4960.0]


def better_each_time():
    """Return a sandbox in which each experiment beats the one before."""
    return FakeSandbox(lambda spec: scored(PRIORS[spec.experiment]))


@contextmanager
def run(tmp_path, script, sandbox=None, *, policy_text=POLICY_TEXT, **more):
    with (
        at_work(script) as work,
        make_session(
            tmp_path, sandbox or better_each_time(), policy_text=policy_text, **more
        ) as session,
    ):
        yield session, work


def with_cap(usd):
    assert "\n  usd: 10 " in POLICY_TEXT
    return POLICY_TEXT.replace("\n  usd: 10 ", f"\n  usd: {usd} ", 1)


def step(number):
    """Return a whole experiment of a model that behaves, in two answers."""
    before, after = 32 + number - 1, 32 + number
    return [
        calls(thinking("wider"), edits(f"WIDTH = {before}", f"WIDTH = {after}")),
        calls(proposes(f"width {after}", takeaway="wider is better", expectation="10 ranks")),
    ]


def test_a_run_keeps_what_the_model_finds(tmp_path):
    with run(tmp_path, [*step(1), *step(2)]) as (session, work):
        assert str(run_loop(session, work.agent, experiments=2, ahead=0)) == "experiments: 2 of 2"
        _, one, two = session.history
        assert [one.status, two.status] == [ExperimentStatus.KEPT] * 2
        assert (two.hypothesis, two.origin.model) == ("width 34", "claude-opus-5-5")
        assert (two.origin.takeaway, two.origin.expectation) == ("wider is better", "10 ranks")
        assert (
            b"WIDTH = 34" in session.workspace.files(session.workspace.head())["train.py"].content
        )
        assert [call.experiment for call in session.journal.calls(session.run.tag)] == [1, 1, 2, 2]


def test_what_the_review_refuses_goes_back_with_its_rules(tmp_path):
    frozen = [
        calls(edits("WIDTH = 32", "import os\nWIDTH = 33"), proposes("with os")),
        calls(edits("import os\n", ""), proposes("without")),
    ]
    with run(tmp_path, frozen) as (session, work):
        run_loop(session, work.agent, experiments=1, ahead=0)
        told = results(work.server)[1]
        assert told["is_error"]
        assert "import-not-allowed in train.py" in told["content"]
        assert (session.read(1).status, session.read(1).origin.returned) == ("kept", 1)


def test_a_proposal_that_is_never_mended_counts_as_refused_after_three_returns(tmp_path):
    with run(tmp_path, lambda _: calls(proposes("nothing new"))) as (session, work):
        run_loop(session, work.agent, experiments=1, ahead=0)
        last = session.read(1)
    assert (last.status, last.rule, last.origin.returned) == ("refused", "no-change", 3)
    assert len(work.server.requests) == 4


@pytest.mark.parametrize(
    ("reason", "rule"), [("refusal", "model-refused"), ("max_tokens", "answer-cut-off")]
)
def test_the_models_own_failures_are_experiments_with_a_reason(tmp_path, reason, rule):
    failing = [Answer(content=(text("no"),), stop_reason=reason), *step(1)]
    with run(tmp_path, failing) as (session, work):
        run_loop(session, work.agent, experiments=2, ahead=0)
        _, failed, good = session.history
    assert (failed.status, failed.rule, failed.origin.forfeit.rule) == ("refused", rule, rule)
    assert good.status == "kept"


def test_an_outage_is_no_experiment_and_the_run_goes_on_from_it(tmp_path):
    with (
        run(tmp_path, [*step(1), Fault(status=401)]) as (session, work),
        pytest.raises(ModelError, match="401"),
    ):
        run_loop(session, work.agent, experiments=3, ahead=0)
    with run(tmp_path, [Fault(status=529), *step(2)]) as (session, work):
        assert [found.number for found in session.history] == [0, 1]
        run_loop(session, work.agent, experiments=2, ahead=0)
        assert session.read(2).status == "kept"
        outcomes = [call.outcome for call in session.journal.calls(session.run.tag)]
    assert (
        outcomes == [*["tool_use"] * 2, "AuthenticationError", "OverloadedError"] + ["tool_use"] * 2
    )


def test_waiting_is_shown_to_the_person(tmp_path):
    waits = []
    script = [Fault(status=529), *step(1)]
    with run(tmp_path, script, waiting=lambda *wait: waits.append(wait)) as (session, work):
        run_loop(session, work.agent, experiments=1, ahead=0)
    assert len(waits) == 1
    assert "529" in waits[0][0]


def test_a_run_ends_before_it_spends_more_than_its_cap(tmp_path):
    usage = {"input_tokens": 20_000, "output_tokens": 10_000}
    dear = calls(tool_use("analyze"), usage=usage)
    with run(tmp_path, lambda _: dear, policy_text=with_cap(2.5)) as (session, work):
        reason = str(run_loop(session, work.agent, experiments=5, ahead=0))
        spent = session.journal.spent(session.run.tag)
    assert reason.startswith("limits.usd")
    assert 1.5 < spent <= 2.5


def test_a_wish_to_stop_ends_the_run_without_an_experiment(tmp_path):
    asked = []
    script = [calls(tool_use("analyze")), *step(1)]
    more = {"stop_asked": lambda: bool(asked), "analyst": lambda *_: asked.append(1) or found()}
    with run(tmp_path, script, **more) as (session, work):
        assert str(run_loop(session, work.agent, experiments=1, ahead=0)) == "asked to stop"
        assert len(session.history) == 1
    assert len(work.server.requests) == 1


def test_what_a_crash_says_reaches_the_model_as_data_only(tmp_path):
    script = [*step(1), calls(edits("WIDTH = 32", "WIDTH = 34"), proposes(takeaway="no"))]
    results_of = {0: scored(5000.0), 1: crashed(), 2: scored(4990.0)}
    sandbox = FakeSandbox(lambda spec: results_of[spec.experiment])
    with run(tmp_path, script, sandbox) as (session, work):
        run_loop(session, work.agent, experiments=2, ahead=0)
    told = json.dumps(work.server.requests[2].messages)
    assert "ValueError" in told
    assert 'untrusted from=\\"the history\\"' in told


def test_the_key_is_nowhere_but_in_the_requests_headers(tmp_path, capfd):
    script = [Fault(status=429, message=f"slow down, {KEY}"), *step(1), *step(2)]
    script += [Fault(status=401, message=f"bad key {KEY}")]
    waits = []
    with (
        run(tmp_path, script, waiting=lambda *wait: waits.append(wait)) as (session, work),
        pytest.raises(ModelError) as caught,
    ):
        run_loop(session, work.agent, experiments=5, ahead=0)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name.startswith("journal") for path in written)
    assert any("event" in path.name for path in written)
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert all(KEY.encode() not in request.raw for request in work.server.requests)
    assert all(
        request.headers["authorization"] == f"Bearer {KEY}" for request in work.server.requests
    )
    shown = f"{caught.value} {caught.value.hint} {waits} {capfd.readouterr()}"
    assert KEY not in shown
