"""`runner clean` and prepared data: they go on a person's word, and who needs them is named."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import yaml
from homes import Home

from runner import engines
from runner.errors import BusyError, DataError
from runner.locks import tag_lock
from runner.paths import PROJECT, State

pytestmark = pytest.mark.docker

POLICY = PROJECT / "policies" / "packing.yaml"


@pytest.fixture
def own(tmp_path: Path) -> Home:
    own = Home(tmp_path / "own")
    own.ok("prepare", "packing")
    yield own
    own.sweep()


def volumes(home: Home) -> list[str]:
    with closing(engines.connect()) as client:
        return client.leftovers({engines.HOME_LABEL: State(home.path).id})


def public(home: Home) -> Path:
    return home.path / "data" / "packing"


def test_data_that_no_run_needs_go_when_they_are_named_and_only_then(own):
    own.ok("clean")
    assert "no prepared data of eclip" in own.runner("clean", "--data", "eclip").stderr
    assert "sealed volume" in own.ok("clean", "--data", "packing", "--dry-run")
    assert public(own).is_dir()
    assert len(volumes(own)) == 1
    own.ok("clean", "--data", "packing")
    assert not public(own).exists()
    assert volumes(own) == []
    own.ok("prepare", "packing")
    assert len(volumes(own)) == 1


def test_data_that_a_run_needs_go_only_by_yes_and_the_run_keeps_what_it_found(own, tmp_path):
    short = tmp_path / "packing.yaml"
    policy = yaml.safe_load(POLICY.read_text())
    policy["budget"]["train"] = "2s"
    policy["decision"] = {"rule": "strict", "most_trials": 1}
    short.write_text(yaml.safe_dump(policy))
    own.ok("baseline", "packing", "--tag", "needs", "--policy", str(short))
    refused = own.runner("clean", "--all-data")
    assert refused.returncode == 2
    assert "cannot be resumed: needs" in refused.stderr
    assert public(own).is_dir()
    assert "no longer resumable: needs" in own.ok("clean", "--all-data", "--dry-run")
    state = State(own.path)
    with tag_lock(state.run("needs"), "needs"):
        assert own.runner("clean", "--all-data", "--yes").returncode == BusyError.exit_code
    assert public(own).is_dir()
    assert "no longer resumable: needs" in own.ok("clean", "--all-data", "--yes")
    assert volumes(own) == []
    assert (
        own.runner("run", "--resume", "needs", "--experiments", "0").returncode
        == DataError.exit_code
    )
    assert own.runner("audit", "needs").returncode == 0
    assert own.json("list", "needs")[0]["status"] == "kept"
