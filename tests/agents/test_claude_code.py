"""The real Claude Code against a scripted model on the loopback."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from fakes import FakeSandbox, FakeSupervisor, make_session, scored
from messages_server import Answer, Fault, Silence, calls, says, serving, text, tool_use
from processes import ended

from runner.agents import make_agent, programs
from runner.agents.programs import CLAUDE_CODE, version
from runner.errors import ModelError, SpentError
from runner.paths import PROJECT
from runner.records import Change, File, Violation
from runner.scheduler import run_loop
from runner.seams import Context

pytestmark = pytest.mark.claude_code

CLIENT = programs.folder() / programs.below(programs.CLAUDE_CODE)
KEY = "sk-ant-the-key-that-nobody-may-see"
MODEL = "claude-opus-5-5"
CONTEXT = Context(
    number=4,
    task="eclip",
    files={
        "train.py": File(content=b"A = 1\nB = 1\n"),
        "run.sh": File(content=b"#!/bin/sh\nexec python train.py\n"),
        "scratchpad.md": File(content=b"# Notes\n"),
    },
    mutable=("train.py",),
    notes=("scratchpad.md",),
    metric="mean_rank",
    direction="minimize",
    history=(),
)
HAND_OVER = tool_use(
    "mcp__autoresearch__run_experiment",
    hypothesis="two is better",
    category="numbers",
    expectation="lower",
    takeaway="one was too little",
)
LONG = (Violation(rule="line-too-long", message="a line is too long", path="train.py"),)


@pytest.fixture
def client(monkeypatch, tmp_path):
    assert CLIENT.exists(), f"there is no {CLIENT}: type make test, which installs it"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNNER_CLAUDE_CODE", str(CLIENT))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return monkeypatch


def proposed(client, script, supervisor, context=CONTEXT):
    """Let the client work on one proposal; return it, and what the model was asked."""
    with serving(script) as server:
        client.setenv("ANTHROPIC_BASE_URL", server.url)
        proposal = make_agent("claude-code-on-host").propose(context, supervisor)
    return proposal, server.requests


def folder_of(request):
    found = re.search(r"You are in (/[^,\s]+),", request.raw.decode())
    assert found, "the prompt names the folder"
    return Path(found[1])


def in_turn(*steps):
    """A script of functions of the draft's folder, played in order."""
    left = list(steps)

    def reply(request):
        return left.pop(0)(folder_of(request)) if left else Fault(status=400, message="played out")

    return reply


def edit(path, old, new):
    return tool_use("Edit", file_path=str(path), old_string=old, new_string=new)


def honest(folder):
    return calls(tool_use("Read", file_path=str(folder / "train.py")))


def better(folder):
    return calls(edit(folder / "train.py", "A = 1", "A = 2"), HAND_OVER)


def answers(request):
    """What came back from the tools that the model called last, by the call's number."""
    blocks = [
        block
        for message in request.messages
        if message["role"] == "user" and not isinstance(message["content"], str)
        for block in message["content"]
        if block["type"] == "tool_result"
    ]
    return {block["tool_use_id"]: block for block in blocks}


def words(block):
    content = block["content"]
    return content if isinstance(content, str) else "".join(each["text"] for each in content)


def test_the_client_is_the_version_that_is_tested(client):
    done = subprocess.run([CLIENT, "--version"], capture_output=True, check=True)
    assert done.stdout.decode().startswith(version(CLAUDE_CODE))


def test_an_honest_edit_becomes_the_proposal_and_its_cost_is_recorded(client):
    supervisor = FakeSupervisor()
    proposal, requests = proposed(client, in_turn(honest, better), supervisor)
    assert proposal.changes == (Change(path="train.py", content=b"A = 2\nB = 1\n"),)
    assert (proposal.hypothesis, proposal.takeaway) == ("two is better", "one was too little")
    assert (proposal.model, proposal.forfeit) == (MODEL, None)
    assert len(requests) == 2, "the session ends with the hand-over, without one more call"
    [call] = supervisor.calls
    assert (call.agent, call.model, call.experiment) == ("claude-code", MODEL, 4)
    assert call.usage.output_tokens > 0
    assert 0 < call.usd < 1
    assert call.outcome.startswith("success after ")
    assert supervisor.violations == []


def test_what_is_not_allowed_is_denied_and_changes_nothing(client, tmp_path):
    harness = PROJECT / "harness" / "__main__.py"
    before = harness.read_bytes()
    outside = tmp_path / "outside.py"
    tries = {}

    def attack(folder):
        tries.update(
            harness=edit(harness, "import", "import evil\nimport"),
            read_harness=tool_use("Read", file_path=str(harness)),
            frozen=edit(folder / "run.sh", "exec", "echo"),
            brief=tool_use("Write", file_path=str(folder / ".autoresearch/brief.md"), content="x"),
            bash=tool_use("Bash", command=f"id > {outside}"),
            web=tool_use("WebFetch", url="http://127.0.0.1/", prompt="x"),
            agent=tool_use("Task", description="x", prompt="x", subagent_type="general-purpose"),
            passwd=tool_use("Read", file_path="/etc/passwd"),
            settings=tool_use("Read", file_path=str(folder.parent / "settings.json")),
            sideways=tool_use("Read", file_path=str(folder / ".." / "settings.json")),
            outside=tool_use("Write", file_path=str(outside), content="x"),
            own_settings=tool_use(
                "Write", file_path=str(folder / ".claude/settings.json"), content="{}"
            ),
            new=tool_use("Write", file_path=str(folder / "new.py"), content="x"),
        )
        return calls(*tries.values())

    supervisor = FakeSupervisor()
    proposal, requests = proposed(client, in_turn(attack, honest, better), supervisor)
    said = answers(requests[1])
    for name, block in tries.items():
        assert said[block["id"]]["is_error"], name
        assert "root:" not in words(said[block["id"]]), name
    assert proposal.changes == (Change(path="train.py", content=b"A = 2\nB = 1\n"),)
    assert harness.read_bytes() == before
    assert not outside.exists()
    assert supervisor.violations == [], "nothing got as far as the folder"


def test_an_edit_that_breaks_a_rule_is_blocked_with_the_rule_before_it_is_made(client):
    def objections(proposal):
        bad = any(b"import os" in (change.content or b"") for change in proposal.changes)
        message = "os may not be imported"
        rule = Violation(rule="import-not-allowed", message=message, path="train.py")
        return (rule,) if bad else ()

    wrong = []

    def importing(folder):
        wrong.append(edit(folder / "train.py", "A = 1", "import os\nA = 1"))
        return calls(*wrong)

    supervisor = FakeSupervisor(objections=objections)
    proposal, requests = proposed(client, in_turn(honest, importing, better), supervisor)
    back = answers(requests[2])[wrong[0]["id"]]
    assert back["is_error"]
    assert "import-not-allowed in train.py: os may not be imported" in words(back)
    assert proposal.changes == (Change(path="train.py", content=b"A = 2\nB = 1\n"),)


def test_a_refused_hand_over_goes_back_and_the_session_goes_on(client):
    def mended(folder):
        return calls(
            edit(folder / "train.py", "B = 1", "B = 2"),
            tool_use(HAND_OVER["name"], **HAND_OVER["input"]),
        )

    supervisor = FakeSupervisor(verdicts=[LONG])
    proposal, requests = proposed(client, in_turn(honest, better, mended), supervisor)
    assert "line-too-long in train.py: a line is too long" in words(
        answers(requests[2])[HAND_OVER["id"]]
    )
    assert [each.changes[0].content for each in supervisor.proposals] == [
        b"A = 2\nB = 1\n",
        b"A = 2\nB = 2\n",
    ]
    assert proposal == supervisor.proposals[-1]
    assert len(supervisor.calls) == 1


def test_an_analysis_is_run_and_its_findings_are_marked_as_data(client):
    asked = tool_use("mcp__autoresearch__analyze", script="print(1)")
    supervisor = FakeSupervisor(findings="rows: 7")
    steps = (lambda _: calls(asked), honest, better)
    _, requests = proposed(client, in_turn(*steps), supervisor)
    assert supervisor.analyses == [b"print(1)"]
    assert (
        words(answers(requests[1])[asked["id"]])
        == '<untrusted from="the analysis">\nrows: 7\n</untrusted>'
    )


def test_a_session_that_stops_early_is_asked_once_more(client):
    stops = lambda _: says("I am done")  # noqa: E731
    supervisor = FakeSupervisor()
    proposal, requests = proposed(client, in_turn(stops, honest, better), supervisor)
    assert proposal.forfeit is None
    assert "Once more" in requests[1].raw.decode()
    assert len(supervisor.calls) == 2


def test_two_sessions_that_stop_early_are_a_forfeit(client):
    supervisor = FakeSupervisor()
    proposal, requests = proposed(client, lambda _: says("I am done"), supervisor)
    assert (proposal.forfeit.rule, proposal.changes) == ("no-proposal", ())
    assert len(requests) == len(supervisor.calls) == 2
    assert supervisor.proposals == []


def test_the_key_is_in_no_file_and_on_no_command_line(client):
    places = []

    def look(request):
        root = folder_of(request).parent
        files = [path for path in root.rglob("*") if path.is_file()]
        places.extend(str(path) for path in files if KEY.encode() in path.read_bytes())
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found = line.read_bytes()
            except OSError:
                continue  # it has just ended
            if KEY.encode() in found or b"Lower the rank" in found:
                places.append(str(line))
        assert KEY.encode() not in request.raw
        assert request.headers["x-api-key"] == KEY
        return says("I am done")

    program = {"program.md": File(content=b"Lower the rank.\n")}
    context = Context(**{**vars(CONTEXT), "files": {**CONTEXT.files, **program}})
    _, requests = proposed(client, look, FakeSupervisor(), context)
    assert "Lower the rank." in requests[0].raw.decode()
    assert places == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(Fault(status=401, message="invalid x-api-key"), "401", id="a wrong key"),
        pytest.param(
            Fault(status=400, message="Your credit balance is too low to access the API."),
            "redit",
            id="no credit",
        ),
        pytest.param(Fault(status=404, message="model: none"), "model", id="no such model"),
    ],
)
def test_what_the_api_refuses_is_no_failure_of_the_agent(client, fault, said):
    with pytest.raises(ModelError, match=said) as raised:
        proposed(client, [fault] * 20, FakeSupervisor())
    assert raised.value.hint


def test_trouble_that_passes_is_waited_for_and_shown(client):
    played = iter([Fault(status=529), Fault(status=500)])
    steps = in_turn(honest, better)
    supervisor = FakeSupervisor()
    proposal, _ = proposed(client, lambda request: next(played, None) or steps(request), supervisor)
    assert proposal.forfeit is None
    assert ["529" in supervisor.waits[0][0], "500" in supervisor.waits[1][0]] == [True, True]


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        (Answer(content=(text("no"),), stop_reason="refusal"), "model-refused"),
        (Answer(content=(text("I am"),), stop_reason="max_tokens"), "answer-cut-off"),
    ],
)
def test_what_the_model_fails_at_is_a_forfeit(client, answer, rule):
    supervisor = FakeSupervisor()
    proposal, _ = proposed(client, lambda _: answer, supervisor)
    assert proposal.forfeit.rule == rule
    assert supervisor.calls[0].usd > 0


def test_nothing_of_a_session_is_left_when_it_is_ended(client):
    supervisor, started = FakeSupervisor(), []

    def never(request):
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has just ended
                if str(folder_of(request).parent).encode() in line.read_bytes():
                    started.append(int(line.parent.name))
        supervisor.stopping = True
        return Silence()

    proposal, _ = proposed(client, never, supervisor)
    assert proposal is None
    assert len(started) >= 2, "the client and the bridge to our tools"
    assert all(ended(pid) for pid in started)
    assert 0 < supervisor.calls[0].usd <= supervisor.reservations[0]


def test_a_session_spends_no_more_than_was_set_aside(client):
    dear = {"input_tokens": 150_000}
    script = lambda request: calls(  # noqa: E731
        tool_use("Read", file_path=str(folder_of(request) / "train.py")), usage=dear
    )
    supervisor = FakeSupervisor(left=3.0)
    proposal, _ = proposed(client, script, supervisor)
    assert proposal.forfeit.rule == "agent-failed"
    assert supervisor.calls[0].usd <= supervisor.reservations[0] <= 3.0


def test_a_purse_that_holds_no_session_ends_the_run_before_a_call(client):
    supervisor = FakeSupervisor(left=1.0)
    with serving([]) as server:
        client.setenv("ANTHROPIC_BASE_URL", server.url)
        with pytest.raises(SpentError):
            make_agent("claude-code-on-host").propose(CONTEXT, supervisor)
    assert server.requests == []


def test_what_does_not_count_is_told_in_the_next_session(client):
    agent = make_agent("claude-code-on-host")
    agent._undone = ("run.sh was changed; it does not count",)
    with serving(in_turn(honest, better)) as server:
        client.setenv("ANTHROPIC_BASE_URL", server.url)
        agent.propose(CONTEXT, FakeSupervisor())
    assert "run.sh was changed; it does not count" in server.requests[0].raw.decode()


def test_a_run_keeps_what_it_proposes_and_what_it_cost(client, tmp_path):
    def wider(folder):
        return calls(edit(folder / "train.py", "WIDTH = 32", "WIDTH = 64"), HAND_OVER)

    sandbox = FakeSandbox(lambda spec: scored(9 - spec.experiment))
    with serving(in_turn(honest, wider)) as server, make_session(tmp_path, sandbox) as session:
        client.setenv("ANTHROPIC_BASE_URL", server.url)
        run_loop(session, make_agent("claude-code-on-host"), experiments=1)
        [kept] = session.history[1:]
        [call] = session.journal.calls("t1")
        spent = session.journal.spent("t1")
    assert (kept.status, kept.hypothesis) == ("kept", "two is better")
    assert (kept.origin.isolation, kept.origin.model) == ("tool-restricted", MODEL)
    assert call.experiment == 1
    assert spent == call.usd > 0
