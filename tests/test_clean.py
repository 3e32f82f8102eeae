"""What may go of a run at rest: it is said with its size, and goes on a person's word only."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import clean, paths, scheduler
from runner.audit.run import audit_run
from runner.journal.reader import open_reader
from runner.locks import tag_lock
from runner.records import TrialResult, TrialSpec
from runner.scheduler import run_loop

SCORES = {0: 100.0, 1: 90.0, 2: 95.0, 3: 99.0, 4: 96.0, 5: 96.0, 6: 96.0}


def answer(spec: TrialSpec) -> TrialResult:
    found = scored(SCORES[spec.experiment])
    return TrialResult(**vars(found) | {"logs": {"train": b"x" * 10_000}})


@pytest.fixture
def home(tmp_path) -> paths.State:
    proposals = [edit("WIDTH = 32", f"WIDTH = {width}") for width in (64, 65, 66)]
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=None)
    return paths.State(tmp_path / "state")


def cleaned(state: paths.State, *options: str, dry_run: bool = False) -> list[str]:
    said: list[str] = []
    with open_reader(state.journal) as journal:
        runs = journal.runs()
    found = clean.of_runs(state, runs, said.append)
    clean.free(found, options, dry_run=dry_run, say=said.append)
    return said


def logs(state: paths.State) -> list[str]:
    return sorted(path.name for path in (state.run(TAG) / "logs").iterdir())


def files(folder: Path) -> int:
    """Count files, but for the locks that whoever looks holds."""
    return sum(path.is_file() and not path.name.startswith("lock") for path in folder.rglob("*"))


def test_without_a_word_all_stays_and_its_size_is_said(home):
    before = files(home.root)
    said = cleaned(home)
    assert files(home.root) == before
    assert "t1: logs of 2 experiments that were not kept: " in said[0]
    assert said[0].endswith("kB, stays; --logs frees it")
    assert "single objects" in said[1]
    assert said[-1].startswith("up to ")
    assert said[-1].endswith("more would go with: runner clean --logs --pack")


@pytest.mark.parametrize("option", ["--logs", "--pack"])
def test_a_dry_run_only_says_what_would_go(home, option):
    before = files(home.root)
    said = cleaned(home, option, dry_run=True)
    assert files(home.root) == before
    assert sum(line.endswith("would go") for line in said) == 1


def test_logs_of_what_was_not_kept_go_and_the_others_stay(home):
    assert logs(home) == ["0000", "0001", "0002", "0003"]
    cleaned(home, "--logs")
    assert logs(home) == ["0000", "0001"]
    assert not any("logs" in line for line in cleaned(home))


def test_a_long_run_keeps_the_logs_of_the_newest_and_of_all_that_were_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "LOGS_KEPT", 2)
    proposals = [edit("WIDTH = 32", f"WIDTH = {width}") for width in range(64, 70)]
    with make_session(tmp_path, FakeSandbox(answer)) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=None)
        assert logs(session.state) == ["0000", "0001", "0005", "0006"]


def test_packing_frees_and_leaves_a_run_that_the_audit_finds_clean(home, tmp_path):
    loose = clean.on_disk(*home.repository(TAG).glob("objects/??"))
    cleaned(home, "--pack")
    assert not list(home.repository(TAG).glob("objects/??"))
    assert clean.on_disk(home.repository(TAG) / "objects") < loose
    assert audit_run(home, TAG, lambda _: ()).clean
    assert not any("objects" in line for line in cleaned(home))
    with make_session(tmp_path, FakeSandbox(answer)) as session:  # and it goes on
        session.journal.event(TAG, "run.paused", message="")
        run_loop(session, ScriptedAgent([]), experiments=None)
        assert len(session.history) == 4


def test_a_run_at_work_is_left_alone(home):
    with tag_lock(home.run(TAG), TAG):
        said = cleaned(home, "--logs", "--pack")
    assert len(said) == 1
    assert said[0].endswith("left alone")
    assert logs(home) == ["0000", "0001", "0002", "0003"]


def test_an_image_that_a_run_or_a_recipe_names_stays():
    names = {"old": ["r/cpu:1"], "used": ["r/cpu:2"], "now": ["r/cpu:3"], "nameless": None}
    found = [{"Id": name, "RepoTags": tags} for name, tags in names.items()]
    gone = clean.unused(found, {"used"}, {"r/cpu:3"})
    assert [image["Id"] for image in gone] == ["old", "nameless"]
