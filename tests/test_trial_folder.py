from __future__ import annotations

from contextlib import nullcontext

import pytest
from test_trial import spec

from runner.records import Budget, Purpose, Shape
from runner.trial import DockerSandbox
from runner.trial.naming import stage_name
from runner.trial.run import SCORER_START_SECONDS, _Trial
from runner.trial.served import SCORER_GRACE_SECONDS


def test_no_path_that_a_container_can_read_tells_an_audit_from_a_decision(tmp_path, monkeypatch):
    """Mounts show their source on the host in /proc/self/mountinfo."""
    monkeypatch.setattr(_Trial, "_volumes", lambda _self: nullcontext())
    sandbox = DockerSandbox(client=None, home_id="h", stage_root=tmp_path)
    for purpose in Purpose:
        with _Trial.open(sandbox, spec(purpose=purpose)) as trial:
            assert purpose.value not in trial.folder.name
            assert trial.folder.is_dir()


def test_a_killed_supervisor_s_folders_are_found(tmp_path):
    left, other = (tmp_path / stage_name("h", tag) for tag in ("t1", "t10"))
    left.mkdir()
    other.mkdir()
    DockerSandbox(client=None, home_id="h", stage_root=tmp_path).clean_stage("t1")
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize(
    ("more", "stages"),
    [
        ({"shape": Shape.ONE_SHOT}, 1 + 4),
        ({"predictors": ("images", "captions")}, 1 + 4 + 2 * (1 + 8)),
        ({"shape": Shape.SERVED}, 1 + 4 + 2 * (1 + 16 + SCORER_GRACE_SECONDS)),
    ],
    ids=["one-shot", "two-step", "served"],
)
def test_a_scorer_s_own_limit_leaves_time_for_all_that_it_waits_for(tmp_path, more, stages):
    wanted = spec(**more, budget=Budget(startup=1, train=4, predict=8, score=16))
    sandbox = DockerSandbox(client=None, home_id="h", stage_root=tmp_path)
    trial = _Trial(sandbox, wanted, tmp_path, "name")
    assert trial._scorer_seconds >= stages + SCORER_START_SECONDS + 16
