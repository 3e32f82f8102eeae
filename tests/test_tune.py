from __future__ import annotations

import ast
import difflib
import re
from dataclasses import replace

import pytest
import yaml
from fakes import (
    POLICY_TEXT,
    TEMPLATE,
    FakeSandbox,
    FakeSupervisor,
    make_session,
    named,
    read,
    scored,
)

from runner import paths
from runner.agents.numbers import tunable
from runner.agents.tune import RandomSearch, Tune
from runner.errors import ConfigError
from runner.records import (
    EXECUTABLE,
    Experiment,
    ExperimentStatus,
    File,
    TrialResult,
    TrialSpec,
)
from runner.scheduler import run_loop
from runner.seams import Context

SOURCE = '''\
"""Train."""

import math

CLAMP = 2.0  # tune: 1..200 log   the scale never grows beyond this
BATCH = 64  # tune: 16..256 log
SHARE = 0.1  # tune: 0.01..0.5         of the time
HEADS = 4


def main():
    INNER = 3  # tune: 1..9
'''
KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED


def experiment(number: int, source: str, score: float | None, status=REVERTED) -> Experiment:
    return Experiment(
        run="t1", number=number, parent_commit="", hypothesis="", category="",
        changes=(named(source.encode()),), status=status, score=score,
    )  # fmt: skip


BASELINE = replace(experiment(0, "", 40.0, KEPT), changes=())


def context(*tried: Experiment, source: str = SOURCE, mutable=("train.py",)) -> Context:
    return Context(
        number=len(tried) + 1,
        files={"train.py": File(content=source.encode())},
        mutable=mutable,
        metric="mean_rank",
        direction="minimize",
        history=(BASELINE, *tried),
        read=read,
    )


def proposed(context: Context) -> str:
    proposal = Tune().propose(context, FakeSupervisor())
    assert proposal is not None
    [change] = proposal.changes
    assert change.path == "train.py"
    assert change.content is not None
    return change.content.decode()


def found(source: str) -> dict[str, tuple[float, float, float, bool, bool]]:
    return {
        each.name: (each.value, each.range.low, each.range.high, each.range.log, each.whole)
        for each in tunable({"train.py": File(content=source.encode())}, ("train.py",))
    }


# -- which constants, and their ranges --------------------------------------------------------


def test_constants_with_a_range_are_tuned_and_the_others_left_alone():
    assert found(SOURCE) == {
        "CLAMP": (2.0, 1.0, 200.0, True, False),
        "BATCH": (64, 16, 256, True, True),
        "SHARE": (0.1, 0.01, 0.5, False, False),
        "INNER": (3, 1, 9, False, True),
    }


def test_without_any_range_every_number_is_tuned_around_its_value():
    assert found("RATE = 0.004\nWIDTH = 32\nNEGATIVE = -1\nZERO = 0\n") == {
        "RATE": (0.004, 0.001, 0.016, True, False),
        "WIDTH": (32, 8, 128, True, True),
    }


@pytest.mark.parametrize(
    "line",
    [
        "lower = 1",
        "SEED = 1",
        "DATA_SEED = 1",
        "FLAG = True",
        "TEXT = 'a'",
        "SUM = 1 + 1",
        "A = B = 3",
        "A, B = 1, 2",
        "COMPLEX = 1j",
        "def f(): pass\nLATER = 1",
        "class C: pass\nLATER = 1",
        "async def f(): pass\nLATER = 1",
    ],
)
def test_what_is_no_plain_number_at_the_top_is_not_tuned(line):
    assert found(f"{line}\n") == {}


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# tune: 1..200 log", (1.0, 200.0, True)),
        ("#tune:1..200 log and words", (1.0, 200.0, True)),
        ("# tune: 1..200 logarithm of what", (1.0, 200.0, False)),
        ("# tune: 1e-4..1e2 log", (1e-4, 1e2, True)),
        ("# a word first # tune: 0..9", (0.0, 9.0, False)),
        ("# tune: -1..9", (-1.0, 9.0, False)),
        ("# tune: 3..9 though it is 2", (2.0, 9.0, False)),
    ],
)
def test_a_comment_s_range(comment, expected):
    _, low, high, log, _ = found(f"X = 2.0  {comment}\n")["X"]
    assert (low, high, log) == expected


@pytest.mark.parametrize(
    "comment", ["a..b", "1..200,", "5..5", "9..1", "0..1 log", "-1..1 log", "1..inf", "nan..1"]
)
def test_a_range_that_is_none_is_a_person_s_mistake_and_named(comment):
    with pytest.raises(ConfigError, match="the range of X is none") as refused:
        found(f"X = 2.0  # tune: {comment}\n")
    assert refused.value.hint


def test_the_template_s_own_constants_are_found():
    template = paths.template("eclip")["train.py"].content.decode()
    clamp = found(template)["LOGIT_SCALE_MAX"]
    assert clamp == (2.0, 1.0, 200.0, True, False)
    assert len(found(template)) >= 8


# -- one line of one file ---------------------------------------------------------------------


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    lines = list(difflib.ndiff(before.split("\n"), after.split("\n")))
    return [x[2:] for x in lines if x[0] == "-"], [x[2:] for x in lines if x[0] == "+"]


def test_a_proposal_changes_one_number_and_keeps_its_comment():
    [old], [new] = changed_lines(SOURCE, proposed(context()))
    name, _, rest = old.partition(" = ")
    assert new.startswith(f"{name} = ")
    assert new.partition("#")[2] == rest.partition("#")[2]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("X=2;Y=3\n", id="two statements on a line"),
        pytest.param("X   =   2# close\n", id="odd spaces"),
        pytest.param("X = 1_000\n", id="underscores"),
        pytest.param("X = 0x10\r\nZ = 'a'\r\n", id="line ends of Windows"),
        pytest.param("'''a\x0c b\x1c c\u2028d'''\nX = 2\n", id="odd separators before it"),
        pytest.param("s = '\u00e9\u00e9'; X = 2\n", id="letters of two bytes before it"),
        pytest.param("X = 2", id="no line end"),
    ],
)
def test_nothing_but_the_number_changes_however_it_is_written(source):
    after = proposed(context(source=source))
    before_tree, after_tree = ast.parse(source), ast.parse(after)
    numbers = [n for n in ast.walk(before_tree) if isinstance(n, ast.Constant)]
    others = [n for n in ast.walk(after_tree) if isinstance(n, ast.Constant)]
    different = [
        (a.value, b.value) for a, b in zip(numbers, others, strict=True) if a.value != b.value
    ]
    assert len(different) == 1
    assert len(changed_lines(source, after)[1]) == 1


def test_the_hypothesis_says_what_moves_and_where_to():
    proposal = Tune().propose(context(), FakeSupervisor())
    assert proposal is not None
    [name] = [n for n in ("CLAMP", "BATCH", "SHARE") if f" {n} " in proposal.hypothesis]
    before, after = found(SOURCE)[name][0], found(proposal.changes[0].content.decode())[name][0]
    verb = "raise" if after > before else "lower"
    assert proposal.hypothesis == f"{verb} {name} {before!r} -> {after!r}"


# -- over a run -------------------------------------------------------------------------------


def play(rounds: int, source: str = SOURCE) -> list[Experiment]:
    """Let it propose again and again; every score is worse."""
    tried: list[Experiment] = []
    for number in range(1, rounds + 1):
        proposal = Tune().propose(context(*tried, source=source), FakeSupervisor())
        if proposal is None:
            break
        content = proposal.changes[0].content
        assert content is not None
        tried.append(experiment(number, content.decode(), 40.0 + number))
    return tried


def test_no_setting_is_ever_proposed_twice_and_all_are_in_range():
    tried = play(12)
    settings = [tuple(found(read([each.changes[0].blob])[0].decode()).items()) for each in tried]
    assert len(set(settings)) == len(tried) == 12
    for each in settings:
        assert all(low <= value <= high for _, (value, low, high, _, _) in each)


def test_when_every_setting_was_tried_it_ends():
    tried = play(9, "X = 2  # tune: 1..4\n")
    assert sorted(found(read([each.changes[0].blob])[0].decode())["X"][0] for each in tried) == [
        1,
        3,
        4,
    ]


def test_it_resumes_from_the_journal_alone():
    tried = play(4)
    assert proposed(context(*tried)) == proposed(context(*tried))
    assert play(4) == tried


def test_a_crash_counts_as_tried_and_as_no_score():
    first = proposed(context())
    crash = experiment(1, first, None, ExperimentStatus.CRASHED)
    assert proposed(context(crash)) != first


@pytest.mark.parametrize("other", ["2.5", "-7.5", "1e9"])
def test_a_fraction_that_stood_where_an_integer_is_does_not_end_it(other):
    source = "X = 2  # tune: 1..4\n"
    tried = experiment(1, source.replace("= 2", f"= {other}"), 41.0)
    assert proposed(context(tried, source=source)) != source


def test_what_was_kept_is_where_it_goes_on_from():
    kept = SOURCE.replace("CLAMP = 2.0", "CLAMP = 50.0")
    after = proposed(context(experiment(1, kept, 30.0, KEPT), source=kept))
    assert len(changed_lines(kept, after)[1]) == 1


def test_experiments_of_another_kind_do_not_disturb_it():
    odd = [
        experiment(1, "def broken(:\n", 1.0),
        experiment(2, "X = 1\n", 1.0),
        experiment(3, "X = 1  # tune: a..b\n", 1.0),
        replace(experiment(4, "", 1.0), changes=(named(None),)),
        replace(experiment(5, "", 1.0), changes=(named(b"\xff"),)),
    ]
    assert proposed(context(*odd))


@pytest.mark.parametrize("mutable", [(), ("words.txt",), ("absent.json",)])
def test_without_a_file_that_it_reads_there_is_nothing_to_propose(mutable):
    assert Tune().propose(context(mutable=mutable), FakeSupervisor()) is None


def test_without_a_number_there_is_nothing_to_propose():
    assert Tune().propose(context(source="import math\n"), FakeSupervisor()) is None


# -- several files ----------------------------------------------------------------------------

ARGUMENTS = """\
import argparse

p = argparse.ArgumentParser()
p.add_argument("--lr", type=float, default=0.1)
p.add_argument("--seed", type=int, default=1)
"""
TWO_FILES = {
    **TEMPLATE,
    "train.py": File(content=ARGUMENTS.encode()),
    "conf.yaml": File(content=b"# layers\nmodel:\n  hidden: 64   # of each\nseed: 1\n"),
}
TWO_MUTABLE = POLICY_TEXT.replace("mutable: [train.py] ", "mutable: [train.py, conf.yaml] ")


def measured(spec: TrialSpec) -> TrialResult:
    """The larger the two settings, the better."""
    rate = re.search(rb"float, default=(.+)\)", spec.workspace["train.py"].content)
    hidden = yaml.safe_load(spec.workspace["conf.yaml"].content)["model"]["hidden"]
    assert rate is not None
    return scored(1000 - 100 * float(rate[1]) - hidden)


@pytest.mark.slow
@pytest.mark.parametrize("agent", [Tune, RandomSearch])
def test_a_project_of_two_files_is_tuned_by_a_real_run(tmp_path, agent):
    """What a run tried is complete, though each change names one of the two files."""
    template = {"policy_text": TWO_MUTABLE, "template": TWO_FILES}
    sandbox = FakeSandbox(measured)
    for upto in (4, 10):  # resumed once
        with make_session(tmp_path, sandbox, **template) as session:
            run_loop(session, agent(), experiments=upto)
            history = session.history
    assert len(history) == 11
    assert {each.status for each in history} <= {KEPT, REVERTED}
    assert sum(each.status is KEPT for each in history) > 1
    assert {each.changes[0].path for each in history[1:]} == {"train.py", "conf.yaml"}
    assert len({each.fingerprint for each in history}) == 11


def test_where_two_files_have_a_name_in_common_the_hypothesis_says_which():
    files = {name: File(content=b"lr: 0.1\n") for name in ("a.yaml", "b.yaml")}
    proposal = Tune().propose(
        replace(context(), files=files, mutable=("a.yaml", "b.yaml")), FakeSupervisor()
    )
    assert proposal is not None
    assert " lr of a.yaml 0.1 -> " in proposal.hypothesis


def test_an_executable_file_stays_one():
    files = {"train.py": File(content=SOURCE.encode(), mode=EXECUTABLE)}
    proposal = Tune().propose(replace(context(), files=files), FakeSupervisor())
    assert proposal is not None
    assert proposal.changes[0].mode == EXECUTABLE
