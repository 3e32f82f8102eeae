"""One value says how a run is; status shows it, and it is true while the run is at work."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import SHIPPED, TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner import paths, progress
from runner.journal.reader import open_reader
from runner.progress import DEVICE, Activity, Progress, Tracker
from runner.records import Outlook, TrialResult, TrialSpec
from runner.scheduler import run_loop
from runner.views.overview import Life, Overview, gauge, overview_of
from runner.views.status import evidence, status_lines

LEVELS = {0: 100.0, 1: 80.0, 2: 79.0}
PROPOSALS = [edit("WIDTH = 32", f"WIDTH = {64 + number}", f"try {number}") for number in range(2)]


def look(folder: Path) -> Overview:
    state = paths.State(folder / "state")
    with open_reader(state.journal) as journal:
        run = journal.run(TAG)
        assert run is not None
        return overview_of(journal, run, progress.read(state.progress(TAG)), cap=3.0)


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> list[Overview]:
    """What was seen at the start of each trial, and at last when nothing ran any more."""
    folder = tmp_path_factory.mktemp("overview")
    found: list[Overview] = []

    def noticed(spec: TrialSpec) -> TrialResult:
        found.append(look(folder))
        draw = random.Random(f"{spec.experiment} {spec.split} {spec.index}")  # noqa: S311
        return scored(LEVELS[spec.experiment] + 2.0 * draw.gauss(0, 1))

    path = paths.State(folder / "state").progress(TAG)
    path.parent.mkdir(parents=True)
    with (
        Tracker.at(path) as tracker,
        make_session(
            folder, FakeSandbox(noticed), policy_text=SHIPPED, progress=tracker
        ) as session,
    ):
        run_loop(session, ScriptedAgent(PROPOSALS), experiments=2)
        session.journal.add_hypothesis(TAG, "a wider one")
        session.journal.event(TAG, "run.ended", reason="experiments: 2 of 2")
    return [*found, look(folder)]


def test_while_it_is_at_work_it_is_seen_which_trial_runs_and_how_far_the_run_is(seen):
    first, *_, last = seen[:-1]
    assert {each.life for each in seen[:-1]} == {Life.RUNNING}
    [at] = first.devices
    assert at is not None
    assert (at.experiment, at.trial) == (0, 1)
    assert first.experiments_left == 2
    assert last.experiments_left == 1, "the second is not settled yet"
    assert all(each.pending == () for each in seen)


def test_the_evidence_so_far_belongs_to_the_candidate_that_is_measured(seen):
    with_outlook = [each for each in seen if each.outlook]
    assert with_outlook, "a candidate takes several trials"
    for each in with_outlook:
        outlook, [at] = each.outlook, each.devices
        assert outlook is not None
        assert at is not None
        assert outlook.experiment == each.unfinished[0].number
        assert 0 < (gauge(outlook) or 0) <= 1
        assert "kept from 80 %" in evidence(outlook)
        assert f"experiment {outlook.experiment}: gain" in status_lines(each, Path("guidance"))
    assert all(each.outlook is None for each in seen if not each.unfinished)


def test_a_run_that_has_ended_has_its_gain_its_series_and_what_to_believe(seen):
    over = seen[-1]
    assert over.life is Life.ENDED
    assert (over.outlook, over.devices, over.seconds_left) == (None, (), None)
    best = over.standing.best
    assert best is not None
    assert [point.number for point in over.series] == [0, *([1, 2] if best.number == 2 else [1])]
    assert over.series[-1].score == best.score
    assert all(point.margin and point.audit for point in over.series)
    assert over.gain is not None
    assert over.audit is not None
    assert over.gain == over.audit.claimed
    assert over.believe is not None
    assert f"believe  {over.believe}" in status_lines(over, Path("guidance"))
    assert [each.text for each in over.hypotheses] == ["a wider one"]
    assert [each.number for each in over.recent] == [0, 1, 2]


def test_what_was_killed_is_not_alive_and_says_nothing_of_the_time_left(seen):
    at = Activity(what="a trial of", experiment=2)
    dead = Progress(activities={DEVICE: at}, experiments=9, started="another process")
    found = replace(seen[-1], progress=dead, alive=dead.alive)
    assert found.life is Life.KILLED
    assert (found.devices, found.seconds_left, found.outlook) == ((), None, None)
    assert found.doing[0].elapsed_seconds is None


def test_time_left_is_the_nearest_of_the_limits(seen):
    over = seen[-1]
    each = over.seconds_each
    assert each is not None
    at_work = replace(over, progress=Progress(activities={}, experiments=12), alive=True)
    assert at_work.seconds_left == pytest.approx(10 * each)
    hours = Progress(activities={}, experiments=12, hours_over=over.clock + each)
    at_work = replace(over, progress=hours, alive=True)
    assert at_work.seconds_left == pytest.approx(each)


@pytest.mark.parametrize(
    ("better", "hope", "place"),
    [
        pytest.param(0.8, 0.7, 1.0, id="kept"),
        pytest.param(0.1, 0.075, 0.0, id="dropped"),
        pytest.param(0.0, 0.0, 0.0, id="hopeless"),
        pytest.param(1.0, 1.0, 1.0, id="certain"),
    ],
)
def test_the_gauge_ends_at_the_two_bounds(better, hope, place):
    outlook = Outlook(
        experiment=1, trials=1, most_trials=14, against=5, gain=1.0, better=better,
        keep_from=0.8, hope=hope, drop_below=0.075,
    )  # fmt: skip
    assert gauge(outlook) == pytest.approx(place)


def test_a_rule_without_probabilities_has_no_gauge():
    outlook = Outlook(experiment=1, trials=1, most_trials=2, against=2, gain=1.0)
    assert gauge(outlook) is None
    assert evidence(outlook) == "experiment 1: gain +1 by 1 of at most 2 trials against 2"
