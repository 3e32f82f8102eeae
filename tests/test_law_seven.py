"""Law 7 where an agent learns by the way: a repeat, its refusal, pages, a run's end, a crash."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import POLICY_TEXT, TRAIN, FakeSandbox, ScriptedAgent, edit, make_session, scored

from runner.agents.about import about
from runner.agents.mcp import telling
from runner.proposals.context import make_context
from runner.proposals.crashes import OTHER, bare
from runner.proposals.supervisor import ProposalSupervisor
from runner.records import Crash, Curve, File, TrialResult, TrialSpec, TrialStatus
from runner.scheduler import run_loop
from runner.views.documents import trial_document

BELOW_A_STEP = ".123"
"""Of every score, and no agent is told of it: it is told in steps of a half."""


def worse(spec: TrialSpec):
    return scored(100.123456 + 10 * spec.experiment)


def better(spec: TrialSpec):
    return scored(100.123456 - 10 * spec.experiment)


def test_a_repeat_is_told_with_the_rounded_score_wherever_it_is_told(tmp_path):
    proposal = edit("WIDTH = 32", "WIDTH = 64")
    with make_session(tmp_path, FakeSandbox(worse)) as session:
        run_loop(session, ScriptedAgent([proposal, proposal]), experiments=2)
        assert session.history[2].rule == "repeat"
        context = make_context(session, 3)
        [returned] = ProposalSupervisor(session, context).review(proposal)
        told = about(replace(context, returned=(returned,)), "")
        page = session.workspace.files("refs/notes-files")["LOG.md"].content
    assert "experiment 1 again (reverted, 110)" in returned.message
    for text in (told["brief.md"], told["context.json"], page):
        assert b"experiment 1 again (reverted, 110)" in text
        assert BELOW_A_STEP.encode() not in text


def test_an_independent_draw_that_is_a_repeat_is_told_no_result(tmp_path):
    proposal = edit("WIDTH = 32", "WIDTH = 64")
    with make_session(tmp_path, FakeSandbox(worse), independent=True) as session:
        run_loop(session, ScriptedAgent([proposal, proposal]), experiments=2)
        assert session.history[2].rule == "repeat"
        [told] = ProposalSupervisor(session, make_context(session, 3)).review(proposal)
    assert told.message.startswith("this was tried, but for comments")


def test_a_run_that_reached_its_goal_ends_with_the_rounded_score(tmp_path):
    """An agent over MCP is told why the run ended."""
    policy = POLICY_TEXT.replace("\nlimits:", "\nstop_at: 95\n\nlimits:")
    with make_session(tmp_path, FakeSandbox(better), policy_text=policy) as session:
        agent = ScriptedAgent([edit("WIDTH = 32", "WIDTH = 64")])
        assert str(run_loop(session, agent, experiments=2)) == "mean_rank 90 reached stop_at 95"


# -- where one split's training targets are another's answers -------------------------------------

SHARED = POLICY_TEXT.replace(
    "splits: [train]", "splits: [fold0, fold1]\n  shared_targets: true"
).replace("consecutive_failures: 10", "consecutive_failures: 1")
OPEN = SHARED.replace("shared_targets: true", "shared_targets: false")
ANSWERS = "10110001"
"""What a trainer says of the rows that another split is asked about."""


def telling_trainer(spec: TrialSpec) -> TrialResult:
    """The first proposal logs a curve and is worse; the second crashes with a message."""
    curves = (Curve(name=f"loss_{ANSWERS}", points=((1.0, 2.0),)),)
    if spec.experiment < 2:
        changed = (f"{ANSWERS}.py",) if spec.experiment else ()
        return replace(worse(spec), curves=curves, self_modified=changed)
    crash = Crash(
        exception="ValueError", file="/workspace/train.py", line=3, message=f"no {ANSWERS}"
    )
    return TrialResult(
        status=TrialStatus.CRASHED,
        stage="train",
        reason=f"train: ValueError: no {ANSWERS}",
        crash=crash,
        curves=curves,
    )


def everything_told(session, reason: str) -> dict[str, str]:
    """Whatever an agent, of any kind, is shown or may read of its run."""
    context = make_context(session, len(session.history))
    told = about(context, "")
    return {
        "why the run ended": reason,
        "brief.md": told["brief.md"].decode(),
        "context.json": told["context.json"].decode(),
        "LOG.md": session.workspace.files("refs/notes-files")["LOG.md"].content.decode(),
        "the page": (session.state.run(session.run.tag) / "LOG.md").read_text(),
        "the task over MCP": telling.task(context, session.run.tag),
        "the history over MCP": telling.history(context),
        **{f"experiment {one.number}": telling.experiment(one) for one in context.history},
    }


def told_of(tmp_path, policy: str) -> tuple[dict[str, str], list[dict[str, object]]]:
    proposals = [edit("WIDTH = 32", "WIDTH = 64"), edit("WIDTH = 32", "WIDTH = 16")]
    sandbox = FakeSandbox(telling_trainer)
    with make_session(tmp_path, sandbox, policy_text=policy) as session:
        for split in ("fold0", "fold1"):
            (session.data.public / split).mkdir(exist_ok=True)
        reason = str(run_loop(session, ScriptedAgent(proposals), experiments=3))
        told = everything_told(session, reason)
        person = [
            trial_document(trial) for experiment in session.history for trial in experiment.trials
        ]
    return told, person


def test_no_word_and_no_number_of_a_trainer_comes_back_where_splits_share_targets(tmp_path):
    told, person = told_of(tmp_path, SHARED)
    assert [name for name, text in told.items() if ANSWERS in text] == []
    assert "ValueError at /workspace/train.py:3" in told["experiment 2"]
    assert "train: ValueError at /workspace/train.py:3" in told["context.json"]
    assert "curves:" not in "".join(told.values())
    assert person[-1]["crash"] == {
        "exception": "ValueError",
        "file": "/workspace/train.py",
        "line": 3,
        "message": f"no {ANSWERS}",
    }
    assert person[0]["curves"]


def test_it_does_where_they_do_not(tmp_path):
    told, _ = told_of(tmp_path, OPEN)
    everywhere = {name for name, text in told.items() if ANSWERS in text}
    assert everywhere >= {
        "why the run ended", "brief.md", "context.json", "LOG.md", "the page",
        "the history over MCP", "experiment 1", "experiment 2",
    }  # fmt: skip


def test_the_lines_of_a_note_are_no_places_of_a_crash(tmp_path):
    """A note has as many lines as its agent likes, and is in no container of a trainer."""
    place = Crash(exception="ValueError", file="/workspace/scratchpad.md", line=900, message="")
    crashed = TrialResult(status=TrialStatus.CRASHED, stage="train", reason="", crash=place)
    sandbox = FakeSandbox(lambda spec: crashed if spec.experiment else worse(spec))
    proposal = edit("WIDTH = 32", "WIDTH = 64", notes="\n" * 1000)
    with make_session(tmp_path, sandbox, policy_text=SHARED) as session:
        for split in ("fold0", "fold1"):
            (session.data.public / split).mkdir(exist_ok=True)
        run_loop(session, ScriptedAgent([proposal]), experiments=1)
        [told] = [each for each in make_context(session, 2).history if each.number == 1]
    assert told.trials[0].result.crash == replace(place, file=None, line=None)


@pytest.mark.parametrize(
    ("policy", "says", "does_not"),
    [(SHARED, "No message and no curve", "500 bytes"), (OPEN, "500 bytes", "No message")],
)
def test_a_brief_says_what_comes_back(tmp_path, policy, says, does_not):
    told, _ = told_of(tmp_path, policy)
    assert says in told["brief.md"]
    assert does_not not in told["brief.md"]


HERE = {"file": "/workspace/train.py", "line": 3}
NOWHERE = {"file": None, "line": None}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        pytest.param({}, {}, id="an ordinary one"),
        pytest.param({"file": "train.py"}, {"file": "train.py"}, id="by its path"),
        pytest.param({"exception": None}, {"exception": None}, id="no traceback"),
        pytest.param({"exception": f"E{ANSWERS}"}, {"exception": OTHER}, id="a name made up"),
        pytest.param(
            {"exception": f"a{ANSWERS}.ValueError"}, {"exception": "ValueError"}, id="a module"
        ),
        pytest.param(
            {"exception": "lightgbm.basic.LightGBMError"},
            {"exception": "LightGBMError"},
            id="a library's",
        ),
        pytest.param({"file": f"/workspace/{ANSWERS}.py"}, NOWHERE, id="a file made up"),
        pytest.param({"file": f"/{ANSWERS}/workspace/train.py"}, NOWHERE, id="a folder made up"),
        pytest.param({"line": int(ANSWERS)}, NOWHERE, id="a line that is not there"),
        pytest.param({"line": 0}, NOWHERE, id="no line of it"),
        pytest.param({"file": None}, NOWHERE, id="no file"),
    ],
)
def test_a_bare_crash_says_nothing_that_could_be_made_up(said, left):
    crash = {"exception": "ValueError", **HERE, "message": f"no {ANSWERS}"}
    found = bare(Crash(**{**crash, **said}), {"train.py": File(content=TRAIN)})
    assert found == Crash(**{**crash, "message": "", **left})
