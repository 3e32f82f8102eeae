"""A parser that stays says what a fresh one says, and survives whatever a source does to it."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.policy import warm_parser as module
from runner.policy.syntax import Unparsable, read_facts
from runner.policy.warm_parser import _WarmParser, warm_parser
from runner.rooms import template

TRAIN = template("eclip")["train.py"].content


@pytest.fixture
def warm():
    parser = _WarmParser()
    yield parser
    parser.stop()


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(TRAIN, id="a real script"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"def f(:\n", id="a syntax error"),
        pytest.param(b"# coding: latin-1\nx = 1\n", id="another encoding"),
        pytest.param("x = 'é' # ñ\n".encode(), id="more than ASCII"),
        pytest.param(b"x = 1\n" * 30_000, id="more than a pipe holds", marks=pytest.mark.slow),
        pytest.param(b"(" * 10_000, id="nested too deeply"),
        pytest.param(b"x = " + b"9" * 10_000, id="too many digits"),
        pytest.param(b"x" * 1_000_001, id="too large"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
def test_its_facts_are_those_of_a_fresh_parser(warm, source):
    assert warm.facts(source) == read_facts(source)


def test_one_process_parses_many_sources(warm):
    pids = set()
    for number in range(5):
        assert warm.facts(b"x = %d\n" % number).lines == 1
        pids.add(warm._process.pid)
    assert len(pids) == 1


def test_a_process_that_died_is_replaced(warm):
    warm.facts(b"x = 1\n")
    os.kill(warm._process.pid, signal.SIGKILL)
    assert warm.facts(b"y = 2\n" * 2).lines == 2
    assert warm.facts(b"z = 3\n" * 3).lines == 3


def test_a_parser_that_never_answers_is_ended_and_the_source_parsed_anew(
    warm, tmp_path, monkeypatch
):
    endless = tmp_path / "parser.py"
    endless.write_text("while True: pass\n")
    monkeypatch.setattr(module, "PARSER", endless)
    monkeypatch.setattr(module, "WALL_SECONDS", 0.3)
    assert warm.facts(b"a = 4\n" * 4).lines == 4
    assert warm._process is None


def test_a_forged_answer_without_a_good_end_is_not_believed(warm, tmp_path, monkeypatch):
    forging = tmp_path / "parser.py"
    forging.write_text('import os\nos.read(0, 1)\nos.write(1, b\'{"error": "x"}\\n9\\n\')\n')
    monkeypatch.setattr(module, "PARSER", forging)
    assert not isinstance(warm.facts(b"b = 1\n"), Unparsable)


def test_nothing_stays_behind():
    with warm_parser() as parse:
        parse(b"x = 1\n")
        pid = parse.__wrapped__.__self__._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_several_threads_may_ask(warm):
    sources = [b"x = 1\n" * (1 + number) for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(warm.facts, sources))
    assert [facts.lines for facts in found] == list(range(1, 21))


def test_what_was_parsed_is_remembered(monkeypatch):
    with warm_parser() as parse:
        first = parse(b"x = 1\n")
        monkeypatch.setattr(_WarmParser, "_asked", None)
        assert parse(b"x = 1\n") is first


def test_nothing_of_the_source_is_executed_there_either(warm, tmp_path):
    mark = tmp_path / "executed"
    warm.facts(f"open({str(mark)!r}, 'w')".encode())
    assert not mark.exists()
