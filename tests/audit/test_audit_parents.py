"""Runs that start from other experiments than the best: clean where honest, and not forgeable."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest
from fakes import POLICY_TEXT, TAG, FakeSandbox, make_session, scored
from planting import BRANCH, Copy

from runner.policy.syntax import read_facts
from runner.records import Change, Experiment, ExperimentStatus, Proposal, TrialSpec
from runner.scheduler import run_loop
from runner.seams import Context, Supervisor

pytestmark = pytest.mark.slow

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
PARSED = lru_cache(read_facts)
COUNT = 14


@pytest.fixture(scope="module", autouse=True)
def each_source_is_parsed_once():
    review = sys.modules["runner.policy.review"]
    before, review.read_facts = review.read_facts, PARSED
    yield
    review.read_facts = before


@dataclass
class Wider:
    """Sets the width to what the number says, in the files that it is given."""

    name: str = "wider"
    isolation: str = "api"
    ahead = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        source = context.files["train.py"].content.decode()
        content = re.sub(r"WIDTH = \d+", f"WIDTH = {100 + context.number}", source)
        content += f"X{context.number} = {context.number}\n"
        path = "run.sh" if context.number == 3 else "train.py"
        return Proposal(
            hypothesis=f"width {context.number}",
            changes=(Change(path=path, content=content.encode()),),
        )


SCORES = (100, 90, 95, 0, 92, 80, 91, 85, 86, 70, 75, 74, 73, 72, 60)
"""The third is refused; 1, 5, 9 and 14 are kept."""


def results(spec: TrialSpec):
    return scored(float(SCORES[spec.experiment]), extra=1.0)


def text(name: str) -> str:
    simple = POLICY_TEXT.replace("decision:\n", "decision:\n  simplicity: {tie_within: 1}\n")
    return simple.replace("name: greedy ", f"name: {name} ")


def conduct(folder: Path, name: str, **more) -> tuple[Experiment, ...]:
    with make_session(folder, FakeSandbox(results), policy_text=text(name), **more) as session:
        run_loop(session, Wider(), experiments=COUNT)
        return session.history


@pytest.fixture(scope="module")
def topk_run(tmp_path_factory) -> tuple[Path, tuple[Experiment, ...]]:
    folder = tmp_path_factory.mktemp("topk")
    return folder, conduct(folder, "topk")


@pytest.fixture
def copy(topk_run, tmp_path) -> Copy:
    shutil.copytree(topk_run[0] / "state", tmp_path / "state")
    return Copy(tmp_path / "state")


def started(history: tuple[Experiment, ...], status: ExperimentStatus) -> list[Experiment]:
    """Return what started from an experiment of this status."""
    return [found for found in history[1:] if history[found.origin.parent].status is status]


def test_a_run_with_other_parents_is_clean(topk_run, copy):
    _, history = topk_run
    assert started(history, REVERTED)
    assert copy.audit().lines[-1].startswith(f"{TAG}: clean")


def test_the_journal_says_where_each_experiment_started_and_why(topk_run):
    for found in topk_run[1][1:]:
        parent = topk_run[1][found.origin.parent]
        assert found.parent_commit == (parent.commit or parent.attempt_commit)
        assert (found.origin.strategy, f"experiment {parent.number}" in found.origin.why) == (
            "topk",
            True,
        )
        assert found.origin.mode == ("improve" if found.number % 5 else "explore")


def test_a_keep_from_another_parent_goes_on_top_of_the_branch_with_its_own_files(tmp_path):
    with make_session(tmp_path, FakeSandbox(results), policy_text=text("random")) as session:
        run_loop(session, Wider(), experiments=COUNT)
        history, workspace = session.history, session.workspace
        kept = [found for found in history if found.status is KEPT]
        commits = workspace.commits(workspace.branch)
        assert [commit.id for commit in commits] == [found.commit for found in kept]
        assert any(found.origin.parent != before.number for before, found in pairwise(kept))
        for found in kept[1:]:
            assert workspace.files(found.commit) == workspace.files(found.attempt_commit)
    assert Copy(tmp_path / "state").audit().clean


def test_independent_draws_all_start_from_the_template_and_are_clean(tmp_path):
    history = conduct(tmp_path, "greedy", independent=True)
    assert {(found.origin.parent, found.origin.strategy) for found in history[1:]} == {
        (0, "baseline")
    }
    assert {found.parent_commit for found in history} == {history[0].commit}
    assert Copy(tmp_path / "state").audit().clean


def rules(copy: Copy) -> set[str]:
    copy.relink()
    copy.forge_log()
    return {found.rule for found in copy.audit().findings}


def origin(history: tuple[Experiment, ...], number: int, **changes: object) -> dict[str, object]:
    found = history[number].origin
    document = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return document | changes


PLANTED = {
    "another experiment than it started from": lambda c, h: c.set(
        9, origin=origin(h, 9, parent=next(n for n in range(9) if n not in (h[9].origin.parent, 3)))
    ),
    "a refused parent": lambda c, h: c.set(
        9, origin=origin(h, 9, parent=3), parent_commit=h[3].attempt_commit
    ),
    "a parent that does not exist": lambda c, h: c.set(9, origin=origin(h, 9, parent=77)),
    "a parent of the future": lambda c, h: c.set(
        9, origin=origin(h, 9, parent=9), parent_commit=h[9].attempt_commit
    ),
    "greedy, and not from the best": lambda c, h: c.set(
        started(h, REVERTED)[0].number,
        origin=origin(h, started(h, REVERTED)[0].number, strategy="greedy"),
    ),
    "a commit that no experiment has": lambda c, _: c.set(
        9, parent_commit=c.commit((BRANCH,), {"train.py": ("100644", "1")})
    ),
    "no origin at all": lambda c, h: c.set(started(h, REVERTED)[0].number, origin=None),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_a_parent_that_is_not_what_the_journal_says_shows(topk_run, copy, plant):
    plant(copy, topk_run[1])
    assert "experiment-parent" in rules(copy)


def test_a_frozen_file_that_came_by_way_of_a_refused_parent_shows(topk_run, copy):
    """Its child's own step changes nothing frozen, so only the parent's refusal tells."""
    history = topk_run[1]
    refused = history[3]
    child = copy.commit((refused.attempt_commit,), {"train.py": ("100644", "WIDTH = 1\n")})
    copy.move("refs/attempts/9", child)
    copy.set(
        9,
        origin=origin(history, 9, parent=3),
        parent_commit=refused.attempt_commit,
        attempt_commit=child,
    )
    assert "experiment-parent" in rules(copy)
