"""The audit of a run whose files may come and go: a forged merge does no more than a proposal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fakes import (
    POLICY_TEXT,
    TEMPLATE,
    FakeSandbox,
    ScriptedAgent,
    edit,
    make_session,
    scored,
    with_files,
)
from planting import WITNESSES, Copy

from runner.records import Change, ExperimentStatus, File, Proposal
from runner.scheduler import run_loop

POLICY = with_files(
    POLICY_TEXT, mutable="[train.py, '*.py']", frozen="[metrics.py]", may_add="true"
).replace("max_files: 1", "max_files: 3")
FILES = {**TEMPLATE, "metrics.py": File(content=b"BEST = 1\n")}
WIDER = edit("WIDTH = 32", "WIDTH = 64").changes[0]


def proposal(*changes: Change) -> Proposal:
    return Proposal(hypothesis="a module", changes=changes)


PROPOSALS = (
    proposal(WIDER, Change(path="blocks.py", content=b"DEPTH = 2\n")),
    proposal(Change(path="blocks.py", content=b"DEPTH = 3\n")),
    proposal(Change(path="blocks.py", content=None), Change(path="parts.py", content=b"A = 1\n")),
    proposal(Change(path="torch.py", content=b"A = 1\n")),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    sandbox = FakeSandbox(lambda spec: scored(100.0 - 10 * spec.experiment))
    with make_session(folder, sandbox, policy_text=POLICY, template=FILES) as session:
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=None)
        history = session.history
    kept, refused = ExperimentStatus.KEPT, ExperimentStatus.REFUSED
    assert [found.status for found in history] == [kept, kept, kept, kept, refused]
    assert history[-1].rule == "path-shadows"
    ran = {spec.experiment: spec.mutable for spec in sandbox.specs}
    assert ran == {
        0: ("train.py",),
        1: ("train.py", "blocks.py"),
        2: ("train.py", "blocks.py"),
        3: ("train.py", "parts.py"),
    }
    return folder / "state"


@pytest.fixture
def several(finished: Path, tmp_path: Path) -> Copy:
    shutil.copytree(finished, tmp_path / "state")
    return Copy(tmp_path / "state")


def found_rules(copy: Copy) -> set[str]:
    return {finding.rule for finding in copy.audit().findings} - WITNESSES


def test_files_that_came_and_went_by_the_rules_are_clean(several: Copy) -> None:
    assert several.audit().clean, several.audit().lines


@pytest.mark.parametrize(
    ("entries", "without", "rules"),
    [
        pytest.param({"more.py": ("100644", "x")}, [], set(), id="a file that a pattern matches"),
        pytest.param({}, ["parts.py"], set(), id="one that goes"),
        pytest.param({"more.txt": ("100644", "x")}, [], {"path-not-mutable"}, id="outside of them"),
        pytest.param({"conftest.py": ("100644", "x")}, [], {"path-not-mutable"}, id="conftest"),
        pytest.param({"numpy.py": ("100644", "x")}, [], {"path-shadows"}, id="a package's name"),
        pytest.param({"Parts.py": ("100644", "x")}, [], {"path-shadows"}, id="a twin"),
        pytest.param({"Parts.py": ("100644", "x")}, ["parts.py"], set(), id="in a twin's place"),
        pytest.param({"more.py": ("100755", "x")}, [], {"file-kind"}, id="an executable"),
        pytest.param({"more.py": ("120000", "x")}, [], {"file-kind"}, id="a link"),
        pytest.param({"metrics.py": ("100644", "x")}, [], {"frozen-file"}, id="frozen wins"),
        pytest.param({}, ["metrics.py"], {"frozen-file"}, id="what is frozen goes"),
        pytest.param({}, ["train.py"], {"file-missing"}, id="what is named in full goes"),
    ],
)
def test_a_forged_commit_is_found_by_what_it_does(
    several: Copy, entries: dict[str, tuple[str, str]], without: list[str], rules: set[str]
) -> None:
    several.extend_branch(entries, without=without)
    assert found_rules(several) == {"kept-commits", *rules}


def test_an_attempt_that_was_forged_is_found(several: Copy) -> None:
    attempt = several.git("rev-parse", "refs/attempts/2")
    parent = several.git("rev-parse", f"{attempt}~1")
    forged = several.commit((parent,), {"json.py": ("100644", "x"), "blocks.py": ("100644", "y")})
    several.move("refs/attempts/2", forged)
    several.set(2, attempt_commit=forged)
    assert {"path-shadows", "attempt-content"} <= found_rules(several)
