from __future__ import annotations

import pytest

from runner.ledger.chain import NOTHING, first, link

ROW = {"number": 1, "score": 41.0, "reason": "gain"}
TRIALS = [{"seed": 7, "status": "scored"}, {"seed": 8, "status": "scored"}]
HEAD = link(NOTHING, ROW, TRIALS)


def test_the_same_values_make_the_same_link():
    assert link(NOTHING, dict(reversed(ROW.items())), TRIALS) == HEAD


@pytest.mark.parametrize(
    ("previous", "row", "trials"),
    [
        pytest.param("1" * 64, ROW, TRIALS, id="another past"),
        pytest.param(NOTHING, ROW | {"score": 41.00000001}, TRIALS, id="a slightly other score"),
        pytest.param(NOTHING, ROW | {"score": None}, TRIALS, id="no score"),
        pytest.param(NOTHING, ROW | {"more": None}, TRIALS, id="another column"),
        pytest.param(NOTHING, ROW, TRIALS[:1], id="a trial fewer"),
        pytest.param(NOTHING, ROW, TRIALS[::-1], id="another order"),
        pytest.param(NOTHING, ROW, [*TRIALS, {}], id="a trial more"),
    ],
)
def test_any_other_value_makes_another_link(previous, row, trials):
    assert link(previous, row, trials) != HEAD


def test_a_chain_begins_with_its_run_s_own_row():
    assert first({"tag": "t1", "device": "cpu"}) != first({"tag": "t1", "device": "gpu-0"})
