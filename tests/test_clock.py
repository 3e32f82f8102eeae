"""A clock that is set in the middle of a run: nothing is compared, counted or ordered by it."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes import POLICY_TEXT, TAG, FakeSandbox, ScriptedAgent, edit, make_session, scored

from harness.kit.deadline import Deadline, age
from runner.agents.claude.trouble import retry_after
from runner.audit.run import audit_run
from runner.journal import entries
from runner.journal.store import open_journal
from runner.paths import State
from runner.records import Purpose, TrialSpec
from runner.scheduler import run_loop
from runner.steering import course

HOUR = timedelta(hours=1)


@pytest.fixture
def falling_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wall's clock go back by an hour whenever somebody looks."""
    looks = itertools.count()
    start = datetime(2026, 3, 1, tzinfo=UTC)
    clock = SimpleNamespace(now=lambda _zone: start - next(looks) * HOUR)
    monkeypatch.setattr(entries, "datetime", clock)


def better_each_time(spec: TrialSpec) -> object:
    return scored(100.0 - 10 * spec.experiment + (spec.purpose.part == "locked"))


def conduct(folder: Path, widths: range, **options: object) -> str:
    with make_session(folder, FakeSandbox(better_each_time), **options) as session:
        proposals = [edit("WIDTH = 32", f"WIDTH = {width}") for width in widths]
        return str(run_loop(session, ScriptedAgent(proposals), experiments=None))


def test_an_honest_run_whose_clock_goes_back_is_clean(tmp_path, falling_clock):
    conduct(tmp_path, range(64, 67))
    report = audit_run(State(tmp_path / "state"), TAG, lambda _tag: ())
    assert report.clean, report.lines
    with open_journal(tmp_path / "state" / "journal.sqlite") as journal:
        last = journal.experiments(TAG)[-1]
        assert last.ended_at < last.started_at
        purposes = [trial.purpose for trial in last.trials]
    assert purposes == [Purpose.DECISION, Purpose.DECISION, Purpose.AUDIT]


def test_the_newest_run_is_the_one_that_was_made_last(tmp_path, falling_clock):
    for tag in ("first", "second"):
        with make_session(tmp_path, FakeSandbox(better_each_time), tag=tag):
            pass
    with open_journal(tmp_path / "state" / "journal.sqlite") as journal:
        first, second = journal.runs()
    assert (first.tag, second.tag) == ("first", "second")
    assert first.created_at > second.created_at


@pytest.fixture
def half_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let half an hour pass whenever somebody looks, from another beginning at each start."""
    looks = itertools.count()

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return 1800.0 * next(looks)

    monkeypatch.setattr(course, "time", Clock)


def test_the_hours_of_all_starts_count_together(tmp_path, half_hours, falling_clock):
    limited = POLICY_TEXT.replace("hours: null", "hours: 12")
    assert "nothing more to propose" in conduct(tmp_path, range(64, 65), policy_text=limited)
    reasons = [conduct(tmp_path, range(64, 66 + start), policy_text=limited) for start in range(9)]
    assert reasons[-1] == "12 hours are over"
    with open_journal(tmp_path / "state" / "journal.sqlite") as journal:
        noted = [one["detail"]["seconds"] for one in journal.events(TAG)]
    assert noted == sorted(noted)


def test_a_killed_start_loses_no_more_than_an_experiment_s_time(tmp_path, half_hours):
    limited = POLICY_TEXT.replace("hours: null", "hours: 12")

    class Killed(BaseException):
        """Stands for a supervisor that dies."""

    def dies(spec: TrialSpec) -> object:
        if spec.experiment == 3:
            raise Killed
        return better_each_time(spec)

    agent = ScriptedAgent([edit("WIDTH = 32", f"WIDTH = {width}") for width in range(64, 69)])
    session = make_session(tmp_path, FakeSandbox(dies), policy_text=limited)
    with session as opened, pytest.raises(Killed):
        run_loop(opened, agent, experiments=None)
    with open_journal(tmp_path / "state" / "journal.sqlite") as journal:
        noted = [one["detail"]["seconds"] for one in journal.events(TAG)]
    assert len(noted) == 3  # after two experiments, and at the end


def test_the_training_budget_takes_no_notice_of_the_clock(monkeypatch):
    monkeypatch.setenv("RUNNER_TRAIN_SECONDS", "8")
    monkeypatch.setenv("RUNNER_KILL_SECONDS", str(age() + 60))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert Deadline().remaining() == pytest.approx(8, abs=0.1)


def test_a_wait_until_a_moment_is_counted_on_the_clock_that_named_it():
    headers = {
        "date": "Wed, 21 Oct 2099 07:28:00 GMT",
        "retry-after": "Wed, 21 Oct 2099 07:28:30 GMT",
    }
    assert retry_after(headers) == 30
