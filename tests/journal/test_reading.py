"""Reading a part of a journal takes as long as the part, and a stream holds a page at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fakes import crashed, scored
from test_store import ANALYSIS, CALL, RUN, intent, trial

from runner.cli import cli
from runner.journal.reader import AT_ONCE, Reader, open_reader
from runner.journal.store import Journal, open_journal
from runner.records import Curve, ExperimentStatus, Origin, Purpose

COUNT = AT_ONCE + 130
KEPT = range(0, COUNT, 100)
OPEN = COUNT - 1
ORIGIN = Origin(agent="tune", isolation="api", why="from the best")


def write(journal: Journal) -> None:
    journal.create_run(RUN)
    with journal._transaction():
        for number in range(COUNT):
            experiment(journal, number)
    for number in (7, COUNT - 3, COUNT - 3):
        journal.add_call("t1", replace(CALL, experiment=number, usd=0.5))
    journal.analysis_begun("t1", replace(ANALYSIS, experiment=7))
    for name in ("run.paused", "run.ended", "strategy.changed"):
        journal.event("t1", name, reason=name, message=name)


def experiment(journal: Journal, number: int) -> None:
    found = replace(intent(number), parent_commit="p" * 40, origin=ORIGIN if number else None)
    journal.propose(found, RUN)
    journal.attempt_stored("t1", number, "a" * 40)
    result = replace(scored(50.0), curves=(Curve(name="loss", points=((0.0, 1.5),)),))
    ended = crashed() if number == 7 else result
    journal.trial_ended("t1", number, trial(Purpose.DECISION, 7, ended))
    if number == OPEN:
        return
    status = ExperimentStatus.KEPT if number in KEPT else ExperimentStatus.REVERTED
    journal.decided("t1", number, status=status, reason="because", score=50.0, gain=0.0)
    journal.settled("t1", number, commit=None, wall_seconds=1.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("reading")
    with open_journal(home / "journal.sqlite") as journal:
        write(journal)
    return home


@pytest.fixture
def journal(home) -> Iterator[Reader]:
    with open_reader(home / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def invoke(home, monkeypatch) -> Callable[..., str]:
    monkeypatch.setenv("RUNNER_HOME", str(home))

    def invoked(*arguments: str) -> str:
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    return invoked


# -- streams ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stream_has_every_experiment_once_whatever_fits_into_a_page(journal):
    whole = list(journal.whole("t1"))
    assert [found.number for found in whole] == list(range(COUNT))
    assert tuple(whole) == journal.experiments("t1")
    assert [found.number for found in journal.whole("t1", 498, 503)] == list(range(498, 504))
    assert list(journal.whole("t1", COUNT)) == []


def test_an_outline_is_the_experiment_without_what_only_entries_say(journal):
    for outline, whole in zip(journal.outlines("t1"), journal.whole("t1"), strict=True):
        assert (outline.changes, outline.origin, outline.chain) == ((), None, None)
        assert whole.chain or whole.number == OPEN
        [short], [found] = outline.trials, whole.trials
        assert (short.result.score, short.result.crash, short.result.curves) == (None, None, ())
        evidence = {name: getattr(found.result, name) for name in ("score", "crash", "curves")}
        assert replace(short, result=replace(short.result, **evidence)) == found
        named = ("changes", "origin", "proposed_chain", "decided_chain", "chain", "trials")
        assert replace(outline, **{name: getattr(whole, name) for name in named}) == whole


@pytest.mark.slow
def test_a_stream_goes_on_while_the_run_does(tmp_path):
    path = tmp_path / "journal.sqlite"
    with open_journal(path) as journal:
        write(journal)
        with open_reader(path) as reader:
            found = reader.outlines("t1")
            first = next(found)
            journal.settled("t1", OPEN, commit=None, wall_seconds=2.0)
            experiment(journal, COUNT)
            numbers = [first.number, *(each.number for each in found)]
    assert numbers == list(range(COUNT + 1))


# -- at a glance ------------------------------------------------------------------------------


def test_a_run_at_a_glance_is_what_its_experiments_say(journal):
    history = journal.experiments("t1")
    assert journal.newest("t1") == COUNT - 1
    assert journal.best("t1") == KEPT[-1]
    counts = dict.fromkeys({found.status for found in history}, 0)
    for found in history[1:]:
        counts[found.status] += 1
    assert journal.counts("t1") == counts
    assert journal.still_open("t1") == (OPEN,)
    assert set(journal.scores("t1")) == {50.0}
    assert journal.analysed("t1") == (1, 0.0)
    line = journal.kept_line("t1")
    assert [one.number for one in line if one.kept] == list(KEPT)


def test_of_a_run_that_is_not_there_nothing_is_said(journal):
    assert (journal.newest("x"), journal.best("x"), journal.counts("x")) == (None, None, {})
    assert (journal.still_open("x"), journal.kept_line("x")) == ((), ())
    assert (journal.last_event("x", "run.ended"), journal.asked_models("x")) == (None, False)
    assert list(journal.outlines("x")) == []


def test_the_newest_event_of_some_names_is_found(journal):
    assert journal.last_event("t1", "run.paused", "run.ended")["name"] == "run.ended"
    assert journal.last_event("t1", "run.paused")["detail"]["message"] == "run.paused"
    assert journal.last_event("t1", "other") is None


AT_A_GLANCE = {
    "an experiment": lambda r: r.experiment("t1", 300),
    "a page": lambda r: list(r.outlines("t1", 300, 349)),
    "a page with everything": lambda r: list(r.whole("t1", 300, 349)),
    "the newest": lambda r: r.newest("t1"),
    "the best": lambda r: r.best("t1"),
    "those that are open": lambda r: r.still_open("t1"),
    "an event": lambda r: r.last_event("t1", "run.paused", "run.ended"),
    "calls of a page": lambda r: r.spent_by_experiment("t1", 300, 349),
    "whether models were asked": lambda r: r.asked_models("t1"),
    "analyses of an experiment": lambda r: r.analyses("t1", 7, 7),
    "a hypothesis": lambda r: r.hypotheses("t1", 1),
    "the head": lambda r: r.head("t1"),
    "the newest result": lambda r: r.result_chain("t1"),
}


@pytest.mark.parametrize("ask", AT_A_GLANCE.values(), ids=AT_A_GLANCE)
def test_no_question_about_a_part_reads_the_whole(journal: Reader, ask: Callable[[Reader], Any]):
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    journal._db.set_progress_handler(step, 100)
    ask(journal)
    journal._db.set_progress_handler(None, 0)
    assert steps < 130, "hundreds of steps of SQLite's machine: a row takes some 30"


# -- the commands -----------------------------------------------------------------------------


def numbers_of(shown: str) -> list[int]:
    """Return the first column of a table's or a list's lines."""
    words = (line.replace("│", " ").split() for line in shown.splitlines())
    return [int(found[0]) for found in words if found and found[0].isdecimal()]


def test_a_list_shows_the_newest_50_and_says_where_the_others_are(invoke):
    shown = invoke("list", "t1")
    assert numbers_of(shown) == list(range(COUNT - 50, COUNT))
    assert f"--before {COUNT - 50} shows earlier ones, --all shows all" in shown
    assert "UNFINISHED" in shown
    assert "0.5000" not in invoke("list", "t1", "--before", "100")


@pytest.mark.parametrize(("before", "shown"), [(100, range(50, 100)), (3, range(3))])
def test_earlier_ones_are_shown_on_request(invoke, before, shown):
    assert numbers_of(invoke("list", "t1", "--before", str(before))) == list(shown)
    found = json.loads(invoke("list", "t1", "--json", "--before", str(before)))
    assert [each["number"] for each in found] == list(shown)


def test_all_of_them_are_a_line_each(invoke):
    lines = invoke("list", "t1", "--all").splitlines()
    assert len(lines) == COUNT + 1
    assert lines[0].split()[:2] == ["exp", "mean_rank"]
    assert numbers_of("\n".join(lines)) == list(range(COUNT))
    assert "1.0000" in lines[COUNT - 2]
    assert "CRASHED" not in lines[8]
    assert "REVERTED" in lines[8]


@pytest.mark.slow
def test_a_streamed_document_reads_as_the_page_does(invoke):
    every = json.loads(invoke("list", "t1", "--all", "--json"))
    assert len(every) == COUNT
    assert every[-50:] == json.loads(invoke("list", "t1", "--json"))
    assert every[7]["trials"][0]["crash"]["exception"] == "ValueError"
    assert every[8]["trials"][0]["curves"] == {"loss": [[0.0, 1.5]]}
    assert (every[7]["spent"]["usd"], every[COUNT - 3]["spent"]["usd"]) == (0.5, 1.0)
    assert len(every[7]["analyses"]) == 1


def test_a_table_has_a_row_for_each(invoke, home):
    lines = invoke("export", "t1", "--output", "-").splitlines()
    assert len(lines) == COUNT + 1
    assert len(json.loads(invoke("export", "t1", "--json"))) == COUNT
    assert lines[0].endswith("\tusd")
    assert lines[8].endswith("\t0.500000")


@pytest.mark.parametrize("arguments", ["--all", "--before 3", "t1 --all --before 3"])
def test_what_cannot_be_together_is_refused(home, monkeypatch, arguments):
    monkeypatch.setenv("RUNNER_HOME", str(home))
    assert CliRunner().invoke(cli, ["list", *arguments.split()]).exit_code == 2


def test_an_experiment_is_read_at_one_moment_whoever_writes(home, tmp_path, monkeypatch):
    """A trial that ends between two queries is in both of their answers or in neither."""
    path = shutil.copy(home / "journal.sqlite", tmp_path)
    named = Reader._named
    with open_journal(Path(path)) as writer:
        writer.event("t1", "a supervisor is at work")
        with open_reader(Path(path)) as reader:
            before = len(reader.experiment("t1", OPEN).trials)

            def and_then_somebody_writes(self, *place):
                found = named(self, *place)
                late = replace(trial(Purpose.DECISION, 8, scored(1.0)), index=8)
                writer.trial_ended("t1", OPEN, late)
                return found

            monkeypatch.setattr(Reader, "_named", and_then_somebody_writes)
            assert len(reader.experiment("t1", OPEN).trials) == before
            monkeypatch.undo()
            assert len(reader.experiment("t1", OPEN).trials) == before + 1
