"""What a box says, and what it is answered; nothing runs here."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import pytest
from fakes import FakeSupervisor

from runner.agents.boxed.agent import Boxed, Talk, how, load_boxed
from runner.agents.boxed.recipes import Recipe, claude_code
from runner.agents.descriptions import canonical, model_of, on_host, with_model
from runner.errors import ConfigError, ModelError
from runner.records import Change, File, Violation
from runner.seams import BoxEnd, BoxWork, Context

CONTEXT = Context(
    number=4,
    files={
        "train.py": File(content=b"A = 1\n"),
        "run.sh": File(content=b"exec python train.py\n"),
        "scratchpad.md": File(content=b"# Notes\n"),
    },
    mutable=("train.py",),
    notes=("scratchpad.md",),
    metric="m",
    direction="minimize",
    history=(),
)
WORDS = json.dumps({"hypothesis": "two", "category": "numbers"})
WRONG = (Violation(rule="line-too-long", message="a line is too long", path="train.py"),)
DEEP = reduce(lambda inner, _: [inner], range(10_000), [])


def changed(**files: bytes | None):
    return {
        path: None if each is None else base64.b64encode(each).decode()
        for path, each in files.items()
    }


def said(event="hand-over", words=WORDS, files=None, **more):
    return {
        "event": event,
        "words": words,
        "changed": files or changed(**{"train.py": b"A = 2\n"}),
        **more,
    }


def ended(code=0, last="", **more):
    return said("ended", **({"words": None, "code": code, "last": last} | more))


@pytest.fixture
def supervisor() -> FakeSupervisor:
    return FakeSupervisor()


@pytest.fixture
def talk(supervisor) -> Talk:
    return Talk(CONTEXT, supervisor, "m-1")


def test_what_is_handed_over_becomes_the_proposal(talk):
    assert talk.answer(said()).accepted
    assert talk.accepted.changes == (Change(path="train.py", content=b"A = 2\n"),)
    assert (talk.accepted.hypothesis, talk.accepted.model) == ("two", "m-1")


def test_only_mutable_files_and_notes_are_taken(talk, supervisor):
    files = changed(**{
        "run.sh": b"evil", "../x": b"x", "/etc/passwd": b"x", "new.py": b"x",
        "scratchpad.md": b"# More\n", "train.py": b"A = 2\n",
    })  # fmt: skip
    assert talk.answer(said(files=files)).accepted
    assert {change.path for change in talk.accepted.changes} == {"train.py", "scratchpad.md"}


def test_what_does_not_count_is_told_once_a_proposal_comes_back(talk, supervisor):
    supervisor.verdicts = [WRONG]
    reply = talk.answer(said(files=changed(**{"run.sh": b"evil", "try.npy": b"x"})))
    assert "run.sh was changed; it does not count" in reply.text
    assert supervisor.violations == [("run.sh", "was changed, and may only be read")]


def test_what_must_be_mended_is_said_and_mended(talk, supervisor):
    supervisor.verdicts = [WRONG]
    reply = talk.answer(said())
    assert not reply.accepted
    assert "line-too-long in train.py: a line is too long" in reply.text
    assert talk.answer(said()).accepted


def test_a_look_at_the_review_counts_as_no_return(talk, supervisor):
    supervisor.objections = lambda _: WRONG
    reply = talk.answer(said("check"))
    assert "line-too-long" in reply.text
    assert (supervisor.proposals, talk.accepted) == ([], None)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(said(words="{"), id="no JSON"),
        pytest.param(said(words="[" * 100_000), id="too deep"),
        pytest.param(said(words=None), id="no words"),
        pytest.param(said(words='{"hypothesis": 7}'), id="no text"),
        pytest.param(said(files={"train.py": 7}), id="no base64"),
        pytest.param(said(files={"train.py": "?"}), id="nor this"),
        pytest.param(said(files={"train.py": DEEP}), id="nor this, which is nested deeply"),
        pytest.param({"event": "hand-over"}, id="nothing"),
        pytest.param({"event": 7}, id="no event"),
        pytest.param({}, id="an empty object"),
        pytest.param(said("ended", code="0", last=7), id="an end of another form"),
    ],
)
def test_nonsense_is_answered_and_hands_nothing_over(talk, supervisor, request_):
    reply = talk.answer(request_)
    assert reply.text
    assert not reply.accepted
    assert supervisor.proposals == []


def test_a_proposal_that_was_left_behind_is_taken(talk):
    assert talk.answer(ended(words=WORDS)).accepted


def test_one_that_must_be_mended_runs_the_program_again_with_the_reason(talk, supervisor):
    supervisor.verdicts = [WRONG]
    reply = talk.answer(ended(words=WORDS))
    assert "line-too-long" in reply.prompt
    assert "# How to hand the proposal over" in reply.prompt


def test_who_ends_without_a_word_is_asked_once_more(talk):
    assert "Once more" in talk.answer(ended()).prompt
    assert talk.answer(ended()).prompt is None


def test_who_fails_is_not_asked_again(talk):
    assert talk.answer(ended(code=3, last="no")).prompt is None
    assert (talk.code, talk.last) == (3, "no")


def test_who_never_says_anything_sound_comes_to_an_end(talk):
    answers = [talk.answer(ended(words="{")) for _ in range(5)]
    assert [each.prompt is None for each in answers] == [False] * 4 + [True]


class NoGateway:
    def check(self) -> None:
        pass


class Refused(NoGateway):
    def check(self) -> None:
        raise ModelError("the account has no credit")


def proposed(supervisor, run: Callable[[BoxWork], BoxEnd], gateway=None):
    supervisor.boxed = run
    recipe = Recipe(command=("agent",))
    agent = Boxed(
        "boxed",
        lambda _: recipe,
        model="m-1",
        folder=None,
        gateway=lambda *_: gateway or NoGateway(),
    )
    return agent.propose(CONTEXT, supervisor)


def box(*requests, why=None):
    def run(work):
        for request in requests:
            work.answer(request)
        return BoxEnd(why=why, seconds=1.0, cpu_seconds=0.5)

    return run


@pytest.mark.parametrize(
    ("run", "rule", "message"),
    [
        pytest.param(box(), "no-proposal", "without a proposal", id="nothing was said"),
        pytest.param(box(ended(3, "no\x1b[31m")), "agent-failed", r"3: no\x1b[31m", id="failed"),
        pytest.param(box(why="it took too long"), "agent-failed", "it took too long", id="a limit"),
    ],
)  # fmt: skip
def test_a_box_without_a_proposal_is_a_forfeit(supervisor, run, rule, message):
    forfeit = proposed(supervisor, run).forfeit
    assert forfeit.rule == rule
    assert message in forfeit.message


def test_what_was_accepted_counts_however_the_box_ends(supervisor):
    assert proposed(supervisor, box(said(), why="it took too long")).forfeit is None


def test_where_the_provider_refuses_it_is_no_failure_of_the_agent(supervisor):
    with pytest.raises(ModelError):
        proposed(supervisor, box(ended(1)), Refused())


def test_without_a_shell_there_is_no_tool_for_commands_and_no_word_of_one():
    shell, files = (claude_code("m-1", shell=each).command for each in (True, False))
    assert any("Bash" in word for word in shell)
    assert not any("Bash" in word for word in files)
    assert "shell" not in how(replace(CONTEXT, shell=False))


KEYS = {"ANTHROPIC_API_KEY": "sk-1", "OPENAI_API_KEY": "sk-2"}
PROGRAM = "model=claude-opus-5-5 agent '--say=a b'"


def test_any_program_is_an_agent():
    agent = load_boxed("boxed", PROGRAM, KEYS)
    assert (agent.name, agent.isolation, agent.ahead) == ("boxed", "contained", 0)
    recipe = agent._recipe(CONTEXT)
    assert recipe.command == ("agent", "--say=a b")
    assert "sk-1" not in recipe.environment.values()


@pytest.mark.parametrize(
    ("argument", "settings", "message"),
    [
        pytest.param("agent", KEYS, "asks no model", id="no model"),
        pytest.param("model=claude-opus-5-5 ", KEYS, "no program", id="no program"),
        pytest.param("model=claude-opus-5-5 '", KEYS, "quotation", id="no words"),
        pytest.param("model=claude-0 agent", KEYS, "no price", id="no price"),
        pytest.param(PROGRAM, {}, "ANTHROPIC_API_KEY is not set", id="no key"),
        pytest.param(f"{PROGRAM} /box/agents/x", KEYS, "no programs at", id="no programs"),
        pytest.param(PROGRAM, {**KEYS, "RUNNER_BOX_PROGRAMS": "/x/y"}, "no folder", id="no folder"),
    ],
)
def test_what_cannot_run_is_said_before_a_run(argument, settings, message):
    with pytest.raises(ConfigError, match=message):
        load_boxed("boxed", argument, settings)


def test_a_program_that_may_run_commands_needs_a_policy_that_lets_it(supervisor):
    agent = load_boxed("boxed", PROGRAM, KEYS)
    with pytest.raises(ConfigError, match=r"agent\.shell is false"):
        agent.propose(replace(CONTEXT, shell=False), supervisor)


def test_a_program_s_model_is_kept_with_it():
    description = with_model("boxed:agent --fast", "m-1")
    assert description == "boxed:model=m-1 agent --fast" == canonical(description)
    assert model_of(description) == "m-1"
    for wrong in (("boxed:agent", None), (description, "m-2")):
        with pytest.raises(ConfigError):
            with_model(*wrong)


def test_only_claude_code_runs_on_the_host_by_its_own_rules():
    assert on_host("claude-code:m-1") == "claude-code-on-host:m-1"
    assert on_host("best-of-n:claude-code") == "best-of-n:claude-code-on-host"
    with pytest.raises(ConfigError):
        on_host("codex")
