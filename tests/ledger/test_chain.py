from __future__ import annotations

import pytest

from runner.ledger.chain import GENESIS, link

ROW = {"number": 1, "score": 41.0, "reason": "gain"}
TRIALS = [{"seed": 7, "status": "scored"}, {"seed": 8, "status": "scored"}]
HEAD = link(GENESIS, ROW, TRIALS)


def test_the_same_values_make_the_same_link():
    assert link(GENESIS, dict(reversed(ROW.items())), TRIALS) == HEAD


@pytest.mark.parametrize(
    ("previous", "row", "trials"),
    [
        pytest.param("1" * 64, ROW, TRIALS, id="another past"),
        pytest.param(GENESIS, ROW | {"score": 41.00000001}, TRIALS, id="a slightly other score"),
        pytest.param(GENESIS, ROW | {"score": None}, TRIALS, id="no score"),
        pytest.param(GENESIS, ROW | {"more": None}, TRIALS, id="another column"),
        pytest.param(GENESIS, ROW, TRIALS[:1], id="a trial fewer"),
        pytest.param(GENESIS, ROW, TRIALS[::-1], id="another order"),
        pytest.param(GENESIS, ROW, [*TRIALS, {}], id="a trial more"),
    ],
)
def test_any_other_value_makes_another_link(previous, row, trials):
    assert link(previous, row, trials) != HEAD
