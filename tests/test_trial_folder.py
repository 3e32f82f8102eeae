from __future__ import annotations

from contextlib import nullcontext

from test_trial import spec

from runner.records import Purpose
from runner.trial import DockerSandbox
from runner.trial.naming import stage_name
from runner.trial.run import _Trial


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
