"""Model calls and a person's hypotheses, from several threads too."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from test_store import RUN, intent

from runner.journal.store import Journal, open_journal
from runner.records import HypothesisStatus, ModelCall, Origin, Usage, Violation

USAGE = Usage(
    input_tokens=1,
    output_tokens=2,
    cache_write_5m_tokens=3,
    cache_write_1h_tokens=4,
    cache_read_tokens=5,
    web_searches=6,
)
CALL = ModelCall(
    experiment=3,
    agent="claude",
    model="claude-opus-5-5",
    usage=USAGE,
    usd=0.125,
    seconds=7.5,
    outcome="end_turn",
)
OPEN, ANSWERED = HypothesisStatus.OPEN, HypothesisStatus.ANSWERED
DROPPED = HypothesisStatus.DROPPED


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path) -> Iterator[Journal]:
    with open_journal(path) as opened:
        opened.create_run(RUN)
        opened.create_run(replace(RUN, tag="t2"))
        yield opened


# -- calls ------------------------------------------------------------------------------------


def test_a_call_comes_back_as_it_was_with_its_moment(journal):
    journal.add_call("t1", CALL)
    [found] = journal.calls("t1")
    assert replace(found, at="") == CALL
    assert found.at.endswith("+00:00")


def test_a_call_may_belong_to_an_experiment_that_never_came_to_be(journal):
    journal.add_call("t1", replace(CALL, experiment=99))
    assert [found.experiment for found in journal.calls("t1")] == [99]


def test_calls_keep_their_order_and_their_run(journal):
    for usd in (0.5, 0.25, 0.125):
        journal.add_call("t1", replace(CALL, usd=usd))
    journal.add_call("t2", CALL)
    assert [found.usd for found in journal.calls("t1")] == [0.5, 0.25, 0.125]
    assert (journal.spent("t1"), journal.spent("t2")) == (0.875, 0.125)


def test_a_run_without_calls_has_spent_nothing(journal):
    assert journal.calls("t1") == ()
    assert journal.spent("t1") == 0.0
    assert journal.spent("no such run") == 0.0


def test_calls_of_many_threads_are_all_there(journal):
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: journal.add_call("t1", CALL), range(200)):
            pass
    assert len(journal.calls("t1")) == 200
    assert journal.spent("t1") == 25.0


def test_every_call_is_an_entry_of_the_chain(journal):
    before = journal.head("t1")
    journal.add_call("t1", CALL)
    assert journal.head("t1").seq == before.seq + 1


# -- hypotheses -------------------------------------------------------------------------------


def test_hypotheses_wait_in_the_order_in_which_they_came(journal):
    first, second = (journal.add_hypothesis("t1", text) for text in ("wider", "b\u00fchne \ud800"))
    found = journal.hypotheses("t1")
    assert [each.id for each in found] == [first, second]
    assert [each.status for each in found] == [OPEN, OPEN]
    assert [each.text for each in found] == ["wider", "b\u00fchne \\ud800"]
    assert [each.experiment for each in found] == [None, None]
    assert journal.hypotheses("t2") == ()


@pytest.mark.parametrize(("status", "experiment"), [(ANSWERED, 5), (DROPPED, None)])
def test_a_hypothesis_ends_once(journal, status, experiment):
    first = journal.add_hypothesis("t1", "wider")
    assert journal.end_hypothesis(first, status, experiment=experiment)
    assert not journal.end_hypothesis(first, ANSWERED, experiment=6)
    [found] = journal.hypotheses("t1")
    assert (found.status, found.experiment) == (status, experiment)


def test_a_hypothesis_that_is_not_there_cannot_end(journal):
    assert not journal.end_hypothesis(99, DROPPED)


def test_of_many_threads_one_alone_ends_a_hypothesis(journal):
    first = journal.add_hypothesis("t1", "wider")
    with ThreadPoolExecutor(8) as pool:
        ended = list(
            pool.map(
                lambda number: journal.end_hypothesis(first, ANSWERED, experiment=number), range(32)
            )
        )
    assert ended.count(True) == 1
    assert journal.hypotheses("t1")[0].experiment == ended.index(True)


def test_another_process_adds_while_the_run_holds_the_journal(journal, path):
    with open_journal(path) as other:
        other.add_hypothesis("t1", "wider")
    assert [found.text for found in journal.hypotheses("t1")] == ["wider"]


# -- the origin -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(None, id="none"),
        pytest.param(Origin(agent="tune", isolation="api"), id="the least"),
        pytest.param(
            Origin(
                agent="claude",
                isolation="api",
                model="claude-opus-5-5",
                parent=3,
                strategy="topk",
                mode="explore",
                why="every fifth",
                phase="refine",
                expectation="less",
                takeaway="more",
                answers=2,
                returned=3,
                forfeit=Violation(rule="no-takeaway", message="say", path=None),
            ),
            id="everything",
        ),
    ],
)
def test_an_origin_comes_back_as_it_was(journal, origin):
    journal.propose(intent(0, origin=origin), RUN)
    found = journal.experiment("t1", 0)
    assert found is not None
    assert found.origin == origin
