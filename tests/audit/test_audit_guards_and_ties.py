"""Keeps that rest on a tie, and reverts that rest on a guard: decided again, and not forgeable."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import POLICY_TEXT, FakeSandbox, ScriptedAgent, edit, make_session, scored
from planting import Copy

from runner.proposals.context import history_as_told
from runner.records import TrialResult
from runner.scheduler import run_loop

POLICY = POLICY_TEXT.replace("decision:\n", "decision:\n  simplicity: {tie_within: 1}\n").replace(
    "\nlimits:",
    "\nguards:\n  - {name: tests, run: [python, a.py], seconds: 2}\n"
    "  - {name: recall, number: recall, worse_by: 2, better: high}\n\nlimits:",
)
SCORES = (100.0, 100.5, 80.0, 100.0, 80.0)
"""The baseline; a shorter program that ties; a gain that its guard reverts; a longer tie; a gain
that costs too much of a second metric."""
RECALLS = (0.5, 0.495, 0.5, 0.5, 0.48)


def answer(number: int) -> TrialResult:
    return scored(SCORES[number], recall=RECALLS[number])


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    sandbox = FakeSandbox(lambda spec: answer(spec.experiment))
    sandbox.guards = lambda spec, _: "exit 1" if spec.experiment == 2 else None
    proposals = [
        edit("WIDTH = 32\nRATE = 0.001", "WIDTH = 32"),
        edit("WIDTH = 32\nRATE = 0.001", "WIDTH = 64"),
        edit("WIDTH = 32", "WIDTH = 16"),
        edit("WIDTH = 32", "WIDTH = 128"),
    ]
    with make_session(tmp_path, sandbox, policy_text=POLICY) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=None)
        statuses = [str(found.status) for found in session.history]
    assert statuses == ["kept", "kept", "reverted", "reverted", "reverted"]
    return Copy(tmp_path / "state")


def test_what_lines_cost_is_decided_again_and_told(tmp_path: Path) -> None:
    priced = POLICY_TEXT.replace("decision:\n", "decision:\n  price_per_line: 4\n")
    sandbox = FakeSandbox(lambda spec: scored(100.0 - 10 * spec.experiment))
    proposals = [
        edit("WIDTH = 32", "WIDTH = 32\nA = 1\nB = 2\nC = 3"),
        edit("WIDTH = 32", "WIDTH = 32\nA = 1\nB = 2"),
    ]
    with make_session(tmp_path, sandbox, policy_text=priced) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=None)
        _, longer, kept = session.history
        told = [found.reason for found in history_as_told(session)]
    assert (str(longer.status), str(kept.status)) == ("reverted", "kept")
    assert longer.reason.endswith("; 3 lines more, at 4 each")
    assert told[1].endswith("; 3 lines more, at 4 each")
    copy = Copy(tmp_path / "state")
    assert copy.audit().clean
    copy.set(1, status="kept")
    assert "decision" in rules(copy)


def rules(copy: Copy) -> set[str]:
    copy.relink()
    copy.forge_log()
    return {found.rule for found in copy.audit().findings}


def test_honest_ties_and_guards_are_clean(copy: Copy) -> None:
    assert copy.audit().clean


@pytest.mark.parametrize(
    ("number", "columns"),
    [
        pytest.param(1, {"status": "reverted"}, id="a kept tie made a revert"),
        pytest.param(3, {"status": "kept"}, id="a longer tie made a keep"),
        pytest.param(2, {"rule": None}, id="a revert without its guard"),
        pytest.param(2, {"rule": "guard:other"}, id="a guard that the policy does not have"),
        pytest.param(1, {"rule": "guard:tests"}, id="a kept one whose guard failed"),
        pytest.param(4, {"rule": None}, id="a revert without the number that was out of bounds"),
        pytest.param(4, {"rule": None, "status": "kept"}, id="a keep of what was out of bounds"),
    ],
)
def test_what_is_forged_shows(copy: Copy, number: int, columns: dict[str, str | None]) -> None:
    copy.set(number, **columns)
    assert "decision" in rules(copy)
