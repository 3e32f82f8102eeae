from __future__ import annotations

import pytest
from test_trial_order import runner_on, trial_of

from runner.records import Budget, Purpose, Shape
from runner.trial.naming import stage_name
from runner.trial.run import SCORER_START_SECONDS, _opened
from runner.trial.served import SCORER_GRACE_SECONDS


def test_no_path_that_a_container_can_read_tells_an_audit_from_a_decision(tmp_path):
    """Mounts show their source on the host in /proc/self/mountinfo."""
    runner, _ = runner_on(tmp_path)
    for purpose in Purpose:
        with _opened(runner, trial_of(runner, purpose=purpose)) as trial:
            assert trial.folder.is_dir()
            assert purpose.value not in str(trial.folder.relative_to(tmp_path))
            assert purpose.value not in str(trial.writable)


def test_a_killed_supervisor_s_folders_are_found(tmp_path):
    runner, _ = runner_on(tmp_path)
    left, other = (runner.host.stage / stage_name(runner.host.id, tag) for tag in ("t1", "t10"))
    left.mkdir(parents=True)
    other.mkdir()
    runner.clean_stage("t1")
    assert list(runner.host.stage.iterdir()) == [other]


@pytest.mark.parametrize(
    ("more", "stages"),
    [
        ({"shape": Shape.ONE_SHOT}, 1 + 4),
        ({"shape": Shape.TWO_STEP}, 1 + 4 + 2 * (1 + 8)),
        ({"shape": Shape.SERVED}, 1 + 4 + 2 * (1 + 16 + SCORER_GRACE_SECONDS)),
    ],
    ids=["one-shot", "two-step", "served"],
)
def test_a_scorer_s_own_limit_leaves_time_for_all_that_it_waits_for(tmp_path, more, stages):
    runner, _ = runner_on(tmp_path)
    budget = Budget(startup=1, train=4, predict=8, score=16)
    with _opened(runner, trial_of(runner, **more, budget=budget)) as trial:
        assert trial._scorer_seconds >= stages + SCORER_START_SECONDS + 16
