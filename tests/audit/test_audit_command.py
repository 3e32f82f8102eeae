"""`runner audit`: exit codes, lines and documents."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from fakes import TAG
from planting import BRANCH, Copy

from runner.cli import cli
from runner.errors import SandboxError
from runner.policy.load import digest


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the engine to the tests that are marked for it."""

    def connect() -> NoReturn:
        raise SandboxError("there is no engine")

    monkeypatch.setattr("runner.engines.connect", connect)


def audit(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["audit", *arguments], env={"RUNNER_HOME": str(home)})


def test_a_clean_run_is_0_and_says_what_was_examined_and_what_was_not(copy: Copy) -> None:
    result = audit(copy.root)
    assert result.exit_code == 0, result.output
    unchecked, verdict = result.output.splitlines()
    assert unchecked == "not checked: leftover containers and volumes: there is no engine"
    assert verdict.startswith("t1: clean (examined checks: 21, experiments: 8,")


def test_violations_are_1_and_a_line_each(copy: Copy) -> None:
    copy.extend_branch({"run.sh": ("100755", "echo 0")})
    copy.set(2, reason="bad luck")
    result = audit(copy.root, TAG)
    commit = copy.git("rev-parse", BRANCH)[:12]
    assert result.exit_code == 1
    assert [line.split("  ")[:3] for line in result.output.splitlines()[:3]] == [
        ["projection", "journal", "exp 2"],
        ["kept-commits", BRANCH, commit],
        ["frozen-file", "run.sh", commit],
    ]
    assert "t1: violations: 3 (examined" in result.output


def test_the_document_says_the_same(copy: Copy) -> None:
    copy.set(2, reason="bad luck")
    result = audit(copy.root, "--json")
    document = json.loads(result.output)
    [finding] = document["findings"]
    assert result.exit_code == 1
    assert document["subject"] == TAG
    assert document["clean"] is False
    assert document["examined"]["experiments"] == 8
    assert len(document["not_checked"]) == 1
    assert finding["rule"] == "projection"
    assert finding["experiment"] == 2
    assert finding["commit"] is None


def refusal(result: Result) -> str:
    """Return what an audit says that cannot be done, and so is neither clean nor a violation."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert "clean" not in result.output
    return result.output


def test_an_unknown_tag_is_2(copy: Copy) -> None:
    assert "there is no run nov99" in refusal(audit(copy.root, "nov99"))


def test_no_runs_are_2_and_leave_nothing_behind(tmp_path: Path) -> None:
    assert "there are no runs yet" in refusal(audit(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_missing_repository_is_2(copy: Copy) -> None:
    shutil.rmtree(copy.repository)
    assert "not a git repository" in refusal(audit(copy.root))


def test_a_journal_that_is_none_is_2(copy: Copy) -> None:
    for path in copy.root.glob("journal.sqlite*"):
        path.unlink()
    copy.state.journal.write_bytes(b"this is not a database" * 100)
    assert "file is not a database" in refusal(audit(copy.root))


def test_a_policy_that_this_version_cannot_read_is_2(copy: Copy) -> None:
    text = copy.policy_text + "later: 1\n"
    copy.set_run(policy_text=text, policy_digest=digest(text))
    assert "is not a known key" in refusal(audit(copy.root))


def test_a_tag_and_a_base_are_2(copy: Copy) -> None:
    assert "not both" in refusal(audit(copy.root, TAG, "--base", "main"))


def test_base_outside_of_a_repository_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "not a git repository" in refusal(audit(tmp_path, "--base", "main"))
