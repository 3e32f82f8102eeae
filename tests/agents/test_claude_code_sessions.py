"""Sessions of a client that is not Claude Code but talks like it, and how the real one is started.

What a well-behaved client cannot be brought to do is done by this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from fakes import FakeSupervisor

from runner.agents import make_agent
from runner.agents.claude_code import launch
from runner.agents.claude_code.agent import ClaudeCode
from runner.agents.claude_code.launch import BRIDGE, Launch
from runner.agents.claude_code.stream import Stream
from runner.agents.claude_code.tools import door
from runner.agents.draft import Said
from runner.agents.programs import CLAUDE_CODE, version
from runner.errors import ConfigError, JournalError, ModelError, SandboxError, StoppedError
from runner.providers import load_providers
from runner.records import Change, File, Violation
from runner.seams import Context

CONTEXT = Context(
    number=2,
    files={
        "train.py": File(content=b"A = 1\n"),
        "run.sh": File(content=b"#!/bin/sh\n"),
    },
    mutable=("train.py",),
    notes=("scratchpad.md",),
    metric="m",
    direction="minimize",
    history=(),
)
MODEL = "claude-opus-5-5"
PRICES = load_providers({})["anthropic"].prices
PREAMBLE = """\
import json, os, socket, sys
from pathlib import Path
arguments = sys.argv[1:]
settings = json.loads(arguments[arguments.index("--settings") + 1])
servers = json.loads(arguments[arguments.index("--mcp-config") + 1])
door = servers["mcpServers"]["autoresearch"]["args"][3]
def emit(**event):
    print(json.dumps(event), flush=True)
def ask(tool, event=None, **arguments):
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.connect(door)
        request = {"tool": tool, "arguments": arguments, "event": event}
        supervisor.sendall(json.dumps(request).encode() + b"\\n")
        return json.loads(supervisor.makefile("rb").readline())
def end(**more):
    emit(**{"type": "result", "subtype": "success", "num_turns": 3, "total_cost_usd": 0.25, **more})
def hand_over():
    return ask("run_experiment", hypothesis="h", category="c")
emit(type="system", subtype="init", mcp_servers=[{"name": "autoresearch", "status": STATUS}])
"""


def client(tmp_path, body, *, status="connected", **options):
    """The agent, with a client that is this script; what it leaves in `tmp_path` stays."""
    script = tmp_path / "client"
    given = f"KEPT, STATUS = {str(tmp_path)!r}, {status!r}"
    lines = (f"#!{sys.executable} -I", given, PREAMBLE, body)
    script.write_text("\n".join(lines))
    script.chmod(0o700)
    return ClaudeCode(binary=str(script), model=MODEL, prices=PRICES, **options)


def test_a_client_that_writes_a_frozen_file_is_found_out_and_told(tmp_path):
    body = """
os.chmod("run.sh", 0o600)
Path("run.sh").write_text("echo 0.0\\n")
Path("evil.py").write_text("x")
Path("train.py").write_text("A = 2\\n")
first = hand_over()
Path(KEPT, "first").write_text(json.dumps(first))
hand_over()
end()
"""
    no = Violation(rule="line-too-long", message="too long", path="train.py")
    supervisor = FakeSupervisor(verdicts=[(no,)])
    proposal = client(tmp_path, body).propose(CONTEXT, supervisor)
    assert proposal.changes == (Change(path="train.py", content=b"A = 2\n"),)
    assert sorted(path for path, _ in supervisor.violations) == ["evil.py", "run.sh"]
    told = json.loads((tmp_path / "first").read_text())
    assert told["error"]
    assert "run.sh was changed, and may only be read; it does not count" in told["text"]


def test_what_it_changes_after_the_hand_over_is_not_proposed(tmp_path):
    body = """
Path("train.py").write_text("A = 2\\n")
hand_over()
Path("train.py").write_text("A = 3\\n")
Path(KEPT, "again").write_text(json.dumps(hand_over()))
end()
"""
    supervisor = FakeSupervisor()
    proposal = client(tmp_path, body).propose(CONTEXT, supervisor)
    assert proposal.changes == (Change(path="train.py", content=b"A = 2\n"),)
    assert len(supervisor.proposals) == 1
    assert "end now" in json.loads((tmp_path / "again").read_text())["text"]


def test_what_does_not_count_and_came_after_the_last_answer_is_told_in_the_next_session(tmp_path):
    body = """
Path(KEPT, f"prompt{len(list(Path(KEPT).glob('prompt*')))}").write_text(sys.stdin.read())
hand_over()
Path("late.py").write_text("x")
end()
"""
    agent, supervisor = client(tmp_path, body), FakeSupervisor()
    agent.propose(CONTEXT, supervisor)
    agent.propose(CONTEXT, supervisor)
    assert "late.py" not in (tmp_path / "prompt0").read_text()
    assert "late.py was created" in (tmp_path / "prompt1").read_text()


def test_a_talk_is_kept_for_the_person_without_our_key(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-nobody-may-see-this")
    body = """
said = [{"type": "text", "text": "I am " + os.environ["ANTHROPIC_API_KEY"]}]
emit(type="assistant", message={"role": "assistant", "content": said})
emit(type="assistant", message="odd")
hand_over(); end()
"""
    supervisor = FakeSupervisor()
    client(tmp_path, body).propose(CONTEXT, supervisor)
    assert [role for role, _ in supervisor.talk] == ["system", "user", "assistant"]
    assert "run_experiment" in supervisor.talk[1][1]
    assert supervisor.talk[2][1] == "I am (ANTHROPIC_API_KEY)"


def test_a_session_without_a_result_costs_what_was_set_aside(tmp_path):
    supervisor = FakeSupervisor(left=4.0)
    proposal = client(tmp_path, "hand_over()").propose(CONTEXT, supervisor)
    assert proposal.forfeit is None
    assert supervisor.calls[0].usd == supervisor.reservations[0] == 4.0


@pytest.mark.parametrize("error", [SandboxError, StoppedError, JournalError, KeyboardInterrupt])
def test_a_session_that_ends_in_an_error_of_ours_costs_what_was_set_aside(tmp_path, error):
    class Failing(FakeSupervisor):
        def analyze(self, script):
            raise error("the engine went away")

    supervisor = Failing(left=4.0)
    with pytest.raises(error):
        client(tmp_path, "ask('analyze'); end()").propose(CONTEXT, supervisor)
    [call] = supervisor.calls
    assert call.usd == supervisor.reservations[0] == 4.0
    assert (call.experiment, call.outcome) == (CONTEXT.number, error.__name__)


def test_an_error_before_the_client_is_heard_costs_what_was_set_aside(tmp_path):
    """It may have asked its model while we were busy with what failed."""

    class Failing(FakeSupervisor):
        def stop_asked(self):
            raise JournalError("the disk is full")

    supervisor = Failing(left=4.0)
    with pytest.raises(JournalError):
        client(tmp_path, "end()").propose(CONTEXT, supervisor)
    assert [call.usd for call in supervisor.calls] == [4.0]


def test_a_client_that_is_no_program_any_more_costs_nothing(tmp_path):
    agent, supervisor = client(tmp_path, "end()"), FakeSupervisor(left=4.0)
    (tmp_path / "client").unlink()
    with pytest.raises(ConfigError):
        agent.propose(CONTEXT, supervisor)
    assert supervisor.calls == []


def test_a_price_that_the_client_does_not_know_is_ours(tmp_path):
    used = {"inputTokens": 1_000_000, "outputTokens": 0, "cacheReadInputTokens": 10}
    body = f"hand_over(); end(total_cost_usd=0.0, modelUsage={{'m': {used}}})"
    supervisor = FakeSupervisor()
    client(tmp_path, body).propose(CONTEXT, supervisor)
    assert supervisor.calls[0].usage.input_tokens == 1_000_000
    assert supervisor.calls[0].usd == pytest.approx(PRICES.cost(MODEL, supervisor.calls[0].usage))


def test_a_client_that_cannot_start_pauses_the_run(tmp_path):
    script = tmp_path / "client"
    script.write_text("#!/bin/sh\necho 'unknown option' >&2\nexit 1\n")
    script.chmod(0o700)
    agent, supervisor = ClaudeCode(binary=str(script), model=MODEL, prices=PRICES), FakeSupervisor()
    with pytest.raises(ModelError, match="unknown option") as raised:
        agent.propose(CONTEXT, supervisor)
    assert version(CLAUDE_CODE) in raised.value.hint
    assert supervisor.calls[0].usd == 0.0


def test_an_account_that_is_refused_is_not_tried_again_and_again(tmp_path):
    body = """
emit(type="system", subtype="api_retry", error_status=401, error="authentication_failed",
     retry_delay_ms=600)
import time; time.sleep(600)
"""
    supervisor = FakeSupervisor()
    with pytest.raises(ModelError, match="401"):
        client(tmp_path, body).propose(CONTEXT, supervisor)
    assert supervisor.calls[0].usd == 0.0


@pytest.mark.parametrize(
    ("ends", "usd"),
    [
        pytest.param("end(total_cost_usd=3.2)", 3.2, id="what it says"),
        pytest.param("sys.exit(1)", 4.0, id="what was set aside, where it says nothing"),
    ],
)
def test_an_account_that_is_refused_midway_pays_for_what_was_answered(tmp_path, ends, usd):
    body = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    emit(type="assistant", message={{"role": "assistant", "content": []}})
    emit(type="system", subtype="api_retry", error_status=402, retry_delay_ms=600)
    signal.pause()
except KeyboardInterrupt:
    {ends}
"""
    supervisor = FakeSupervisor(left=4.0)
    with pytest.raises(ModelError, match="402"):
        client(tmp_path, body).propose(CONTEXT, supervisor)
    assert supervisor.calls[0].usd == usd


@pytest.mark.parametrize(
    ("body", "options", "said"),
    [
        pytest.param("import time; time.sleep(600)", {"seconds": 0.5}, "0.5 s", id="it hangs"),
        pytest.param(
            "end(subtype='error_max_turns', is_error=True, errors=['Reached maximum turns'])",
            {},
            "Reached maximum turns",
            id="too many turns",
        ),
        pytest.param(
            "end(subtype='error_max_budget_usd', is_error=True, errors=['Reached budget'])",
            {},
            "Reached budget",
            id="too dear",
        ),
    ],
)
def test_a_session_that_comes_to_a_limit_is_a_forfeit(tmp_path, body, options, said):
    supervisor = FakeSupervisor()
    proposal = client(tmp_path, body, **options).propose(CONTEXT, supervisor)
    assert proposal.forfeit.rule == "agent-failed"
    assert said in proposal.forfeit.message
    assert len(supervisor.calls) == 1


def test_what_a_client_says_of_its_failure_is_escaped_and_cut(tmp_path):
    said = 'end(subtype="error_max_turns", is_error=True, result="\\x1b[2J" + "x" * 10**6)'
    proposal = client(tmp_path, said).propose(CONTEXT, FakeSupervisor())
    assert len(proposal.forfeit.message) <= 500
    assert proposal.forfeit.message.isprintable()
    assert proposal.hypothesis.isprintable()


def test_an_error_of_the_api_pauses_the_run(tmp_path):
    body = "end(is_error=True, api_error_status=529, result='Overloaded'); sys.exit(1)"
    with pytest.raises(ModelError, match="Overloaded"):
        client(tmp_path, body).propose(CONTEXT, FakeSupervisor())


@pytest.mark.parametrize(
    "ends", ["end(is_error=True, api_error_status=500, result=said); sys.exit(1)", "sys.exit(said)"]
)
def test_what_a_client_says_of_our_key_shows_it_to_nobody(tmp_path, monkeypatch, ends):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-nobody-may-see-this")
    body = "said = 'bad key ' + os.environ['ANTHROPIC_API_KEY'] + '\\x1b[2J'\n" + ends
    with pytest.raises(ModelError) as caught:
        client(tmp_path, body).propose(CONTEXT, FakeSupervisor())
    assert "bad key (ANTHROPIC_API_KEY)\\x1b[2J" in str(caught.value)


def test_a_session_that_never_got_our_tools_is_no_failure_of_the_agent(tmp_path):
    agent = client(tmp_path, "end()", status="failed")
    with pytest.raises(ModelError, match="our tools"):
        agent.propose(CONTEXT, FakeSupervisor())


def test_a_session_that_is_interrupted_costs_what_it_says_and_the_call_it_was_in(tmp_path):
    body = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
try:
    Path(KEPT, "ready").touch()
    while True:
        time.sleep(0.05)  # a signal between a check and one long sleep would be slept through
except KeyboardInterrupt:
    end(subtype="error_during_execution")
"""

    class Impatient(FakeSupervisor):
        def stop_asked(self):
            return (tmp_path / "ready").exists()

    supervisor = Impatient()
    assert client(tmp_path, body).propose(CONTEXT, supervisor) is None
    margin = PRICES.worst_case(MODEL, input_tokens=200_000, output_tokens=32_000)
    assert supervisor.calls[0].usd == pytest.approx(0.25 + margin)


def test_a_wish_to_stop_ends_a_session(tmp_path):
    agent = client(tmp_path, "import time; time.sleep(600)")
    assert agent.propose(CONTEXT, FakeSupervisor(stopping=True)) is None


def test_a_hand_over_that_is_no_proposal_is_answered_with_what_is_wrong(tmp_path):
    body = """
Path(KEPT, "said").write_text(json.dumps(ask("run_experiment", hypothesis="h", answers="no")))
hand_over()
end()
"""
    supervisor = FakeSupervisor()
    client(tmp_path, body).propose(CONTEXT, supervisor)
    said = json.loads((tmp_path / "said").read_text())
    assert said["error"]
    assert "not-a-proposal: answers:" in said["text"]


@pytest.mark.parametrize(
    "request_line",
    [
        "no json",
        "[" * 100_000,
        "7",
        '{"arguments": {}}',
        '{"tool": "run_experiment", "arguments": 7}',
        '{"tool": "Edit", "event": "PreToolUse", "arguments": {}}',
        '{"tool": "Edit", "event": "PreToolUse", "arguments": {"file_path": "FOLDER/train.py"}}',
        '{"tool": "analyze", "arguments": {"script": "\\ud800"}}',
    ],
)
def test_a_request_that_makes_no_sense_is_answered_and_ends_nothing(tmp_path, request_line):
    body = f"""
with socket.socket(socket.AF_UNIX) as supervisor:
    supervisor.connect(door)
    line = {request_line!r}.replace("FOLDER", os.getcwd())
    supervisor.sendall(line.encode() + b"\\n")
    Path(KEPT, "said").write_bytes(supervisor.makefile("rb").readline())
hand_over()
end()
"""
    assert client(tmp_path, body).propose(CONTEXT, FakeSupervisor()).forfeit is None
    said = json.loads((tmp_path / "said").read_text())
    assert said["error"] or "analyze" in request_line


@pytest.mark.parametrize(
    ("path", "rules", "refused"),
    [
        pytest.param("train.py", ["network"], True, id="a rule about the file"),
        pytest.param("train.py", ["not-python", "repeat"], False, id="rules of a whole proposal"),
        pytest.param("run.sh", [], True, id="a frozen file"),
        pytest.param("../settings.json", [], True, id="a way out"),
    ],
)
def test_an_edit_is_reviewed_before_it_is_made(tmp_path, path, rules, refused):
    body = f"""
said = ask("Write", "PreToolUse", file_path=os.path.join(os.getcwd(), {path!r}), content="A = 2")
Path(KEPT, "said").write_text(json.dumps(said))
hand_over()
end()
"""
    broken = tuple(Violation(rule=rule, message="no", path="train.py") for rule in rules)
    supervisor = FakeSupervisor(objections=lambda _: broken)
    client(tmp_path, body).propose(CONTEXT, supervisor)
    assert json.loads((tmp_path / "said").read_text())["error"] is refused
    assert len(supervisor.proposals) == 1, "asking is no return"


@pytest.mark.parametrize(
    ("path", "refused"), [("src/new.py", False), ("src/a/new.py", True), ("new.py", True)]
)
def test_a_new_file_may_be_written_where_the_policy_lets_some_be_added(tmp_path, path, refused):
    body = f"""
said = ask("Write", "PreToolUse", file_path=os.path.join(os.getcwd(), {path!r}), content="A = 2")
Path(KEPT, "said").write_text(json.dumps(said))
os.makedirs(os.path.dirname(os.path.abspath({path!r})), exist_ok=True)
Path({path!r}).write_text("A = 2\\n")
hand_over()
end()
"""
    context = replace(CONTEXT, mutable=("train.py", "src/*.py"), may_add=True)
    proposal = client(tmp_path, body).propose(context, FakeSupervisor())
    assert json.loads((tmp_path / "said").read_text())["error"] is refused
    assert proposal.changes == (() if refused else (Change(path=path, content=b"A = 2\n"),))


def test_a_file_that_may_go_is_taken_away_as_the_edits_are_handed_over(tmp_path):
    body = """
said = ask("run_experiment", hypothesis="h", category="c", removed=["src/none.py"])
Path(KEPT, "said").write_text(json.dumps(said))
ask("run_experiment", hypothesis="h", category="c", removed=["src/old.py"])
end()
"""
    files = {**CONTEXT.files, "src/old.py": File(content=b"B = 2\n")}
    context = replace(CONTEXT, files=files, mutable=("train.py", "src/*.py"), may_add=True)
    proposal = client(tmp_path, body).propose(context, FakeSupervisor())
    assert "there is no file src/none.py" in json.loads((tmp_path / "said").read_text())["text"]
    assert proposal.changes == (Change(path="src/old.py", content=None),)


@pytest.mark.parametrize("may_remove", [True, False])
def test_a_file_to_take_away_is_asked_for_only_where_one_may_go(may_remove):
    [run, _] = launch.tools(may_remove=may_remove)
    assert ("removed" in run["inputSchema"]["properties"]) is may_remove


# -- how it is started ------------------------------------------------------------------------


def started(tmp_path, **more):
    fields = {"draft": tmp_path / "draft", "private": tmp_path, "writable": ("train.py",),
              "may_remove": False, **more}  # fmt: skip
    return Launch(binary="claude", model=MODEL, usd=1.5, turns=9, **fields)


def test_the_settings_allow_the_mutable_files_and_nothing_else(tmp_path):
    found = launch.settings(started(tmp_path, draft=tmp_path / "a*b"))
    assert found["permissions"]["allow"] == [
        f"Read(/{tmp_path}/a\\*b/**)",
        f"Edit(/{tmp_path}/a\\*b/train.py)",
        "mcp__autoresearch__run_experiment",
        "mcp__autoresearch__analyze",
    ]
    assert {"Bash", "WebFetch", "WebSearch"} <= set(found["permissions"]["deny"])
    assert found["permissions"]["defaultMode"] == "dontAsk"


def test_neither_prompt_nor_key_is_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    words = launch.argv(started(tmp_path))
    assert "sk-secret" not in " ".join(words)
    assert words[words.index("--max-budget-usd") + 1] == "1.5000"
    assert words[words.index("--setting-sources") + 1] == ""
    assert "--strict-mcp-config" in words


def test_the_client_sees_a_few_variables_only(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    body = """
Path(KEPT, "seen").write_text(json.dumps(dict(os.environ)))
hand_over()
end()
"""
    client(tmp_path, body).propose(CONTEXT, FakeSupervisor())
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["ANTHROPIC_API_KEY"] == "sk-secret"
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert seen["DISABLE_TELEMETRY"] == seen["DISABLE_AUTOUPDATER"] == "1"


def test_a_client_that_is_not_there_is_said_with_how_to_get_it(monkeypatch):
    monkeypatch.setenv("RUNNER_CLAUDE_CODE", "no-such-client")
    with pytest.raises(ConfigError) as raised:
        make_agent("claude-code-on-host")
    assert "npm install -g @anthropic-ai/claude-code" in raised.value.hint


def test_a_client_without_a_key_or_a_price_is_an_error(monkeypatch):
    monkeypatch.setenv("RUNNER_CLAUDE_CODE", sys.executable)
    for name in launch.CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="no key"):
        make_agent("claude-code-on-host")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    with pytest.raises(ConfigError, match="no price"):
        make_agent("claude-code-on-host:gpt-9")


OWN = """\
company:
  protocol: anthropic
  address: https://models.example.com
  key_in: COMPANY_KEY
  prices: free
gate:
  protocol: anthropic
  address: https://models.example.com
  key_in: ANTHROPIC_API_KEY
  prices: free
local:
  protocol: openai
  address: http://127.0.0.1:8000/v1
  prices: free
cheap:
  protocol: anthropic
  address: https://api.anthropic.com
  key_in: ANTHROPIC_API_KEY
  prices: free
"""


@pytest.fixture
def own_providers(tmp_path, monkeypatch):
    (tmp_path / "providers.yaml").write_text(OWN)
    monkeypatch.setenv("RUNNER_PROVIDERS", str(tmp_path / "providers.yaml"))
    monkeypatch.setenv("RUNNER_CLAUDE_CODE", sys.executable)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    return monkeypatch


@pytest.mark.parametrize("model", ["company/m", "gate/m", "local/m", "gpt-6.1-sol"])
def test_a_model_of_another_provider_is_refused(own_providers, model):
    """The client would ask Anthropic for it, with the person's own key."""
    with pytest.raises(ConfigError, match=rf"cannot ask {model}: it asks https://api\.anthropic"):
        make_agent(f"claude-code-on-host:{model}")


def test_prices_and_an_address_of_one_s_own_that_the_client_knows_are_used(own_providers):
    make_agent("claude-code-on-host:cheap/m")
    own_providers.setenv("ANTHROPIC_BASE_URL", "https://models.example.com/")
    make_agent("claude-code-on-host")
    make_agent("claude-code-on-host:gate/m")
    with pytest.raises(ConfigError, match=r"cannot ask cheap/m: it asks https://models\.example"):
        make_agent("claude-code-on-host:cheap/m")


def hook(tmp_path, event, answer):
    """Run the hook as the client does, with a supervisor that answers so."""
    asked = []
    with door(tmp_path / "s", lambda request: asked.append(request) or answer) as (_, let_in):
        process = subprocess.Popen(
            [sys.executable, "-I", str(BRIDGE), "hook", str(tmp_path / "s")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        process.stdin.write(json.dumps(event).encode())
        process.stdin.close()
        let_in()
        with process:
            return json.loads(process.stdout.read()), asked


EVENT = {"hook_event_name": "PreToolUse", "tool_name": "Edit", "tool_input": {"file_path": "x"}}


def test_the_hook_blocks_with_the_supervisor_s_words(tmp_path):
    said, asked = hook(tmp_path, EVENT, Said(text="network: no", failed=True))
    assert said["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert said["hookSpecificOutput"]["permissionDecisionReason"] == "network: no"
    assert asked == [{"event": "PreToolUse", "tool": "Edit", "arguments": {"file_path": "x"}}]


def test_the_hook_lets_pass_what_the_supervisor_has_nothing_against(tmp_path):
    assert hook(tmp_path, EVENT, Said(text=""))[0] == {}


def test_the_hook_ends_a_session_whose_proposal_is_accepted(tmp_path):
    event = {**EVENT, "hook_event_name": "PostToolUse"}
    said, _ = hook(tmp_path, event, Said(text="accepted", failed=True))
    assert said == {"continue": False, "stopReason": "accepted"}


def test_a_hook_that_finds_no_supervisor_blocks(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", str(BRIDGE), "hook", str(tmp_path / "nobody")],
        input=json.dumps(EVENT).encode(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2


@pytest.mark.parametrize("event", [b"[" * 100_000, b"7", b'{"hook_event_name": "PreToolUse"}'])
def test_a_hook_that_cannot_read_its_event_blocks(tmp_path, event):
    """Any other exit code than 2 would let the edit pass."""
    done = subprocess.run(
        [sys.executable, "-I", str(BRIDGE), "hook", str(tmp_path / "nobody")],
        input=event, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2


def test_lines_that_are_no_json_are_passed_over():
    stream = Stream(lambda *_: None, lambda *_: None)
    stream.hear(b'warning\n[1]\n{"type": "system", "subt')
    stream.hear(b'ype": "init"}\n')
    stream.hear(b'{"type": "assistant", "input": ' + b"[" * 100_000 + b"\n")
    stream.hear(b'{"type": "system", "subtype": "api_retry", "retry_delay_ms": "soon"}\n')
    assert stream.started


@pytest.mark.parametrize(
    "said",
    [
        {"total_cost_usd": float("nan")},
        {"total_cost_usd": float("inf")},
        {"total_cost_usd": -1.0},
        {"total_cost_usd": "much"},
        {"modelUsage": {"m": {"inputTokens": -(10**9)}}},
        {"modelUsage": {"m": {"inputTokens": 10**30}}},
        {"modelUsage": {"m": {"outputTokens": float("nan")}}},
        {"modelUsage": [1]},
    ],
)
def test_a_result_whose_numbers_are_none_costs_what_was_set_aside(tmp_path, said):
    lines = f"from math import nan, inf\nhand_over(); end(**{said!r})"
    supervisor = FakeSupervisor(left=4.0)
    assert client(tmp_path, lines).propose(CONTEXT, supervisor).forfeit is None
    assert [call.usd for call in supervisor.calls] == supervisor.reservations == [4.0]
