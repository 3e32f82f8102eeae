"""Files that come and go through a whole run: merging, resuming, and what an agent is told."""

from __future__ import annotations

import json

import pytest
from fakes import (
    POLICY_TEXT,
    TEMPLATE,
    FakeSandbox,
    ScriptedAgent,
    make_session,
    scored,
    with_files,
)

from runner.agents.about import about
from runner.policy.load import parse_policy
from runner.policy.words import summary
from runner.proposals.context import make_context
from runner.proposals.rebasing import _merged
from runner.records import REGULAR, Change, ExperimentStatus, File, Proposal
from runner.scheduler import run_loop
from runner.seams import Context

POLICY = with_files(
    POLICY_TEXT, mutable="[train.py, 'src/**/*.py']", frozen="[src/split.py]", may_add="true"
).replace("max_files: 1", "max_files: 3")
FILES = {
    **TEMPLATE,
    "src/model.py": File(content=b"A = 1\nB = 2\nC = 3\nD = 4\nE = 5\n"),
    "src/split.py": File(content=b"SHARE = 2\n"),
}
CONTEXT = Context(
    number=2,
    files=FILES,
    mutable=("train.py", "src/**/*.py"),
    frozen=("src/split.py",),
    may_add=True,
    notes=("scratchpad.md",),
    metric="m",
    direction="minimize",
    history=(),
)
MODEL = FILES["src/model.py"].content


def change(path: str, content: bytes | None) -> Change:
    return Change(path=path, content=content, mode=REGULAR)


def proposal(*changes: Change) -> Proposal:
    return Proposal(hypothesis="several", changes=changes)


@pytest.mark.parametrize(
    ("path", "wanted", "now", "expected"),
    [
        pytest.param("src/new.py", b"x", None, b"x", id="a new file"),
        pytest.param("src/new.py", b"x", b"x", b"x", id="that came the same meanwhile"),
        pytest.param("src/new.py", b"x", b"y", "conflict", id="that came otherwise meanwhile"),
        pytest.param("src/model.py", None, MODEL, None, id="a file that goes"),
        pytest.param("src/model.py", None, None, None, id="that went meanwhile"),
        pytest.param("src/model.py", None, MODEL + b"F\n", "conflict", id="that changed meanwhile"),
        pytest.param("src/model.py", MODEL + b"F\n", None, "conflict", id="a change of what went"),
        pytest.param(
            "src/model.py", MODEL + b"F\n", b"Z = 0\n" + MODEL, b"Z = 0\n" + MODEL + b"F\n",
            id="two changes apart",
        ),
        pytest.param("train.py", None, b"x", None, id="what no review lets pass stays"),
        pytest.param("src/split.py", b"x", b"y", b"x", id="of a frozen file, too"),
    ],
)  # fmt: skip
def test_changes_of_files_that_come_and_go_are_put_onto_others(path, wanted, now, expected):
    files = {name: file for name, file in FILES.items() if name != path}
    files |= {} if now is None else {path: File(content=now)}
    found = _merged(CONTEXT, files, change(path, wanted))
    if expected == "conflict":
        assert found is None
    else:
        assert found == change(path, expected)


def test_files_come_and_go_over_a_run_that_is_resumed(tmp_path):
    first = proposal(change("src/parts/new.py", b"A = 1\n"), change("src/model.py", None))
    second = proposal(change("src/parts/new.py", b"A = 2\n"))
    again = proposal(change("src/parts/new.py", b"A = 1  # again\n"))
    agent = ScriptedAgent([first, second, again])
    seen = []
    for experiments in (1, 3):
        sandbox = FakeSandbox(lambda spec: scored(100.0 - 10 * spec.experiment))
        with make_session(tmp_path, sandbox, policy_text=POLICY, template=FILES) as session:
            run_loop(session, agent, experiments=experiments)
            history, context = session.history, make_context(session, 4)
        seen += [(spec.experiment, spec.mutable) for spec in sandbox.specs]
    assert dict(seen) == {
        0: ("train.py", "src/model.py"),
        1: ("train.py", "src/parts/new.py"),
        2: ("train.py", "src/parts/new.py"),
    }
    assert [found.status for found in history[:3]] == [ExperimentStatus.KEPT] * 3
    assert (history[3].status, history[3].rule) == (ExperimentStatus.REFUSED, "repeat")
    assert context.editable == ("train.py", "src/parts/new.py")
    told = json.loads(about(context, "")["context.json"])
    assert told["mutable"] == ["train.py", "src/parts/new.py"]
    assert told["patterns"] == ["train.py", "src/**/*.py"]
    assert (told["frozen"], told["may_add"]) == (["src/split.py"], True)


def test_a_policy_in_words_says_what_may_come():
    said = summary(parse_policy(POLICY).policy)
    assert "train.py, src/**/*.py may be changed (* is any part of one name, ** any number" in said
    assert "but for src/split.py; LEARNING.md, scratchpad.md may hold notes" in said
    assert "New files that match may be added" in said
    assert "a new, removed or renamed file" not in said
    plain = summary(parse_policy(POLICY_TEXT).policy)
    assert "Refused, too: a new, removed or renamed file, a link" in plain
    assert "**" not in plain
