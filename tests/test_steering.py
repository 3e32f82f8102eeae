"""What people and policies say while a run goes: hypotheses, guidance, plateaus, analyses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from click.testing import CliRunner, Result
from fakes import (
    POLICY_TEXT,
    TAG,
    TEMPLATE,
    FakeSandbox,
    ScriptedAgent,
    edit,
    found,
    make_session,
    scored,
)

from runner import paths
from runner.agents import make_agent, make_agents
from runner.agents.descriptions import is_independent
from runner.analysis import analyze, require_rows
from runner.cli import cli
from runner.errors import ConfigError, SandboxError
from runner.policy.load import load_policy, parse_policy
from runner.proposals.context import make_context
from runner.proposals.supervisor import ProposalSupervisor
from runner.records import AskedBy, File, HypothesisStatus, Proposal
from runner.scheduler import run_loop
from runner.seams import Context, Supervisor
from runner.steering.between import between
from runner.steering.course import Course


def worse(_spec) -> object:
    return scored(200.0 if _spec.experiment else 100.0)


def wide(number: int) -> Proposal:
    return edit("WIDTH = 32", f"WIDTH = {number}", f"width {number}")


# -- hypotheses -------------------------------------------------------------------------------


@pytest.fixture
def invoke(tmp_path, monkeypatch) -> Callable[..., Result]:
    with make_session(tmp_path, FakeSandbox(worse)) as session:
        run_loop(session, ScriptedAgent([]), experiments=None)
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    return lambda *arguments: CliRunner().invoke(cli, ["hypothesis", *arguments])


def test_a_hypothesis_is_added_listed_and_dropped(invoke):
    assert "hypothesis 1 of run t1 is open" in invoke("add", "a", "wider", "layer").output
    assert json.loads(invoke("add", "a deeper one", "--tag", TAG, "--json").output)["id"] == 2
    assert "hypothesis 1 is dropped" in invoke("drop", "1").output
    assert invoke("list").output.splitlines() == [
        "   1  dropped: a wider layer",
        "   2  open: a deeper one",
    ]
    listed = json.loads(invoke("list", "--json").output)
    assert [(each["id"], each["status"]) for each in listed] == [(1, "dropped"), (2, "open")]


def test_an_empty_list_says_so(invoke):
    assert invoke("list").output == "run t1 has no hypotheses\n"
    assert json.loads(invoke("list", "--json").output) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "  "), "1 to 2000 characters, got 0"),
        (("add", "x" * 2001), "1 to 2000 characters, got 2001"),
        (("add", "x", "--tag", "other"), "there is no run other"),
        (("drop", "7"), "run t1 has no hypothesis 7"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(invoke, arguments, said):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_what_was_dropped_is_not_dropped_again(invoke):
    invoke("add", "x")
    invoke("drop", "1")
    assert "hypothesis 1 is dropped, not open" in invoke("drop", "1").output


def test_one_that_comes_while_the_run_goes_is_served_next_and_answered(tmp_path, monkeypatch):
    """Another process adds it while the first experiment is tried."""
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))

    def asks(spec):
        if spec.experiment == 1:
            assert CliRunner().invoke(cli, ["hypothesis", "add", "try 50"]).exit_code == 0
        return worse(spec)

    class Obedient:
        name, isolation, ahead = "obedient", "api", 0

        def propose(self, context: Context, supervisor: Supervisor) -> Proposal:
            [asked] = context.hypotheses or [None]
            value = 64 if asked is None else int(asked.text.split()[-1])
            proposal = wide(value)
            return Proposal(
                hypothesis=proposal.hypothesis,
                changes=proposal.changes,
                answers=asked and asked.id,
            )

    with make_session(tmp_path, FakeSandbox(asks)) as session:
        run_loop(session, Obedient(), experiments=2)
        [found] = session.journal.hypotheses(TAG)
        assert session.history[2].hypothesis == "width 50"
    assert (found.status, found.experiment) == (HypothesisStatus.ANSWERED, 2)


# -- guidance ---------------------------------------------------------------------------------


def test_guidance_is_read_before_every_proposal_and_made_by_nobody(tmp_path):
    told: list[str] = []

    class Listening:
        name, isolation, ahead = "listening", "api", 0

        def propose(self, context: Context, supervisor: Supervisor) -> Proposal:
            told.append(context.guidance)
            path = tmp_path / "state" / "runs" / TAG / "guidance.md"
            assert path.exists() == (context.number > 1)
            path.write_text(f"after {context.number}")
            return wide(context.number)

    with make_session(tmp_path, FakeSandbox(worse)) as session:
        assert session.state.guidance(TAG) == tmp_path / "state" / "runs" / TAG / "guidance.md"
        run_loop(session, Listening(), experiments=3)
    assert told == ["", "after 1", "after 2"]


# -- plateaus ---------------------------------------------------------------------------------

PATIENT = POLICY_TEXT.replace("patience: null", "patience: 2").replace("then: topk", "then: random")


def changes(session) -> list[tuple[str, str]]:
    events = [event for event in session.journal.events(TAG) if event["name"] == "strategy.changed"]
    return [(event["detail"]["from"], event["detail"]["to"]) for event in events]


def test_a_plateau_and_its_end_are_told_and_recorded_once(tmp_path):
    said: list[str] = []
    scores = {0: 100, 1: 110, 2: 111, 3: 112, 4: 90, 5: 95}
    sandbox = FakeSandbox(lambda spec: scored(float(scores[spec.experiment])))
    proposals = [wide(60 + number) for number in range(5)]
    for experiments in (2, 3, 5):  # each start goes on where the one before it ended
        with make_session(tmp_path, sandbox, policy_text=PATIENT, say=said.append) as session:
            run_loop(session, ScriptedAgent(proposals), experiments=experiments)
            told = changes(session)
    assert told == [("greedy", "random"), ("random", "greedy")]
    assert said == [
        "the strategy is random now: nothing was kept in the last 2 experiments",
        "the strategy is greedy now: something was kept",
    ]


def test_the_experiments_of_a_plateau_say_their_strategy(tmp_path):
    proposals = [wide(60 + number) for number in range(4)]
    with make_session(tmp_path, FakeSandbox(worse), policy_text=PATIENT) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=None)
        strategies = [found.origin.strategy for found in session.history[1:]]
    assert strategies == ["greedy", "greedy", "random", "random"]


# -- analyses ---------------------------------------------------------------------------------

WITH_FINDINGS = POLICY_TEXT.replace("scratchpad.md]", "scratchpad.md, findings.md]")
EVERY_TWO = WITH_FINDINGS.replace("every: null", "every: 2")


def analyses(session) -> list[tuple[int, bool]]:
    """Return those that ended: of which experiment, and whether an agent asked."""
    ended = [each for each in session.journal.analyses(TAG) if each.seconds is not None]
    return [(each.experiment, each.asked_by is AskedBy.AGENT) for each in ended]


def test_an_analysis_runs_after_every_so_many_experiments_and_once_each(tmp_path):
    proposals = [wide(60 + number) for number in range(6)]
    asked: list[bytes | None] = []
    heard: list[str] = []
    for experiments in (2, 2, 5):
        with make_session(
            tmp_path,
            FakeSandbox(worse),
            policy_text=EVERY_TWO,
            analyst=lambda _, script: asked.append(script) or found(),
            say=heard.append,
        ) as session:
            run_loop(session, ScriptedAgent(proposals), experiments=experiments)
            ran = analyses(session)
    assert ran == [(2, False), (4, False)]
    assert asked == [None, None]
    assert heard == ["analysing training rows, as after every 2 experiments"] * 2


def test_one_that_could_not_be_is_tried_once_in_a_start_and_made_up_by_the_next(tmp_path):
    asked = []

    def cannot(_sandbox, script):
        asked.append(script)
        raise ConfigError("there is no script")

    proposals = [wide(60 + number) for number in range(4)]
    with make_session(
        tmp_path, FakeSandbox(worse), policy_text=EVERY_TWO, analyst=cannot
    ) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=3)
        between(session, Course(experiments=None, hours=None, known=4))
    assert asked == [None]
    with make_session(
        tmp_path, FakeSandbox(worse), policy_text=EVERY_TWO, analyst=lambda *_: found()
    ) as session:
        assert session.ended[-1].number == 3, "as where two settle at once"
        run_loop(session, ScriptedAgent(proposals), experiments=4)
        assert analyses(session) == [(2, False)]


def test_one_that_the_engine_cut_off_is_made_up_on_resume(tmp_path):
    def gone(_sandbox, _script):
        raise SandboxError("gone")

    proposals = [wide(60 + number) for number in range(6)]
    with (
        make_session(tmp_path, FakeSandbox(worse), policy_text=EVERY_TWO, analyst=gone) as session,
        pytest.raises(SandboxError),
    ):
        run_loop(session, ScriptedAgent(proposals), experiments=3)
    with make_session(
        tmp_path, FakeSandbox(worse), policy_text=EVERY_TWO, analyst=lambda *_: found()
    ) as session:
        run_loop(session, ScriptedAgent(proposals), experiments=3)
        assert analyses(session) == [(2, False)]
        assert len(session.history) == 4


def supervisor_of(session) -> ProposalSupervisor:
    return ProposalSupervisor(session, make_context(session, len(session.history)))


def test_an_agent_asks_for_one_and_the_journal_says_for_what(tmp_path):
    with make_session(tmp_path, FakeSandbox(worse), analyst=lambda _, s: found(repr(s))) as session:
        run_loop(session, ScriptedAgent([wide(64)]), experiments=None)
        told = supervisor_of(session).analyze(b"print(1)")
        assert told == "b'print(1)'\n(0.5 s; 4 more analyses before experiment 2)"
        assert analyses(session) == [(2, True)]
        [recorded] = session.journal.analyses(TAG)
    assert recorded.script_digest == hashlib.sha256(b"print(1)").hexdigest()
    assert (recorded.experiment, recorded.asked_by, recorded.seconds) == (2, "agent", 0.5)


def test_why_there_can_be_none_is_an_answer(tmp_path):
    with make_session(tmp_path, FakeSandbox(worse)) as session:
        run_loop(session, ScriptedAgent([]), experiments=None)
        able = replace(session, analyst=partial(analyze, session))
        told = supervisor_of(able).analyze(None)
        assert told == "there was no analysis: eclip has no analysis.py"
        assert "there is no analysis here" in supervisor_of(session).analyze(None)


def test_where_the_policy_allows_none_an_agent_is_told_so(tmp_path):
    policy = POLICY_TEXT.replace("on_request: true", "on_request: false")
    with make_session(
        tmp_path, FakeSandbox(worse), policy_text=policy, analyst=pytest.fail
    ) as session:
        run_loop(session, ScriptedAgent([]), experiments=None)
        assert "analysis.on_request: false" in supervisor_of(session).analyze(None)
        assert analyses(session) == []


TWO = POLICY_TEXT.replace("most: 5", "most: 2")


def test_so_many_analyses_come_before_an_experiment_and_no_more_after_a_restart(tmp_path):
    asked: list[bytes | None] = []

    def analyst(_sandbox, script):
        asked.append(script)
        return found()

    for ran in (1, 2, 2, 2):
        with make_session(
            tmp_path, FakeSandbox(worse), policy_text=TWO, analyst=analyst
        ) as session:
            run_loop(session, ScriptedAgent([]), experiments=None)
            told = supervisor_of(session).analyze(None)
            assert len(asked) == len(analyses(session)) == ran
    assert told == (
        "there was no analysis: 2 were run before experiment 1, and the policy allows 2"
        " (analysis.most); propose, then ask again"
    )
    with make_session(tmp_path, FakeSandbox(worse), policy_text=TWO, analyst=analyst) as session:
        run_loop(session, ScriptedAgent([wide(64)]), experiments=1)
        assert "1 more analysis before experiment 2" in supervisor_of(session).analyze(None)


def test_an_analysis_that_the_engine_failed_counts_for_nothing_and_is_recorded(tmp_path):
    def gone(_sandbox, _script):
        raise SandboxError("gone")

    with make_session(tmp_path, FakeSandbox(worse), policy_text=TWO, analyst=gone) as session:
        run_loop(session, ScriptedAgent([]), experiments=None)
        for _ in range(3):
            with pytest.raises(SandboxError):
                supervisor_of(session).analyze(None)
        assert [each.seconds for each in session.journal.analyses(TAG)] == [None] * 3
        able = replace(session, analyst=lambda *_: found())
        assert "1 more" in supervisor_of(able).analyze(None)


def test_analyses_stand_beside_the_experiment_that_they_came_before(tmp_path, monkeypatch):
    killed = found(failure="analyze: killed at the deadline of 21 s", wall_seconds=21.0)
    with make_session(tmp_path, FakeSandbox(worse), analyst=lambda *_: killed) as session:
        run_loop(session, ScriptedAgent([]), experiments=None)
        assert "killed at the deadline of 21 s" in supervisor_of(session).analyze(
            b"while True: pass"
        )
        session.analyse(b"1", experiment=1, asked_by=AskedBy.PERSON)
        run_loop(session, ScriptedAgent([wide(64)]), experiments=1)
        page = session.workspace.files("refs/notes-files")["LOG.md"].content.decode()
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    shown, status, listed = (
        CliRunner().invoke(cli, arguments).output
        for arguments in (["show", "1"], ["status"], ["list", TAG, "--json"])
    )
    assert "2 before it, 42 s: 21.0 s by agent" in shown
    assert "analyze: killed at the deadline of 21 s" in shown
    assert "2 of training rows, 42 s in all" in status
    [_, first] = json.loads(listed)
    assert [each["asked_by"] for each in first["analyses"]] == ["agent", "person"]
    assert "- **Analyses:** 2 before it, 42 s in all" in page


def test_a_policy_that_wants_analyses_of_rows_that_are_not_there_is_refused(tmp_path):
    template = {**TEMPLATE, "analysis.py": File(content=b"")}
    heart = paths.policy_path("heart").read_text()
    wants = heart.replace("every: null", "every: 5").replace(
        "scratchpad.md]", "scratchpad.md, findings.md]"
    )
    with pytest.raises(ConfigError, match=r"analysis.every: heart has no rows to analyse"):
        require_rows(parse_policy(wants).policy, tmp_path, template)
    require_rows(parse_policy(heart).policy, tmp_path, template)


def test_a_policy_that_wants_analyses_needs_the_script(tmp_path):
    with pytest.raises(ConfigError, match=r"analysis.every: the template has no analysis.py"):
        require_rows(parse_policy(EVERY_TWO).policy, tmp_path, TEMPLATE)


@pytest.mark.parametrize("task", paths.tasks())
def test_each_shipped_policy_wants_only_analyses_that_its_template_has(tmp_path, task):
    (tmp_path / "analysis").mkdir()
    require_rows(load_policy(paths.policy_path(task)).policy, tmp_path, paths.template(task))


# -- who proposes -----------------------------------------------------------------------------


def test_of_a_script_there_is_one_player(tmp_path):
    script = tmp_path / "script.yaml"
    script.write_text("- hypothesis: x\n")
    for description in (f"stub:{script}", f"best-of-n:stub:{script}"):
        assert len(make_agents(description, 1)) == 1
        with pytest.raises(ConfigError, match="there is only one stub"):
            make_agents(description, 2)


def test_each_of_several_agents_is_an_object_of_its_own():
    first, second = make_agents("tune", 2)
    assert first is not second


def test_best_of_n_draws_independently_and_says_who_draws(tmp_path):
    assert [make_agent(name).name for name in ("best-of-n", "best-of-n:tune")] == [
        "best-of-n:random",
        "best-of-n:tune",
    ]
    assert is_independent("best-of-n:tune")
    assert not is_independent("tune")
    with pytest.raises(ConfigError, match="best-of-n of best-of-n"):
        make_agent("best-of-n:best-of-n")


def test_an_independent_draw_is_told_neither_history_nor_notes(tmp_path):
    with make_session(tmp_path, FakeSandbox(worse), independent=True) as session:
        proposals = [edit("WIDTH = 32", "WIDTH = 64", notes="I was here\n")]
        run_loop(session, ScriptedAgent(proposals), experiments=None)
        context = make_context(session, 2)
    assert (context.parent, context.strategy, context.history) == (0, "baseline", ())
    assert context.files["scratchpad.md"].content == b"# Scratchpad\n"


@pytest.mark.slow
def test_random_search_fills_a_run_and_best_of_n_never_leaves_the_template(tmp_path):
    for description in ("random", "best-of-n"):
        with make_session(
            tmp_path / description,
            FakeSandbox(lambda spec: scored(100.0 - 10 * spec.experiment)),
            independent=is_independent(description),
        ) as session:
            run_loop(session, make_agent(description), experiments=4)
            parents = [found.origin.parent for found in session.history[1:]]
            different = {found.fingerprint for found in session.history}
        # What best-of-n draws knows no other draw, so chance may repeat one.
        assert len(different) == 5 if description == "random" else len(different) > 1
        assert parents == ([0, 1, 2, 3] if description == "random" else [0] * 4)
