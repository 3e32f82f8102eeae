"""How a proposal came about: covered by the chain, and a forfeit was refused for what it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeSandbox, ScriptedAgent, edit, make_session, scored
from planting import WITNESSES, Copy

from runner.records import ModelCall, Proposal, Usage, Violation
from runner.scheduler import run_loop

CUT_OFF = Violation(rule="answer-cut-off", message="the answer was cut off")
PROPOSALS = (
    edit("WIDTH = 32", "WIDTH = 64"),
    Proposal(hypothesis="(none)", forfeit=CUT_OFF),
    edit("WIDTH = 32", "WIDTH = 48"),
)
SCORES = {0: 100.0, 1: 90.0, 3: 95.0}
CALL = ModelCall(
    experiment=2, agent="claude", model="m", usage=Usage(output_tokens=5), usd=1.0, seconds=1.0,
    outcome="max_tokens",
)  # fmt: skip


def conducted(folder: Path) -> Copy:
    sandbox = FakeSandbox(lambda spec: scored(SCORES[spec.experiment]))
    with make_session(folder, sandbox) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=None)
        session.journal.add_call(session.run.tag, CALL)
    return Copy(folder / "state")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return conducted(tmp_path)


def rules(copy: Copy) -> set[str]:
    return {found.rule for found in copy.audit().findings}


def told_otherwise(number: int, **values: Any) -> Callable[[Copy], None]:
    def plant(copy: Copy) -> None:
        [(seq,)] = copy.rows("SELECT proposed FROM experiments WHERE number = ?", number)
        copy.set(number, origin=copy.said(seq)["origin"] | values)

    return plant


def test_an_honest_forfeit_is_clean(copy: Copy) -> None:
    assert copy.audit().lines[-1].startswith("t1: clean ")


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        pytest.param(told_otherwise(1, agent="human"), {"chain"}, id="another agent"),
        pytest.param(
            told_otherwise(1, isolation="none"), {"chain", "projection"}, id="another isolation"
        ),
        pytest.param(told_otherwise(1, model="cheap"), {"chain"}, id="another model"),
        pytest.param(
            told_otherwise(1, parent=7),
            {"chain", "projection", "experiment-parent"},
            id="another parent",
        ),
        pytest.param(told_otherwise(1, takeaway="it works"), {"chain"}, id="another takeaway"),
        pytest.param(told_otherwise(2, forfeit=None), {"chain"}, id="a forfeit forgotten"),
        pytest.param(lambda c: c.set(1, origin=None), {"chain", "projection"}, id="no origin"),
        pytest.param(
            lambda c: c.set(3, origin={"a": 1}),
            {"chain", "projection", "row-unreadable"},
            id="a broken origin",
        ),
    ],
)
def test_a_changed_origin_breaks_the_chain(
    copy: Copy, plant: Callable[[Copy], None], expected: set[str]
) -> None:
    plant(copy)
    assert rules(copy) == expected


FORFEIT = {"rule": "model-refused", "message": "no", "path": None}


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        pytest.param(lambda c: c.set(2, rule="duplicate"), {"forfeit"}, id="for another reason"),
        pytest.param(
            lambda c: c.set(2, rule=None), {"forfeit", "decision"}, id="for no reason at all"
        ),
        pytest.param(told_otherwise(3, forfeit=FORFEIT), {"forfeit"}, id="a trial of nothing"),
        pytest.param(told_otherwise(2, forfeit=FORFEIT), {"forfeit"}, id="another forfeit"),
    ],
)
def test_a_forfeit_that_was_not_refused_for_what_it_was_is_found(
    copy: Copy, plant: Callable[[Copy], None], expected: set[str]
) -> None:
    plant(copy)
    copy.relink()
    copy.forge_log()
    assert rules(copy) - WITNESSES == expected


def test_what_calls_cost_is_part_of_the_proof(copy: Copy) -> None:
    copy.sql("UPDATE calls SET usd = 0")
    assert rules(copy) == {"projection"}
