from __future__ import annotations

import math
from dataclasses import replace

import pytest
from fakes import FakeSupervisor, named, read

from runner.agents.numbers import tunable
from runner.agents.tune import RandomSearch
from runner.records import Experiment, ExperimentStatus, File
from runner.seams import Context

SOURCE = '"""Train."""\n\nCLAMP = 2.0  # tune: 1..100 log\nBATCH = 64  # tune: 16..256\n'


def context(number: int = 1, source: str = SOURCE, **more) -> Context:
    return Context(
        number=number, files={"train.py": File(content=source.encode())}, mutable=("train.py",),
        metric="mean_rank", direction="minimize", history=(), read=read, **more,
    )  # fmt: skip


def drawn(given: Context) -> dict[str, float]:
    proposal = RandomSearch().propose(given, FakeSupervisor())
    assert proposal is not None
    [change] = proposal.changes
    assert change.content is not None
    found = tunable({"train.py": File(content=change.content)}, ("train.py",))
    return {each.name: each.value for each in found}


def test_a_draw_changes_one_constant_within_its_range():
    for number in range(1, 200):
        values = drawn(context(number))
        assert (values["CLAMP"] == 2.0) != (values["BATCH"] == 64)
        assert 1 <= values["CLAMP"] <= 100
        assert 16 <= values["BATCH"] <= 256
        assert isinstance(values["BATCH"], int)


def test_all_constants_are_drawn_and_a_logarithmic_one_evenly_over_its_logarithm():
    draws = [drawn(context(number)) for number in range(1, 2001)]
    clamps = [values["CLAMP"] for values in draws if values["CLAMP"] != 2.0]
    assert len(clamps) == pytest.approx(1000, abs=80)
    below = sum(math.log10(value) < 1 for value in clamps)
    assert below == pytest.approx(len(clamps) / 2, abs=60)


def test_the_same_number_of_the_same_run_draws_the_same_and_of_another_run_not():
    assert drawn(context(7)) == drawn(context(7))
    assert drawn(context(7)) != drawn(context(8))
    assert drawn(context(7)) != drawn(context(7, parent_commit="another"))


def test_nothing_is_drawn_twice_and_the_end_of_it_ends_the_run():
    source, tried = "X = 2  # tune: 1..4\n", []
    for number in range(1, 4):
        given = replace(context(number, source), history=tuple(tried))
        content = f"X = {drawn(given)['X']}  # tune: 1..4\n".encode()
        tried.append(
            Experiment(
                run="t1", number=number, parent_commit="", hypothesis="", category="",
                changes=(named(content),),
                status=ExperimentStatus.REVERTED, score=1.0,
            )
        )  # fmt: skip
    assert {read([found.changes[0].blob])[0][4:5] for found in tried} == {b"1", b"3", b"4"}
    given = replace(context(9, source), history=tuple(tried))
    assert RandomSearch().propose(given, FakeSupervisor()) is None


def test_how_earlier_ones_ended_changes_nothing():
    told = [
        Experiment(
            run="t1", number=1, parent_commit="", hypothesis="", category="",
            changes=(named(SOURCE.replace("64", "65").encode()),),
            status=ExperimentStatus.REVERTED, score=score,
        )
        for score in (1.0, 1000.0, None)
    ]  # fmt: skip
    assert len({str(drawn(replace(context(2), history=(each,)))) for each in told}) == 1


@pytest.mark.parametrize("source", ["import math\n", ""])
def test_without_a_number_there_is_nothing_to_propose(source):
    assert RandomSearch().propose(context(source=source), FakeSupervisor()) is None


def test_without_a_file_that_it_reads_there_is_nothing_to_propose():
    given = replace(context(), mutable=("config.json",))
    assert RandomSearch().propose(given, FakeSupervisor()) is None
