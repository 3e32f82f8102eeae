"""Every table of `tests/tables` is understood, or gets its sentence, before anything is written."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

from runner import paths
from runner.cli import cli
from runner.task_check import reading
from tests.tables import CASES


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    for folder in ("harness", "policies", "workspace-template/tabular"):
        shutil.copytree(paths.PROJECT / folder, root / folder)
    return root


@pytest.fixture
def project(copied, tmp_path, monkeypatch):
    """A copy of the project that a new task may be written into."""
    monkeypatch.setattr(paths, "PROJECT", copied)
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "home"))
    return copied


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_table_is_understood_or_refused_with_what_to_do(project, tmp_path, case):
    name = f"t-{CASES.index(case)}"
    path = tmp_path / case.file
    path.write_bytes(case.content())
    arguments = ["new-task", name, "--csv", str(path), *case.options]
    done = CliRunner(env={"COLUMNS": "100"}).invoke(cli, arguments)
    assert isinstance(done.exception, SystemExit | None), done.exc_info
    for said in case.says:
        assert said in done.output, done.output
    if case.refused:
        assert done.exit_code == 2, done.output
        assert len(done.stderr.splitlines()) <= 2
        assert not paths.policy_path(name).exists()
        assert not paths.task_harness(name).exists()
    else:
        assert done.exit_code == 0, done.output
        assert reading.missing(name) == []
        for path in (project / "workspace-template" / name).glob("*.py"):
            compile(path.read_text(encoding="utf-8"), path.name, "exec")
