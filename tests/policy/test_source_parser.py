"""The real parser process, under what would harm a parser."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from policy_samples import TRAIN, WORKSPACE, changed, nothing

from runner import paths
from runner.errors import SandboxError
from runner.policy import Earlier, fingerprint, load_policy, review, syntax
from runner.policy.checks import added_lines
from runner.policy.syntax import SourceFacts, Unparsable, read_facts, understood
from runner.records import SYMLINK, Proposal


def test_an_ordinary_source_gives_facts():
    facts = read_facts(TRAIN)
    assert isinstance(facts, SourceFacts)
    assert [(each.name, each.line) for each in facts.imports] == [("math", 3), ("torch", 4)]
    assert "math.exp" in {each.name for each in facts.references}


def test_facts_do_not_depend_on_comments_and_layout():
    one, two = read_facts(b"x = (1)  # a\n"), read_facts(b'"""Doc."""\n\nx = 1\n')
    assert isinstance(one, SourceFacts)
    assert isinstance(two, SourceFacts)
    assert one.fingerprint == two.fingerprint
    assert read_facts(b"x = 2\n") != one


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param(b"(" * 100_000, "nested", id="100,000 parentheses"),
        pytest.param(b"-" * 100_000 + b"1", "nested", id="100,000 signs"),
        pytest.param(b"not " * 100_000 + b"1", "nested", id="100,000 negations"),
        pytest.param(b"lambda:" * 50_000 + b"1", "nested", id="50,000 functions"),
        pytest.param(b"a" + b".b" * 50_000, "", id="50,000 attributes"),
        pytest.param(b"1" + b"+1" * 5_000, "nested", id="5,000 additions"),
        pytest.param(b"a" + b"[0]" * 20_000, "", id="20,000 subscripts"),
        pytest.param(b"x = '" + b"a" * 10_000_000 + b"'", "larger", id="a literal of 10 MB"),
        pytest.param(b"x = " + b"9" * 100_000, "digits", id="a giant integer"),
        pytest.param(b"x = 0x" + b"f" * 100_000, "digits", id="a giant integer in hexadecimal"),
        pytest.param(b"x = 1\0", "null", id="a null byte"),
        pytest.param(b"# coding: utf-7\nx = 1", "encoding", id="an encoding cookie"),
        pytest.param(b"#!x\n# coding=latin-1\nx = 1", "encoding", id="on the second line"),
        pytest.param(b"\x0c# coding: utf-16\n", "encoding", id="after a form feed"),
        pytest.param(b"#\r# coding: utf-16\r", "encoding", id="after a lone carriage return"),
        pytest.param(b"\xef\xbb\xbf# coding: utf-16\n", "encoding", id="after a byte order mark"),
        pytest.param(b"\xff\xfex\x00", "decode byte", id="bytes that are no text"),
        pytest.param(
            b"x = [" + b"1," * 400_000 + b"]",
            "too large",
            id="too many nodes",
            marks=pytest.mark.slow,
        ),
        pytest.param(b"def f(:", "invalid syntax", id="a syntax error"),
    ],
)
def test_what_harms_a_parser_is_unparsable_and_soon_over(source, reason):
    start = time.monotonic()
    facts = read_facts(source)
    assert isinstance(facts, Unparsable)
    assert reason in facts.reason
    assert time.monotonic() - start < syntax.WALL_SECONDS


def test_a_parser_that_never_ends_is_ended(tmp_path, monkeypatch):
    endless = tmp_path / "parser.py"
    endless.write_text("while True: pass\n")
    monkeypatch.setattr(syntax, "PARSER", endless)
    monkeypatch.setattr(syntax, "WALL_SECONDS", 0.3)
    assert read_facts(b"x = 1") == Unparsable(reason="parsing took longer than 0.3 s")


def test_an_answer_without_a_good_end_is_not_believed(tmp_path, monkeypatch):
    forging = tmp_path / "parser.py"
    forging.write_text("import sys\nprint('{}')\nsys.exit(9)\n".format('{"error": "x", "line": 1}'))
    monkeypatch.setattr(syntax, "PARSER", forging)
    assert read_facts(b"b = 1\n") == Unparsable(reason="the parser ran into its limits")


def test_several_threads_may_ask():
    sources = [b"many = 1\n" * (1 + number) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read_facts, sources))
    assert [facts.lines for facts in found] == list(range(1, 9))


@pytest.mark.parametrize("end", [b"", "# \u00f1\n".encode(), b"#" * 200_000 + b"\nlast = 2\n"])
def test_sources_of_any_length_are_read_whole(end):
    assert read_facts(b"first = 'a'\n" + end).lines == 1 + end.count(b"last")


@pytest.mark.parametrize(
    "output", [b"", b"[]", b"{}", b"null", b'{"imports": 1}', b'{"error": "x"}', b"\xff"]
)
def test_an_answer_that_is_not_as_expected_is_unparsable(output):
    assert isinstance(understood(output), Unparsable)


def test_a_machine_that_starts_no_process_is_our_failure(monkeypatch):
    def fail(*args: object, **options: object) -> None:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(SandboxError):
        read_facts(b"x = 1")


def test_nothing_of_the_source_is_executed(tmp_path):
    mark = tmp_path / "executed"
    read_facts(f"open({str(mark)!r}, 'w')".encode())
    assert not mark.exists()


def test_examine_reviews_with_real_facts(policy):
    change = changed("train.py", TRAIN + b"import socket\n")
    found = review(
        Proposal(hypothesis="x", changes=(change,)), policy, files=WORKSPACE, earlier=nothing
    )
    assert [violation.rule for violation in found.violations] == ["import-not-allowed", "network"]
    assert found.violations[0].path == "train.py"


def test_the_baseline_has_the_fingerprint_of_its_files(policy):
    before = Earlier(number=0, fingerprint=fingerprint(WORKSPACE, policy), outcome="kept")
    proposal = Proposal(hypothesis="x", changes=(changed("train.py", TRAIN + b"# a\n"),))
    found = review(proposal, policy, files=WORKSPACE, earlier={before.fingerprint: before}.get)
    assert [violation.rule for violation in found.violations] == ["repeat"]
    assert found.fingerprint == before.fingerprint


def test_the_template_of_eclip_passes_its_own_policy():
    files = paths.template("eclip")
    better = files["train.py"].content + b"\nRESTARTS = 3\n"
    proposal = Proposal(hypothesis="x", changes=(changed("train.py", better),))
    policy = load_policy(paths.policy_path("eclip")).policy
    assert review(proposal, policy, files=files, earlier=nothing).violations == ()


def test_a_proposal_that_cannot_be_applied_has_no_fingerprint(policy):
    proposal = Proposal(hypothesis="x", changes=(changed("train.py", b"x", SYMLINK),))
    assert review(proposal, policy, files=WORKSPACE, earlier=nothing).fingerprint is None


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        pytest.param("a b c", "a b c", 0, id="nothing"),
        pytest.param("a b c", "a x b c", 1, id="an insertion"),
        pytest.param("a b c", "a c", 0, id="a removal"),
        pytest.param("a b c", "a x c", 1, id="a replacement"),
        pytest.param("a b c", "c b a", 2, id="an order"),
        pytest.param("a", "a a a", 2, id="repetition"),
        pytest.param("", "a b", 2, id="a new file"),
    ],
)
def test_added_lines(before, after, count):
    old, new = (text.replace(" ", "\n").encode() for text in (before, after))
    assert added_lines(old, new) == count


def test_no_input_makes_counting_slow():
    lines = [b"%d" % number for number in range(20_000)]
    start = time.monotonic()
    assert added_lines(b"\n".join(lines), b"\n".join(reversed(lines))) == len(lines) - 1
    assert time.monotonic() - start < 5
